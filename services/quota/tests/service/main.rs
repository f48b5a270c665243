//! The quota service over real gRPC on a free port, with a journal in memory and a clock that stands still.
#![cfg(test)]

mod access_names;
mod admission;
mod atomic;
mod auth;
mod bursts;
mod commands;
mod debt;
mod decisions;
mod entitled;
mod envoy;
mod explained;
mod faults;
mod governance;
mod holds;
mod keys;
mod people;
mod restart;
mod roles;
mod secured;
mod session;
mod simulate;
mod support;
