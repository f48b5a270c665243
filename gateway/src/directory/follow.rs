//! The task that keeps the directory current: from quota or, while quota cannot be asked from the start, from disk.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};
use weir_domain::calendar::Utc;
use weir_domain::directory::Directory;
use weir_domain::ids::NodeId;
use weir_domain::time::Timestamp;
use weir_proto::codec::directory_from_wire;
use weir_proto::governance::v1::governance_service_client::GovernanceServiceClient;
use weir_proto::governance::v1::{self as wire, WatchDirectoryRequest};
use weir_runtime::clock::Clock;
use weir_runtime::health::Component;

use super::kept::{DIRECTORY_BYTES_MAX, StoodBy};
use super::{Index, Kept, SharedDirectory};
use crate::metrics;
use crate::quota::{QuotaChannel, can_be_asked, said};

/// Waits between attempts to reach quota: short enough that a restart of it is hardly noticed.
const RECONNECT_MIN: Duration = Duration::from_millis(50);
const RECONNECT_MAX: Duration = Duration::from_secs(2);
/// How often it is noted that quota stands by the directory: so much older than it is it may seem after a kill.
const CONFIRM_INTERVAL: Duration = Duration::from_mins(1);

/// Follows the directory.
pub(crate) struct Follower {
    means: Means,
    /// Where the last one is kept.
    kept: Kept,
    /// What is to be kept.
    latest: watch::Sender<Option<StoodBy>>,
}

/// What a follower needs of the world.
pub(crate) struct Means {
    pub(crate) quota: QuotaChannel,
    pub(crate) node: NodeId,
    pub(crate) directory: SharedDirectory,
    pub(crate) health: Component,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Where following stands.
#[derive(Default)]
struct Standing {
    /// When quota last stood by the directory that counts; none while there is none.
    confirmed: Option<Timestamp>,
    /// The directory that came by the stream that is open now.
    current: Option<Arc<Directory>>,
    pause: Duration,
}

impl Follower {
    /// A follower, and what keeps on disk what it has: to be run beside it.
    pub(crate) fn new(means: Means, kept: Kept) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (latest, to_keep) = watch::channel(None);
        (Self { means, kept: kept.clone(), latest }, kept.keep(to_keep))
    }

    /// Follows it until shutdown.
    pub(crate) async fn follow(self, shutdown: CancellationToken) {
        let following = async {
            let mut standing = Standing { pause: RECONNECT_MIN, ..Standing::default() };
            loop {
                let problem = match self.follow_once(&mut standing).await {
                    Ok(()) => Status::unavailable("the stream ended"),
                    Err(problem) => problem,
                };
                tracing::warn!(problem = said(&problem), "directory cannot be followed, trying again");
                self.go_on_without(&mut standing, &problem).await;
                tokio::time::sleep(standing.pause).await;
                standing.pause = (standing.pause * 2).min(RECONNECT_MAX);
            }
        };
        let _: Option<()> = shutdown.run_until_cancelled(following).await;
    }

    async fn follow_once(&self, standing: &mut Standing) -> Result<(), Status> {
        standing.current = None;
        let mut client = GovernanceServiceClient::new(self.means.quota.clone())
            .max_decoding_message_size(DIRECTORY_BYTES_MAX);
        let request = WatchDirectoryRequest { node: self.means.node.to_string() };
        let mut changes = client.watch_directory(request).await?.into_inner();
        while let Some(change) = self.next(&mut changes, standing).await? {
            let directory =
                directory_from_wire(&change).map_err(|problem| Status::internal(problem.to_string()))?;
            tracing::info!(version = directory.version, keys = directory.keys.len(), "directory received");
            standing.pause = RECONNECT_MIN;
            let directory = Arc::new(directory);
            self.means.directory.store(Some(Arc::new(Index::new(directory.as_ref().clone()))));
            self.means.health.ready();
            standing.current = Some(directory);
            self.confirm(standing);
        }
        Ok(())
    }

    /// The next change. While there is none, quota stands by the last.
    async fn next(
        &self,
        changes: &mut Streaming<wire::Directory>,
        standing: &mut Standing,
    ) -> Result<Option<wire::Directory>, Status> {
        let confirming = async {
            while standing.current.is_some() {
                tokio::time::sleep(CONFIRM_INTERVAL).await;
                self.confirm(standing);
            }
            pending::<()>().await;
        };
        tokio::select! {
            change = changes.message() => change,
            () = confirming => unreachable!("confirming goes on for ever"),
        }
    }

    /// Quota stands by what came by the stream that is open.
    fn confirm(&self, standing: &mut Standing) {
        let Some(directory) = standing.current.clone() else { return };
        let at = self.means.clock.now();
        standing.confirmed = Some(at);
        metrics::directory_age(Duration::ZERO);
        self.latest.send_replace(Some(StoodBy { directory, at }));
    }

    /// Goes by the last directory, if there is one. Where quota can be asked and says no, what was kept is none.
    async fn go_on_without(&self, standing: &mut Standing, problem: &Status) {
        if standing.confirmed.is_none() && !can_be_asked(problem) {
            standing.confirmed = self.use_kept(problem).await;
        } else if standing.confirmed.is_none() {
            self.means.health.not_ready(format!("no directory from quota: {}", said(problem)));
        }
        let Some(confirmed) = standing.confirmed else { return };
        metrics::directory_age(self.means.clock.now().since(confirmed));
        let (from, problem) = (Utc(confirmed), said(problem));
        self.means
            .health
            .ready_but(format!("goes by the directory of {from}; quota cannot be asked: {problem}"));
    }

    async fn use_kept(&self, problem: &Status) -> Option<Timestamp> {
        let (kept, now) = (self.kept.clone(), self.means.clock.now());
        match spawn_blocking(move || kept.read(now)).await.ok()? {
            Ok(found) => {
                let from = Utc(found.from);
                let (version, keys) = (found.directory.version, found.directory.keys.len());
                tracing::warn!(%from, version, keys, "going by the directory that was kept: quota is away");
                self.means.directory.store(Some(Arc::new(Index::new(found.directory))));
                Some(found.from)
            }
            Err(unusable) => {
                let problem = said(problem);
                self.means.health.not_ready(format!("no directory from quota: {problem}; and {unusable}"));
                None
            }
        }
    }
}
