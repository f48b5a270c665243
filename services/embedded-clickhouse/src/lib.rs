//! ClickHouse for one machine: its HTTP interface over libchdb, in a child process.
//!
//! - [`fetch`] gets the library once and keeps it outside of the checkout.
//! - [`supervisor`] runs the child and starts it again when it dies.
//! - [`child`] is what the child does: open the engine, serve HTTP on loopback, close cleanly.
//!
//! The official `clickhouse` client, `curl` and Grafana's JSON queries work against it as against a server. It is not
//! a server for others: it has no access control, and so listens on loopback only. Past one machine, use ClickHouse.

pub mod child;
mod compression;
mod data_dir;
mod dedup;
mod engine;
mod exception;
pub mod fetch;
mod ffi;
mod format;
mod http;
pub mod metrics;
mod sql;
pub mod supervisor;

pub use child::{ChildArgs, ChildError, run_child};
pub use data_dir::{DataDirError, running_url};
pub use ffi::OpenError;
pub use supervisor::{StartError, Supervisor, SupervisorConfig};
