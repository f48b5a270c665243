//! A stand-in for Azure OpenAI and OpenAI, for demos and tests, that keeps its own ledger of what it served.
//!
//! Speaks both URL families, streams with a model's pacing, limits and fails as the originals do, and counts every
//! token it serves with the tokenizer that the real deployment would use. It answers with invented text, knows
//! nothing of Weir's quotas, and its ledger (`/emulator/v1/ledger`, `/emulator/v1/totals`) is an independent witness
//! of what a gateway in front of it should have metered. The ledger can be read by anybody who can reach it.

mod api;
mod body;
mod call;
mod chat;
mod check;
mod chunk;
pub mod config;
mod connection;
mod delivery;
mod embeddings;
mod emulator;
mod error;
mod faults;
mod headers;
pub mod ledger;
mod ledger_file;
mod limits;
mod metrics;
mod pacer;
mod plan;
mod prompt_cache;
mod random;
mod request;
mod serving;
mod text;
mod wire;

use std::fmt;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use weir_runtime::clock::Clock;
use weir_runtime::config::Problems;

pub use config::Config;
pub use faults::FAULT_HEADER;
pub use ledger_file::LedgerFileError;

use crate::emulator::Emulator;

/// What the emulator is given by whoever runs it.
pub struct Ports {
    /// Tells when requests began and ended, and when limits have room again. Pacing uses tokio's own time.
    pub clock: Arc<dyn Clock>,
    /// Where it serves; bound already.
    pub listener: TcpListener,
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ports").field("listener", &self.listener).finish_non_exhaustive()
    }
}

/// Why the emulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings are not right.
    #[error("the emulator cannot run with its settings")]
    Config(#[source] Problems),
    /// The ledger file cannot be used.
    #[error("the emulator cannot go on with its ledger")]
    Ledger(#[from] LedgerFileError),
}

/// Serves until shutdown; returns when answers that were on their way have ended, within a bound.
pub async fn run(config: Config, ports: Ports, shutdown: CancellationToken) -> Result<(), Error> {
    let list = config.problems();
    if !list.is_empty() {
        return Err(Error::Config(Problems { file: None, list }));
    }
    metrics::describe();
    let emulator = Arc::new(Emulator::new(config, ports.clock)?);
    tracing::info!(deployments = emulator.deployments().len(), "emulator serves");
    connection::serve(ports.listener, emulator, shutdown).await;
    Ok(())
}
