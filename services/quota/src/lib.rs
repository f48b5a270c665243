//! The quota service: admits, charges and governs, over gRPC, on top of the ledger in `weir-domain`.
//!
//! Keeps nothing of its own: it rebuilds itself from the journal and appends every fact there before it answers. One
//! task owns each pool's ledger, one the organisation. Holds no rule of admission; those are in the domain.

mod api;
pub mod config;
mod metrics;
mod no_decision;
mod org_writer;
mod pool;
mod rebuild;
mod recorder;
mod replay;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use weir_domain::ids::{InvalidName, NodeId};
use weir_runtime::clock::Clock;
use weir_runtime::health::Health;
use weir_runtime::journal::SharedJournal;
use weir_runtime::tasks::Tasks;

pub use config::Config;
pub use rebuild::RebuildError;
pub use replay::replay_ledger;

use org_writer::OrgWriter;
use pool::Pools;
use recorder::Recorder;

/// How long writers may take to answer what they hold when the service ends: more than one append ever takes.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// What the service is given.
pub struct Ports {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Keeps the facts.
    pub journal: SharedJournal,
    /// Told when the service is ready.
    pub health: Health,
    /// Where gRPC is served.
    pub listener: TcpListener,
    /// The bearer token that every call must present. None: calls are accepted from this machine only.
    pub token: Option<SecretString>,
}

/// Why the service ended, or did not begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The node's name is no name.
    #[error("quota.node is not right")]
    Node(#[from] InvalidName),
    /// The journal does not give the state.
    #[error("quota cannot be rebuilt from the journal")]
    Rebuild(#[from] RebuildError),
    /// gRPC cannot be served.
    #[error("quota cannot serve gRPC: {reason}")]
    Serve {
        /// Why not.
        reason: String,
    },
}

/// Rebuilds the state, serves until shutdown, and returns when every answer is given.
pub async fn run(config: Config, ports: Ports, shutdown: CancellationToken) -> Result<(), Error> {
    metrics::describe();
    let ready = ports.health.component("quota");
    ready.not_ready("rebuilding from the journal");
    let recorder = Recorder::new(ports.journal, NodeId::try_new(&config.node)?);
    let folded = rebuild::fold_all(recorder.journal()).await?;

    let tasks = Tasks::new();
    let pools = Arc::new(Pools::new(recorder.clone(), Arc::clone(&ports.clock), tasks.clone()));
    for (pool, ledger) in folded.ledgers {
        pools.start(&pool, ledger);
    }
    let (writer, org) = OrgWriter::new(folded.org, Arc::clone(&pools), recorder, Arc::clone(&ports.clock));
    tasks.spawn(writer.run());

    ready.ready();
    let parts = api::Parts { pools, org, clock: ports.clock, token: ports.token };
    let served = api::serve(parts, ports.listener, shutdown).await;
    ready.not_ready("shutting down");
    if !tasks.drain(DRAIN_MAX).await {
        tracing::warn!("quota writers did not end in time; their callers will ask again");
    }
    served.map_err(|reason| Error::Serve { reason })
}
