//! What the tests share: processes to start and kill, a real Kafka, callers, and the emulator's ledger as witness.
//!
//! Test executables start Weir by starting themselves again: see [`process::maybe_run_as_weir`].

pub mod caller;
pub mod engine;
pub mod envoy;
pub mod kafka;
pub mod load;
pub mod mixture;
pub mod process;
pub mod roles;
pub mod sdk;
pub mod trials;
pub mod witness;
pub mod world;
