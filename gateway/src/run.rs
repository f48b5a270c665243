//! Sets a gateway up, runs it until shutdown, and brings what was metered to its end.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use weir_domain::ids::{InvalidName, NodeId};
use weir_runtime::clock::Clock;
use weir_runtime::health::{Component, Health};
use weir_runtime::journal::SharedJournal;
use weir_runtime::tasks::Tasks;

use crate::attempt::Metering;
use crate::auth::FailureGuard;
use crate::config::{Config, Mode};
use crate::directory::{Follower, Kept, Means, SharedDirectory};
use crate::gateway::{Gateway, Governance, upstreams};
use crate::outage::Outages;
use crate::quota::{QuotaAddressError, QuotaChannel, channel};
use crate::refusals::Refusals;
use crate::settle::Settler;
use crate::upstream::UpstreamError;
use crate::wal::{Wal, WalError};
use crate::{api, extend, metrics, publish};

/// The part's name in `/readyz`.
const COMPONENT: &str = "gateway";
/// Where the write-ahead log is if nobody says.
const WAL_DIR: &str = ".weir/gateway";
/// How often gauges are set.
const GAUGE_INTERVAL: Duration = Duration::from_secs(1);
/// How long the last tasks may take to notice that they are to end.
const TASKS_END: Duration = Duration::from_secs(2);

/// What a gateway needs of the world.
pub struct Ports {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where usage events go.
    pub journal: SharedJournal,
    /// Where it says that it is ready: once it has a directory.
    pub health: Health,
    /// Where callers connect.
    pub listener: TcpListener,
    /// What it presents to the quota service.
    pub quota_token: Option<SecretString>,
}

/// Why a gateway cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its name is none.
    #[error("gateway.node is not usable")]
    Node(#[from] InvalidName),
    /// An upstream cannot be set up.
    #[error("an upstream cannot be set up")]
    Upstream(#[from] UpstreamError),
    /// Quota cannot be called.
    #[error("the quota service cannot be called")]
    Quota(#[from] QuotaAddressError),
    /// The log cannot be opened.
    #[error("the gateway's log cannot be opened")]
    Wal(#[from] WalError),
}

/// Runs a gateway until shutdown. Returns when streams have ended and what was metered is published and settled, each
/// within its bound; what is left then waits in the write-ahead log for the next start.
pub async fn run(config: Config, ports: Ports, shutdown: CancellationToken) -> Result<(), Error> {
    metrics::describe();
    let Ports { clock, journal, health, listener, quota_token } = ports;
    let health = health.component(COMPONENT);
    let upstreams = upstreams(&config)?;
    let quota = channel(&config, quota_token.as_ref())?;
    let background = Background::default();
    let governance = match config.mode {
        Mode::PassThrough => None,
        Mode::Governed => Some(governance(&config, quota, Arc::clone(&clock))?),
    };
    match &governance {
        None => health.ready(),
        Some(governance) => {
            let means = means(governance, Arc::clone(&clock), health.clone());
            background.start(&config, governance, journal, means);
        }
    }
    let gateway = Arc::new(Gateway {
        config,
        clock,
        upstreams,
        governance,
        tasks: Tasks::new(),
        hard_stop: CancellationToken::new(),
    });
    api::serve(Arc::clone(&gateway), listener, shutdown).await;
    health.not_ready("shutting down");
    wind_down(&gateway, background).await;
    Ok(())
}

fn governance(config: &Config, quota: QuotaChannel, clock: Arc<dyn Clock>) -> Result<Governance, Error> {
    let node = NodeId::try_new(&config.node)?;
    let dir = dir(config);
    let (wal, unfinished) = Wal::open(&dir, config.wal_fsync, config.wal_segment_bytes)?;
    if !unfinished.is_empty() {
        tracing::info!(attempts = unfinished.len(), "finishing attempts of the process before this one");
    }
    let outages = Outages::new(&node, unfinished.iter().map(|attempt| &attempt.started));
    let metering = Arc::new(Metering::new(Arc::clone(&clock), Arc::new(wal), config.attempts_open_max));
    metering.recover(unfinished);
    Ok(Governance {
        refusals: Arc::new(Refusals::new(node.clone(), clock)),
        node,
        quota,
        directory: SharedDirectory::default(),
        outages: Arc::new(outages),
        guard: FailureGuard::new(config.failed_keys_per_minute_max),
        metering,
    })
}

fn dir(config: &Config) -> PathBuf {
    config.wal_dir.clone().unwrap_or_else(|| PathBuf::from(WAL_DIR))
}

fn means(governance: &Governance, clock: Arc<dyn Clock>, health: Component) -> Means {
    Means {
        quota: governance.quota.clone(),
        node: governance.node.clone(),
        directory: Arc::clone(&governance.directory),
        health,
        clock,
    }
}

/// Tasks that go on until all is flushed.
#[derive(Default)]
struct Background {
    tasks: Tasks,
    /// Ends the tasks that make work for others.
    sources: CancellationToken,
    /// Ends the others.
    sinks: CancellationToken,
}

impl Background {
    fn start(&self, config: &Config, governance: &Governance, journal: SharedJournal, means: Means) {
        let metering = &governance.metering;
        let kept = Kept::new(&dir(config), config.kept_directory_age_max());
        let (follower, keeper) = Follower::new(means, kept);
        self.tasks.spawn(keeper);
        self.tasks.spawn(follower.follow(self.sources.clone()));
        let (refusals, publications) = (Arc::clone(&governance.refusals), Arc::clone(&metering.publications));
        let sources = self.sources.clone();
        self.tasks.spawn(async move { refusals.keep_published(publications, sources).await });
        let interval = Duration::from_millis(config.extend_interval_ms);
        let (under_way, quota) = (Arc::clone(&metering.under_way), governance.quota.clone());
        self.tasks.spawn(extend::keep_alive(under_way, quota, interval, self.sources.clone()));
        self.tasks.spawn(keep_gauges(Arc::clone(&metering.wal), self.sources.clone()));

        let publications = Arc::clone(&metering.publications);
        self.tasks.spawn(publish::publish(
            publications,
            journal,
            Arc::clone(&metering.wal),
            self.sinks.clone(),
        ));
        for _ in 0..config.settles_in_flight_max.max(1) {
            let settler = Settler {
                backlog: Arc::clone(&metering.settlements),
                quota: governance.quota.clone(),
                wal: Arc::clone(&metering.wal),
                outages: Arc::clone(&governance.outages),
            };
            self.tasks.spawn(settler.settle(self.sinks.clone()));
        }
        let (wal, sinks) = (Arc::clone(&metering.wal), self.sinks.clone());
        self.tasks.spawn(async move { wal.keep_synced(sinks).await });
    }
}

async fn keep_gauges(wal: Arc<Wal>, shutdown: CancellationToken) {
    let setting = async {
        loop {
            metrics::unfinished(wal.undone());
            tokio::time::sleep(GAUGE_INTERVAL).await;
        }
    };
    let _: Option<()> = shutdown.run_until_cancelled(setting).await;
}

/// After the last connection: drains end, then what was metered is brought to its end.
async fn wind_down(gateway: &Gateway, background: Background) {
    gateway.hard_stop.cancel();
    if !gateway.tasks.drain(TASKS_END).await {
        tracing::warn!("requests are cut short; the write-ahead log has them");
    }
    background.sources.cancel();
    if let Some(governance) = &gateway.governance {
        let bound = Duration::from_millis(gateway.config.shutdown_flush_ms_max);
        let metering = &governance.metering;
        governance.refusals.publish(&metering.publications);
        let flushed = async {
            metering.publications.all_done().await;
            metering.settlements.all_done().await;
        };
        if tokio::time::timeout(bound, flushed).await.is_err() {
            let left = metering.wal.undone();
            tracing::warn!(
                left,
                "not all usage is published and settled; the rest waits in the write-ahead log"
            );
        }
    }
    background.sinks.cancel();
    background.tasks.drain(TASKS_END).await;
}
