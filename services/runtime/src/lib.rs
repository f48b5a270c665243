//! The shell that every process of Weir shares: clock, journal, settings, telemetry, health, shutdown.
//!
//! Holds no rule of the product (those are in `weir-domain`) and no knowledge of any one service.

pub mod clickhouse;
pub mod client_tls;
pub mod clock;
pub mod config;
pub mod dir_lock;
pub mod framed_log;
pub mod health;
pub mod ids;
pub mod journal;
pub mod secrets;
pub mod tasks;
pub mod telemetry;
pub mod tokenizer;
pub mod trace;
