//! The task that keeps the directory current: from quota or, while quota cannot be asked from the start, from disk.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

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

use super::kept::DIRECTORY_BYTES_MAX;
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
    pub(crate) quota: QuotaChannel,
    pub(crate) node: NodeId,
    pub(crate) directory: SharedDirectory,
    pub(crate) health: Component,
    pub(crate) clock: Arc<dyn Clock>,
    /// Where the last one is kept.
    pub(crate) kept: Kept,
}

/// Where following stands.
#[derive(Default)]
struct Standing {
    /// When quota last stood by the directory that counts; none while there is none.
    confirmed: Option<Timestamp>,
    /// Whether it came by the stream that is open now.
    is_current: bool,
    pause: Duration,
}

impl Follower {
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
        standing.is_current = false;
        let mut client =
            GovernanceServiceClient::new(self.quota.clone()).max_decoding_message_size(DIRECTORY_BYTES_MAX);
        let request = WatchDirectoryRequest { node: self.node.to_string() };
        let mut changes = client.watch_directory(request).await?.into_inner();
        while let Some(change) = self.next(&mut changes, standing).await? {
            let directory =
                directory_from_wire(&change).map_err(|problem| Status::internal(problem.to_string()))?;
            tracing::info!(version = directory.version, keys = directory.keys.len(), "directory received");
            (standing.confirmed, standing.is_current) = (Some(self.clock.now()), true);
            standing.pause = RECONNECT_MIN;
            self.directory.store(Some(Arc::new(Index::new(directory.clone()))));
            metrics::directory_age(Duration::ZERO);
            self.keep(directory).await;
            self.health.ready();
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
            while standing.is_current {
                tokio::time::sleep(CONFIRM_INTERVAL).await;
                let now = self.clock.now();
                standing.confirmed = Some(now);
                metrics::directory_age(Duration::ZERO);
                if let Err(problem) = self.kept.confirm(now) {
                    tracing::debug!(%problem, "the directory that is kept cannot be confirmed");
                }
            }
            pending::<()>().await;
        };
        tokio::select! {
            change = changes.message() => change,
            () = confirming => unreachable!("confirming goes on for ever"),
        }
    }

    /// A gateway that keeps none works on, and could only not start while quota is away.
    async fn keep(&self, directory: Directory) {
        let (kept, now) = (self.kept.clone(), self.clock.now());
        let written = spawn_blocking(move || kept.write(&directory, now)).await;
        if let Ok(Err(problem)) = written {
            tracing::warn!(%problem, "the directory cannot be kept for a start without quota");
        }
    }

    /// Goes by the last directory, if there is one. Where quota can be asked and says no, what was kept is none.
    async fn go_on_without(&self, standing: &mut Standing, problem: &Status) {
        if standing.confirmed.is_none() && !can_be_asked(problem) {
            standing.confirmed = self.use_kept(problem).await;
        } else if standing.confirmed.is_none() {
            self.health.not_ready(format!("no directory from quota: {}", said(problem)));
        }
        let Some(confirmed) = standing.confirmed else { return };
        metrics::directory_age(self.clock.now().since(confirmed));
        let (from, problem) = (Utc(confirmed), said(problem));
        self.health.ready_but(format!("goes by the directory of {from}; quota cannot be asked: {problem}"));
    }

    async fn use_kept(&self, problem: &Status) -> Option<Timestamp> {
        let (kept, now) = (self.kept.clone(), self.clock.now());
        match spawn_blocking(move || kept.read(now)).await.ok()? {
            Ok(found) => {
                let from = Utc(found.from);
                let (version, keys) = (found.directory.version, found.directory.keys.len());
                tracing::warn!(%from, version, keys, "going by the directory that was kept: quota is away");
                self.directory.store(Some(Arc::new(Index::new(found.directory))));
                Some(found.from)
            }
            Err(unusable) => {
                let problem = said(problem);
                self.health.not_ready(format!("no directory from quota: {problem}; and {unusable}"));
                None
            }
        }
    }
}
