//! The one task that owns the organisation: policy, keys, and the directory that gateways are sent.
//!
//! What concerns a pool is asked of that pool's writer, so that a pool's facts have one author. A policy is weighed
//! whole before any of it is recorded; if the journal fails half-way, the organisation is rebuilt from it, whoever
//! asked is told that no decision was made, and the same policy again does the rest.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use weir_domain::authorship::Authorship;
use weir_domain::directory::{CallerKey, Directory};
use weir_domain::fact::QuotaFact;
use weir_domain::ids::{CallerKeyId, PoolId, ServiceId};
use weir_domain::ledger::{Change, Ledger};
use weir_domain::org::{Event, KeyRefused, Org, decide_policy};
use weir_domain::policy::{Policy, PolicyProblem};
use weir_runtime::clock::Clock;

use crate::no_decision::{NoDecision, Reply};
use crate::pool::Pools;
use crate::rebuild;
use crate::recorder::Recorder;

/// Calls that may wait for the organisation's writer. People and gateways that start: few at a time.
const WAITING_MAX: usize = 64;
/// Between attempts to rebuild while the journal is away.
const REBUILD_PAUSE_MIN: Duration = Duration::from_millis(50);
const REBUILD_PAUSE_MAX: Duration = Duration::from_secs(2);

enum Ask {
    Apply(Box<Policy>, Authorship, Reply<Applied>),
    CreateKey(Box<CallerKey>, Authorship, Reply<Result<bool, KeyRefused>>),
    RevokeKey(CallerKeyId, Authorship, Reply<Result<bool, KeyRefused>>),
    Keys(Reply<Vec<CallerKey>>),
}

/// One readable line for each thing that changed, or every problem of the policy.
pub(crate) type Applied = Result<Vec<String>, Vec<PolicyProblem>>;

/// A handle on the organisation's writer.
#[derive(Clone)]
pub(crate) struct OrgHandle {
    asks: mpsc::Sender<Ask>,
    directory: watch::Receiver<Arc<Directory>>,
}

impl OrgHandle {
    pub(crate) async fn apply(&self, policy: Policy, by: Authorship) -> Result<Applied, NoDecision> {
        self.ask(|reply| Ask::Apply(Box::new(policy), by, reply)).await
    }

    /// Whether the key was created now.
    pub(crate) async fn create_key(
        &self,
        key: CallerKey,
        by: Authorship,
    ) -> Result<Result<bool, KeyRefused>, NoDecision> {
        self.ask(|reply| Ask::CreateKey(Box::new(key), by, reply)).await
    }

    /// Whether the key was revoked now.
    pub(crate) async fn revoke_key(
        &self,
        id: CallerKeyId,
        by: Authorship,
    ) -> Result<Result<bool, KeyRefused>, NoDecision> {
        self.ask(|reply| Ask::RevokeKey(id, by, reply)).await
    }

    pub(crate) async fn keys(&self) -> Result<Vec<CallerKey>, NoDecision> {
        self.ask(Ask::Keys).await
    }

    /// The directory now and whenever it changes.
    pub(crate) fn directory(&self) -> watch::Receiver<Arc<Directory>> {
        self.directory.clone()
    }

    async fn ask<T>(&self, ask: impl FnOnce(Reply<T>) -> Ask) -> Result<T, NoDecision> {
        let (reply, answer) = oneshot::channel();
        self.asks.try_send(ask(reply)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => {
                NoDecision::Busy { writer: "the organisation".to_owned(), waiting: WAITING_MAX }
            }
            mpsc::error::TrySendError::Closed(_) => NoDecision::ShuttingDown,
        })?;
        answer.await.unwrap_or(Err(NoDecision::ShuttingDown))
    }
}

/// Owns the organisation.
pub(crate) struct OrgWriter {
    org: Org,
    pools: Arc<Pools>,
    recorder: Recorder,
    clock: Arc<dyn Clock>,
    directory: watch::Sender<Arc<Directory>>,
    inbox: mpsc::Receiver<Ask>,
}

impl OrgWriter {
    pub(crate) fn new(
        org: Org,
        pools: Arc<Pools>,
        recorder: Recorder,
        clock: Arc<dyn Clock>,
    ) -> (Self, OrgHandle) {
        let (asks, inbox) = mpsc::channel(WAITING_MAX);
        let (sender, directory) = watch::channel(Arc::new(org.directory()));
        let writer = Self { org, pools, recorder, clock, directory: sender, inbox };
        (writer, OrgHandle { asks, directory })
    }

    /// Answers until every handle is dropped.
    pub(crate) async fn run(mut self) {
        while let Some(ask) = self.inbox.recv().await {
            let failed = match ask {
                Ask::Apply(policy, by, reply) => answer(reply, self.apply(&policy, by).await),
                Ask::CreateKey(key, by, reply) => answer(reply, self.create_key(&key, by).await),
                Ask::RevokeKey(id, by, reply) => answer(reply, self.revoke_key(&id, by).await),
                Ask::Keys(reply) => answer(reply, Ok(self.org.keys().cloned().collect())),
            };
            if failed {
                self.rebuild().await;
            }
            self.publish();
        }
    }

    async fn apply(&mut self, policy: &Policy, by: Authorship) -> Result<Applied, NoDecision> {
        let by = Authorship { at: self.clock.now(), ..by };
        let change = match decide_policy(&self.org, policy, &by) {
            Ok(change) => change,
            Err(problems) => return Ok(Err(problems)),
        };
        for (pool, changes) in change.pools {
            if let Err(problem) = self.change_pool(&pool, changes, by.clone()).await? {
                return Ok(Err(vec![problem]));
            }
        }
        self.record(change.org).await?;
        if !change.lines.is_empty() {
            tracing::info!(
                author = by.author,
                reason = by.reason,
                changes = change.lines.len(),
                "policy applied"
            );
        }
        Ok(Ok(change.lines))
    }

    /// Asks a pool's writer. It weighs the change again; a refusal means that the pool's time is ahead of this one's.
    async fn change_pool(
        &mut self,
        pool: &PoolId,
        changes: Vec<Change>,
        by: Authorship,
    ) -> Result<Result<(), PolicyProblem>, NoDecision> {
        let handle = self.pools.start(pool, Ledger::default());
        match handle.change(by, changes).await? {
            Ok(changed) => {
                for what in &changed {
                    self.org.evolve_pool(pool, what);
                }
                Ok(Ok(()))
            }
            Err(refusal) => {
                Ok(Err(PolicyProblem { place: format!("pool {pool}"), message: refusal.to_string() }))
            }
        }
    }

    async fn create_key(
        &mut self,
        key: &CallerKey,
        by: Authorship,
    ) -> Result<Result<bool, KeyRefused>, NoDecision> {
        let by = Authorship { at: self.clock.now(), ..by };
        match self.org.create_key(key, by) {
            Ok(event) => Ok(Ok(self.record(event.into_iter().collect()).await?)),
            Err(refused) => Ok(Err(refused)),
        }
    }

    async fn revoke_key(
        &mut self,
        id: &CallerKeyId,
        by: Authorship,
    ) -> Result<Result<bool, KeyRefused>, NoDecision> {
        let by = Authorship { at: self.clock.now(), ..by };
        match self.org.revoke_key(id, by) {
            Ok(event) => Ok(Ok(self.record(event.into_iter().collect()).await?)),
            Err(refused) => Ok(Err(refused)),
        }
    }

    /// Appends events and makes them so. Whether there were any.
    async fn record(&mut self, events: Vec<Event>) -> Result<bool, NoDecision> {
        if events.is_empty() {
            return Ok(false);
        }
        let facts = events.iter().cloned().map(QuotaFact::Org).collect();
        self.recorder.append(facts).await.map_err(|problem| {
            tracing::warn!(%problem, "decision of the organisation could not be recorded");
            crate::metrics::append_failed(weir_domain::fact::ORG_KEY);
            NoDecision::NotRecorded { reason: problem.to_string() }
        })?;
        for event in &events {
            self.org.evolve(event);
        }
        Ok(true)
    }

    fn publish(&self) {
        if self.directory.borrow().version != self.org.version() {
            self.directory.send_replace(Arc::new(self.org.directory()));
        }
    }

    /// Brings the organisation back to what the journal says, however long that takes. Whoever asks meanwhile is told.
    async fn rebuild(&mut self) {
        let mut pause = REBUILD_PAUSE_MIN;
        while !self.inbox.is_closed() {
            let Err(problem) = self.try_rebuild().await else { return };
            tracing::warn!(problem, "organisation cannot be rebuilt yet");
            while let Ok(ask) = self.inbox.try_recv() {
                ask.fail(&NoDecision::NotRecorded { reason: problem.clone() });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(REBUILD_PAUSE_MAX);
        }
    }

    /// Waits until every pool's writer has found its place again, so that the journal holds all they will say of the past.
    async fn try_rebuild(&mut self) -> Result<(), String> {
        let anybody = ServiceId::try_new("nobody").map_err(|problem| problem.to_string())?;
        for pool in self.pools.all() {
            pool.headroom(anybody.clone()).await.map_err(|problem| problem.to_string())?;
        }
        self.recorder.mark(None, self.clock.now()).await.map_err(|problem| problem.to_string())?;
        let folded =
            rebuild::fold_all(self.recorder.journal()).await.map_err(|problem| problem.to_string())?;
        self.org = folded.org;
        Ok(())
    }
}

/// Sends an answer; true if there was none. Whoever asked may be gone; that is their business.
fn answer<T>(reply: Reply<T>, answer: Result<T, NoDecision>) -> bool {
    let failed = answer.is_err();
    let _ = reply.send(answer);
    failed
}

impl Ask {
    fn fail(self, reason: &NoDecision) {
        match self {
            Self::Apply(_, _, reply) => drop(reply.send(Err(reason.clone()))),
            Self::CreateKey(_, _, reply) | Self::RevokeKey(_, _, reply) => {
                drop(reply.send(Err(reason.clone())));
            }
            Self::Keys(reply) => drop(reply.send(Err(reason.clone()))),
        }
    }
}
