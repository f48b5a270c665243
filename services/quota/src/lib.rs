//! The quota service: admits, charges and governs, over gRPC, on top of the ledger in `weir-domain`.
//!
//! Keeps nothing of its own: it rebuilds itself from the journal and appends every fact there before it answers. One lock
//! owns each pool's desk and one task appends what it says; one task owns the organisation. Holds no rule of admission;
//! those are in the domain.

mod api;
mod auth;
pub mod config;
mod history;
mod metrics;
mod no_decision;
mod org_writer;
mod pool;
mod rebuild;
mod recorder;
mod replay;
mod simulate;
mod snapshot;

use std::path::PathBuf;
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

pub use auth::AuthError;
pub use auth::tls::TlsError;
pub use config::Config;
pub use rebuild::RebuildError;
pub use replay::replay_ledger;

use auth::Authenticator;
use history::History;
use no_decision::NoDecision;
use org_writer::{OrgHandle, OrgWriter};
use pool::{Pools, Shared};
use rebuild::{Folded, Haste};
use recorder::Recorder;
use simulate::Simulator;
use snapshot::Snapshots;

/// How long writers may take to append what they hold when the service ends: more than one append ever takes.
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
    /// The admin token. None: see [`Config::token`].
    pub token: Option<SecretString>,
    /// Where snapshots are kept. None: there are none, and every start reads the whole journal.
    pub data_dir: Option<PathBuf>,
}

/// Why the service ended, or did not begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The node's name is no name.
    #[error("quota.node is not right")]
    Node(#[from] InvalidName),
    /// Nobody can be authenticated.
    #[error("quota cannot tell who calls")]
    Auth(#[from] AuthError),
    /// TLS cannot be had.
    #[error("quota has no TLS")]
    Tls(#[from] TlsError),
    /// The journal does not give the state.
    #[error("quota cannot be rebuilt from the journal")]
    Rebuild(#[from] RebuildError),
    /// What an earlier run has left open cannot be recorded as lapsed, or what it has left of a change be made.
    #[error("quota cannot begin: {reason}")]
    Begin {
        /// Why not.
        reason: String,
    },
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
    let snapshots = Snapshots::new(ports.data_dir, config.snapshot_every_events);
    let folded = snapshots.fold_all(recorder.journal(), Haste::AtStart).await?;
    folded.ledgers.values().for_each(|ledger| ports.clock.not_before(ledger.at()));

    let tasks = Tasks::new();
    let shared = Shared::new(recorder.clone(), snapshots.clone());
    let pools = Arc::new(Pools::new(shared, Arc::clone(&ports.clock), tasks.clone()));
    let means = org_writer::Means {
        pools: Arc::clone(&pools),
        recorder: recorder.clone(),
        clock: Arc::clone(&ports.clock),
        rules: config.rules(),
    };
    let org = begin(folded, means, &tasks).await?;
    tasks.spawn(snapshots.clone().keep(recorder.clone(), tasks.shutdown()));
    let given = auth::Given { auth: &config.auth, tls: config.tls.as_ref(), admin: ports.token.as_ref() };
    let authenticator = Authenticator::open(given, org.shared_org(), Arc::clone(&ports.clock))?;
    authenticator.keep_fresh(&tasks, tasks.shutdown());
    let tls = config.tls.as_ref().map(auth::tls::server).transpose()?;

    ready.ready();
    let authenticator = Arc::new(authenticator);
    let simulator = Simulator::new(Arc::clone(recorder.journal()), tasks.clone(), config.rules());
    let history = Arc::new(History::new(Arc::clone(recorder.journal())));
    let (clock, envoy) = (ports.clock, config.envoy);
    let means = api::Means { pools, org, clock, authenticator, tls, envoy, simulator, history };
    let served = api::serve(means, ports.listener, shutdown).await;
    ready.not_ready("shutting down");
    tasks.begin_shutdown();
    if !tasks.drain(DRAIN_MAX).await {
        tracing::warn!("quota writers did not end in time; their callers will ask again");
    }
    snapshots.take(recorder.journal(), Haste::AtStart).await;
    served.map_err(|reason| Error::Serve { reason })
}

/// Starts every writer, and waits until what an earlier run has left open is recorded as lapsed, and what it has left of a
/// change is made.
async fn begin(folded: Folded, means: org_writer::Means, tasks: &Tasks) -> Result<OrgHandle, Error> {
    for (pool, ledger) in folded.ledgers {
        means.pools.start(&pool, ledger);
    }
    for pool in means.pools.all() {
        pool.recorded().await.map_err(|reason: NoDecision| Error::Begin { reason: reason.to_string() })?;
    }
    let (mut writer, org) = OrgWriter::new(folded.org, means);
    writer.resume().await.map_err(|reason| Error::Begin { reason: reason.to_string() })?;
    tasks.spawn(writer.run());
    Ok(org)
}
