//! The group: which partitions are this aggregator's, and the one loop that owns its membership.
//!
//! Workers do not commit, they ask the loop to; so a commit of a worker whose partition has gone, or has gone and
//! come back, is refused before it reaches the journal.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use weir_proto::record::Topic;
use weir_runtime::clock::Clock;
use weir_runtime::journal::{CommitError, Committed, Member, MemberEvent, Partition, SharedJournal};
use weir_runtime::tasks::Tasks;

use crate::config::Limits;
use crate::progress::Progress;
use crate::trouble::{Backoff, Pauses, Stopped, Troubles};
use crate::warehouse::Warehouse;
use crate::worker::{Commits, End, Worker};

/// How often the member is asked for events. Also the longest that an assignment waits.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// How long the member may look for an event. Commits wait meanwhile, so it is short.
const POLL_WAIT: Duration = Duration::from_millis(5);

/// How long shutdown waits for workers to finish their batch. What is not finished then is a pending intent.
const DRAIN_BOUND: Duration = Duration::from_secs(5);

/// Commits waiting for the loop. Each worker has at most one, so more room would stay empty.
const COMMITS_WAITING_MAX: usize = 64;

/// What all workers of a group share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) journal: SharedJournal,
    pub(crate) warehouse: Arc<dyn Warehouse>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) troubles: Troubles,
    pub(crate) turns: Arc<Semaphore>,
    pub(crate) limits: Limits,
    pub(crate) pauses: Pauses,
    pub(crate) tasks: Tasks,
    pub(crate) stop: CancellationToken,
}

/// Joins the group for a topic and works on what is assigned, until shutdown.
pub(crate) async fn run(name: &'static str, topic: Topic, shared: Shared) {
    let who = format!("group {name}");
    shared.troubles.begin(&who, "joining".to_owned());
    let backoff = Backoff::new(who.clone(), shared.troubles.clone(), shared.pauses, shared.stop.clone());
    let Ok(member) = join(name, topic, &shared, backoff).await else { return };
    shared.troubles.end(&who);
    let (sender, commits) = mpsc::channel(COMMITS_WAITING_MAX);
    let group = Group {
        who,
        member,
        sender,
        owned: BTreeMap::new(),
        workers: FuturesUnordered::new(),
        progress: Progress::new(shared.journal.clone(), shared.clock.clone()),
        generation: 0,
        poll_failures: 0,
        poll_at: Instant::now(),
        shared,
    };
    group.run(commits).await;
}

async fn join(
    name: &str,
    topic: Topic,
    shared: &Shared,
    mut backoff: Backoff,
) -> Result<Box<dyn Member>, Stopped> {
    loop {
        match shared.journal.join(name, topic).await {
            Ok(member) => return Ok(member),
            Err(problem) => backoff.failed("join", &problem).await?,
        }
    }
}

struct Group {
    who: String,
    member: Box<dyn Member>,
    sender: mpsc::Sender<CommitRequest>,
    owned: BTreeMap<Partition, Owned>,
    workers: FuturesUnordered<BoxFuture<'static, (Partition, u64, End)>>,
    progress: Progress,
    /// Counts assignments, so that a worker of an earlier one is known as such.
    generation: u64,
    poll_failures: u32,
    poll_at: Instant,
    shared: Shared,
}

/// A partition that is ours.
struct Owned {
    generation: u64,
    revoked: CancellationToken,
}

struct CommitRequest {
    partition: Partition,
    generation: u64,
    committed: Committed,
    reply: oneshot::Sender<Result<(), CommitError>>,
}

impl Group {
    async fn run(mut self, mut commits: mpsc::Receiver<CommitRequest>) {
        let mut polls = tokio::time::interval(POLL_INTERVAL);
        polls.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let stop = self.shared.stop.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(request) = commits.recv() => self.commit(request).await,
                Some(ended) = self.workers.next() => self.ended(ended),
                _ = polls.tick() => self.poll().await,
            }
        }
        if tokio::time::timeout(DRAIN_BOUND, self.drain(&mut commits)).await.is_err() {
            tracing::warn!(who = %self.who, "shutdown leaves batches to be finished at the next start");
        }
        self.owned.values().for_each(|owned| owned.revoked.cancel());
    }

    async fn drain(&mut self, commits: &mut mpsc::Receiver<CommitRequest>) {
        while !self.workers.is_empty() {
            tokio::select! {
                Some(request) = commits.recv() => self.commit(request).await,
                Some(ended) = self.workers.next() => self.ended(ended),
            }
        }
    }

    async fn poll(&mut self) {
        while Instant::now() >= self.poll_at {
            match self.member.next(POLL_WAIT).await {
                Ok(Some(MemberEvent::Assigned { partition, committed })) => self.assign(partition, committed),
                Ok(Some(MemberEvent::Revoked { partition })) => self.revoke(partition),
                Ok(None) => {
                    self.poll_succeeded();
                    break;
                }
                Err(problem) => self.poll_failed(&problem.to_string()),
            }
        }
        self.progress.report().await;
    }

    fn poll_succeeded(&mut self) {
        if self.poll_failures > 0 {
            self.poll_failures = 0;
            self.shared.troubles.end(&self.who);
        }
    }

    /// Not a pause, for commits must go on.
    fn poll_failed(&mut self, problem: &str) {
        self.poll_failures += 1;
        self.poll_at = Instant::now() + self.shared.pauses.after(self.poll_failures);
        tracing::warn!(who = %self.who, problem, tries = self.poll_failures, "membership failed, will try again");
        crate::metrics::failed("poll");
        self.shared.troubles.begin(&self.who, problem.to_owned());
    }

    fn assign(&mut self, partition: Partition, committed: Option<Committed>) {
        self.revoke(partition);
        self.generation += 1;
        tracing::info!(%partition, ?committed, "partition assigned");
        self.progress.assigned(partition, committed.as_ref());
        let (generation, revoked) = (self.generation, CancellationToken::new());
        let worker = self.worker(partition).run(committed);
        let stopped = revoked.clone();
        let handle = self.shared.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = stopped.cancelled() => End::Lost,
                end = worker => end,
            }
        });
        self.workers.push(Box::pin(async move {
            let end = handle.await.unwrap_or_else(|panic| End::Stuck(format!("worker died: {panic}")));
            (partition, generation, end)
        }));
        self.owned.insert(partition, Owned { generation, revoked });
    }

    fn worker(&self, partition: Partition) -> Worker {
        let shared = self.shared.clone();
        let commits = Requests { partition, generation: self.generation, sender: self.sender.clone() };
        Worker {
            partition,
            journal: shared.journal,
            warehouse: shared.warehouse,
            commits: Box::new(commits),
            clock: shared.clock,
            turns: shared.turns,
            limits: shared.limits,
            backoff: Backoff::new(partition.to_string(), shared.troubles, shared.pauses, shared.stop.clone()),
            stop: shared.stop,
        }
    }

    fn revoke(&mut self, partition: Partition) {
        if let Some(owned) = self.owned.remove(&partition) {
            tracing::info!(%partition, "partition revoked");
            owned.revoked.cancel();
            self.shared.troubles.end(&partition.to_string());
            self.progress.revoked(partition);
        }
    }

    async fn commit(&mut self, request: CommitRequest) {
        let CommitRequest { partition, generation, committed, reply } = request;
        if !self.is_current(partition, generation) {
            // The worker may be gone already; then nobody waits for the answer.
            let _ = reply.send(Err(CommitError::Lost { partition }));
            return;
        }
        let offset = committed.offset;
        let outcome = self.member.commit(partition, committed).await;
        if outcome.is_ok() {
            self.progress.committed(partition, offset);
        }
        let _ = reply.send(outcome);
    }

    fn is_current(&self, partition: Partition, generation: u64) -> bool {
        self.owned.get(&partition).is_some_and(|owned| owned.generation == generation)
    }

    fn ended(&mut self, (partition, generation, end): (Partition, u64, End)) {
        if !self.owned.contains_key(&partition) {
            // It may have told of trouble after it was revoked.
            self.shared.troubles.end(&partition.to_string());
        }
        if !self.is_current(partition, generation) {
            return;
        }
        match end {
            End::Lost => self.revoke(partition),
            End::Stopped => {}
            End::Stuck(why) => {
                tracing::error!(%partition, why, "partition is not aggregated until a person has looked");
                self.shared.troubles.begin(&partition.to_string(), why);
            }
        }
    }
}

/// A worker's way to commit.
struct Requests {
    partition: Partition,
    generation: u64,
    sender: mpsc::Sender<CommitRequest>,
}

#[async_trait]
impl Commits for Requests {
    async fn commit(&self, committed: Committed) -> Result<(), CommitError> {
        let (partition, generation) = (self.partition, self.generation);
        let (reply, answer) = oneshot::channel();
        let request = CommitRequest { partition, generation, committed, reply };
        // No loop means no membership.
        self.sender.send(request).await.map_err(|_| CommitError::Lost { partition })?;
        answer.await.unwrap_or(Err(CommitError::Lost { partition }))
    }
}
