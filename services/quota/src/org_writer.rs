//! The one task that owns the organisation: policy, bursts, exceptions, keys, and what others are told of them.
//!
//! What concerns a pool is asked of that pool's writer, so that a pool's facts have one author. A command is weighed
//! whole before any of it is recorded. One of several facts is recorded as an intent first: if the journal fails, or the
//! service dies, before the intent is whole, nothing of it is made; if later, the rest of it is made from the intent, at
//! start or when the organisation is rebuilt, before anything else is decided. Nobody sees what is not recorded.

mod command;
mod foresee;
mod handle;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use weir_domain::amount::Tokens;
use weir_domain::authorship::Authorship;
use weir_domain::fact::QuotaFact;
use weir_domain::ids::PoolId;
use weir_domain::ledger::{Change, Governed, Ledger, TermsChanged};
use weir_domain::org::{CommandId, Decided, Event, Org, PolicyChange};
use weir_domain::policy::Rules;
use weir_runtime::clock::Clock;

use crate::no_decision::{NoDecision, Reply};
use crate::pool::{Changed, Pools};
use crate::rebuild::RebuildPause;
use crate::recorder::Recorder;

pub(crate) use command::{Command, Forgiveness, PoolCommand, Refused};
pub(crate) use handle::OrgHandle;
use handle::{Published, WAITING_MAX};

/// Events in one append, of at most 64 KiB each: 16 MiB, of the journal's 32 MiB.
const EVENTS_AT_ONCE: usize = 256;
/// Parts of an intent in one append, of at most 1 MiB each: as much.
const PARTS_AT_ONCE: usize = 16;

/// A command, and who gives it.
pub(crate) struct Ask {
    pub(crate) command: Command,
    pub(crate) by: Authorship,
    /// The version of the organisation that whoever asks has seen.
    pub(crate) expected: Option<u64>,
    /// By what it is known when it comes again.
    pub(crate) id: Option<CommandId>,
    /// Only say what would change.
    pub(crate) dry_run: bool,
}

/// What a command changed, or would.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Done {
    pub(crate) changed: bool,
    /// One readable line for each thing that changed.
    pub(crate) lines: Vec<String>,
    /// What is not wrong and may still surprise.
    pub(crate) warnings: Vec<String>,
    /// The debt that is forgiven.
    pub(crate) forgiven: Tokens,
    /// The organisation's version after it.
    pub(crate) version: u64,
}

/// What came of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Made {
    /// Whether anything is other than before.
    changed: bool,
    /// The debt that is forgiven.
    forgiven: Tokens,
}

impl Made {
    fn add(&mut self, changed: &[Governed]) {
        self.changed |= !changed.is_empty();
        for governed in changed {
            if let TermsChanged::DebtForgiven { tokens, .. } = &governed.what {
                self.forgiven += *tokens;
            }
        }
    }
}

/// What a command came to.
pub(crate) type Outcome = Result<Done, Refused>;

/// What the writer works with.
pub(crate) struct Means {
    pub(crate) pools: Arc<Pools>,
    pub(crate) recorder: Recorder,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rules: Rules,
}

/// Owns the organisation.
pub(crate) struct OrgWriter {
    org: Org,
    means: Means,
    published: Published,
    inbox: mpsc::Receiver<(Box<Ask>, Reply<Outcome>)>,
}

impl OrgWriter {
    pub(crate) fn new(org: Org, means: Means) -> (Self, OrgHandle) {
        let (asks, inbox) = mpsc::channel(WAITING_MAX);
        let (published, handle) = handle::publish(&org, asks);
        (Self { org, means, published, inbox }, handle)
    }

    /// Answers until every handle is dropped.
    pub(crate) async fn run(mut self) {
        while let Some((ask, reply)) = self.inbox.recv().await {
            let decided = self.decide(*ask).await;
            let lost = matches!(decided, Err(NoDecision::NotRecorded { .. }));
            self.published.refresh(&self.org);
            // Whoever asked may be gone; that is their business.
            let _ = reply.send(decided);
            if lost {
                self.rebuild().await;
            }
        }
    }

    async fn decide(&mut self, ask: Ask) -> Result<Outcome, NoDecision> {
        let by = Authorship { at: self.means.clock.now(), ..ask.by };
        match ask.id.as_ref().map(|id| self.org.has_made(id)) {
            Some(Ok(true)) => return Ok(Ok(Done { version: self.org.version(), ..Done::default() })),
            Some(Err(taken)) => return Ok(Err(taken.into())),
            Some(Ok(false)) | None => {}
        }
        let change = match ask.command.decide(&self.org, self.means.rules, &by) {
            Ok(change) => change,
            Err(refused) => return Ok(Err(refused)),
        };
        // Weighed as a pool weighs its own: what changes nothing is right in every version.
        let found = self.org.version();
        if let Some(expected) = ask.expected.filter(|seen| *seen != found && !change.is_empty()) {
            return Ok(Err(Refused::Version { expected, found }));
        }
        let mut done = Done { changed: !change.is_empty(), lines: change.lines.clone(), ..Done::default() };
        let foreseen = foresee::used_up(&self.org, &self.means.pools, &change).await?;
        done.warnings = change.warnings.iter().chain(&foreseen).map(ToString::to_string).collect();
        if !ask.dry_run {
            let change = match ask.id {
                Some(id) => change.by_command(id, &by),
                None => change,
            };
            let made = match self.carry_out(change, &by).await? {
                Ok(made) => made,
                Err(refused) => return Ok(Err(refused)),
            };
            done.changed &= made.changed;
            done.forgiven = made.forgiven;
        }
        if done.changed && !ask.dry_run {
            let (author, reason, lines) = (&by.author, &by.reason, done.lines.len());
            tracing::info!(author, reason, command = ask.command.name(), lines, "decided");
        }
        Ok(Ok(Done { version: self.org.version(), ..done }))
    }

    /// Makes a change, having said first what is intended if it is more than one fact.
    async fn carry_out(
        &mut self,
        change: PolicyChange,
        by: &Authorship,
    ) -> Result<Result<Made, Refused>, NoDecision> {
        if change.is_one_fact() {
            return self.make(change.pools, change.org, by).await;
        }
        self.record(change.intent(by), PARTS_AT_ONCE).await.map_err(NoDecision::partly)?;
        self.finish().await.map_err(NoDecision::partly)
    }

    /// Makes what is left of the change that is intended, if there is one, and says that it has ended.
    async fn finish(&mut self) -> Result<Result<Made, Refused>, NoDecision> {
        let Some(intent) = self.org.intent() else { return Ok(Ok(Made::default())) };
        let (by, pools, left) = (intent.by.clone(), intent.pools(), intent.left());
        let made = self.make(pools, left, &by).await?;
        let refused = made.as_ref().err().map(ToString::to_string);
        let by = Authorship { at: self.means.clock.now(), ..by };
        self.record(vec![Event { by, what: Decided::ChangeEnded { refused } }], 1).await?;
        Ok(made)
    }

    /// Makes what is left of a change that an earlier run, or this one before it lost its place, has intended.
    pub(crate) async fn resume(&mut self) -> Result<(), NoDecision> {
        if let Some(intent) = self.org.intent() {
            let (author, reason, steps) = (&intent.by.author, &intent.by.reason, intent.steps.len());
            tracing::info!(author, reason, steps, "making what is left of a change");
        }
        if let Err(refused) = self.finish().await? {
            tracing::warn!(%refused, "a change that was intended is made in part only");
        }
        self.published.refresh(&self.org);
        Ok(())
    }

    /// Changes the pools, then the rest.
    async fn make(
        &mut self,
        pools: BTreeMap<PoolId, Vec<Change>>,
        org: Vec<Event>,
        by: &Authorship,
    ) -> Result<Result<Made, Refused>, NoDecision> {
        let mut done = Vec::new();
        let mut made = Made::default();
        for (pool, changes) in pools {
            match self.change_pool(&pool, changes, by.clone()).await? {
                Ok(changed) => made.add(&changed),
                Err(refused) => return Ok(Err(Refused::Pool { pool, refused, done })),
            }
            done.push(pool);
        }
        made.changed |= org.iter().any(Event::is_decision);
        self.record(org, EVENTS_AT_ONCE).await?;
        Ok(Ok(made))
    }

    /// Asks a pool's writer, which weighs the change again: its time may be ahead of this one's.
    async fn change_pool(
        &mut self,
        pool: &PoolId,
        changes: Vec<Change>,
        by: Authorship,
    ) -> Result<Changed, NoDecision> {
        let handle = self.means.pools.start(pool, Ledger::default());
        let changed = handle.change(by, changes, None).await?;
        for what in changed.iter().flatten() {
            self.org.evolve_pool(pool, what);
        }
        Ok(changed)
    }

    /// Appends events, so many at once, and makes them so.
    async fn record(&mut self, events: Vec<Event>, at_once: usize) -> Result<(), NoDecision> {
        for events in events.chunks(at_once) {
            self.append(events).await?;
        }
        Ok(())
    }

    async fn append(&mut self, events: &[Event]) -> Result<(), NoDecision> {
        let facts = events.iter().cloned().map(QuotaFact::Org).collect();
        self.means.recorder.append(facts).await.map_err(|problem| {
            tracing::warn!(%problem, "decision of the organisation could not be recorded");
            crate::metrics::append_failed(weir_domain::fact::ORG_KEY);
            NoDecision::NotRecorded { reason: problem.to_string() }
        })?;
        for event in events {
            self.org.evolve(event);
        }
        Ok(())
    }

    /// Brings the organisation back to what the journal says, however long that takes. Whoever asks meanwhile is told.
    async fn rebuild(&mut self) {
        let mut pause = RebuildPause::default();
        while !self.inbox.is_closed() {
            let Err(problem) = self.try_rebuild().await else { return };
            tracing::warn!(problem, "organisation cannot be rebuilt yet");
            // It is over before its time if nobody is left who could ask.
            let _ = tokio::time::timeout(pause.longer(), self.turn_away(&problem)).await;
        }
    }

    async fn turn_away(&mut self, problem: &str) {
        while let Some((_, reply)) = self.inbox.recv().await {
            let _ = reply.send(Err(NoDecision::NotRecorded { reason: problem.to_owned() }));
        }
    }

    /// Waits until every pool's writer has found its place again, so that the journal holds all they will say of the past.
    async fn try_rebuild(&mut self) -> Result<(), String> {
        for pool in self.means.pools.all() {
            pool.recorded().await.map_err(|problem| problem.to_string())?;
        }
        let recorder = &self.means.recorder;
        recorder.mark(None, self.means.clock.now()).await.map_err(|problem| problem.to_string())?;
        let folded = self.means.pools.fold_all().await.map_err(|problem| problem.to_string())?;
        self.org = folded.org;
        self.resume().await.map_err(|problem| problem.to_string())
    }
}
