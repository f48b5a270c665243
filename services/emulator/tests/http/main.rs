//! The emulator over real HTTP, on a port of the system's choice.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod faults;
mod ledger;
mod limits;
mod shapes;
mod streams;
mod support;
