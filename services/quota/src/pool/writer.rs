//! The one task that owns a pool's ledger.
//!
//! It takes all commands that wait, decides each against the ledger and what was decided just before it, appends all
//! events together, and only then answers. If the journal does not take them, the ledger is rebuilt from the journal:
//! whoever asked learns that no decision was made, and may ask again with the same id.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use weir_domain::amount::Tokens;
use weir_domain::bucket::{Level, UNITS_PER_TOKEN};
use weir_domain::ids::{PoolId, ServiceId};
use weir_domain::ledger::invariants::{Violation, invariant_conservation, invariant_levels};
use weir_domain::ledger::{
    Command, Event, Governed, Known, Ledger, Moved, Movement, Refusal, Reserve, Settle, decide,
};
use weir_domain::time::Timestamp;
use weir_runtime::clock::Clock;

use super::batch::Batch;
use super::{Ask, Reserved};
use crate::metrics::{self, PoolMetrics, SettleOutcome};
use crate::no_decision::NoDecision;
use crate::rebuild;
use crate::recorder::Recorder;

/// Commands in one group commit: their record stays below 64 KB, and the last of them waits for about a millisecond
/// of deciding.
const BATCH_MAX: usize = 1_024;
/// Between attempts to rebuild while the journal is away.
const REBUILD_PAUSE_MIN: Duration = Duration::from_millis(50);
const REBUILD_PAUSE_MAX: Duration = Duration::from_secs(2);

pub(super) struct PoolWriter {
    pool: PoolId,
    ledger: Ledger,
    recorder: Recorder,
    clock: Arc<dyn Clock>,
    metrics: PoolMetrics,
    deficit: Level,
}

impl PoolWriter {
    pub(super) fn new(pool: PoolId, ledger: Ledger, recorder: Recorder, clock: Arc<dyn Clock>) -> Self {
        let metrics = PoolMetrics::new(&pool);
        Self { pool, ledger, recorder, clock, metrics, deficit: Level::ZERO }
    }

    /// Answers until every handle is dropped.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Ask>) {
        let mut asks = Vec::with_capacity(BATCH_MAX);
        while inbox.recv_many(&mut asks, BATCH_MAX).await > 0 {
            if self.commit(&mut asks).await.is_err() {
                self.rebuild(&mut inbox).await;
            }
        }
    }

    /// One group commit. An error if the journal did not take it, or nobody can say whether it did.
    async fn commit(&mut self, asks: &mut Vec<Ask>) -> Result<(), NoDecision> {
        let now = self.clock.now();
        let mut batch = Batch::default();
        for ask in asks.drain(..) {
            self.answer(ask, now, &mut batch);
        }
        self.metrics.batch(batch.len());
        let facts = batch.take_facts(&self.pool);
        let recorded = if facts.is_empty() { Ok(()) } else { self.append(facts).await };
        batch.answer(&recorded);
        self.show(now);
        recorded
    }

    async fn append(&self, facts: Vec<weir_domain::fact::QuotaFact>) -> Result<(), NoDecision> {
        let begun = Instant::now();
        let outcome = self.recorder.append(facts).await;
        self.metrics.appended(begun.elapsed());
        outcome.map(drop).map_err(|problem| {
            tracing::warn!(pool = %self.pool, %problem, "group commit failed");
            metrics::append_failed(self.pool.as_str());
            NoDecision::NotRecorded { reason: problem.to_string() }
        })
    }

    fn answer(&mut self, ask: Ask, now: Timestamp, batch: &mut Batch) {
        match ask {
            Ask::Reserve(command, reply) => {
                let answer = self.reserve(command, now, batch);
                batch.reserved(reply, answer);
            }
            Ask::Settle(command, reply) => {
                let charged = self.settle(command, now, batch);
                batch.flag(reply, charged);
            }
            Ask::Release(command, reply) => {
                let done = self.decide(&Command::Release(command), now, batch);
                let gave_back = matches!(
                    done.as_deref(),
                    Ok([Event::Moved(Movement { what: Moved::Released { held: Some(_) }, .. })])
                );
                batch.flag(reply, gave_back);
            }
            Ask::Change(by, changes, reply) => {
                let done = self.decide(&Command::Change { by, changes }, now, batch);
                batch.changed(reply, done.map(|events| events.into_iter().filter_map(terms_of).collect()));
            }
            Ask::Headroom(service, reply) => {
                let headroom = self.ledger.headroom(&service, now);
                batch.headroom(reply, headroom);
            }
        }
    }

    fn reserve(&mut self, command: Reserve, now: Timestamp, batch: &mut Batch) -> Reserved {
        let (hold, service, tokens) = (command.hold, command.service.clone(), command.tokens);
        let done = self.decide(&Command::Reserve(command), now, batch);
        let known = self.ledger.account(&service).is_some().then_some(&service);
        self.metrics.decided(known, done.as_ref().err().map(Refusal::limit));
        let decision = done.map(|_| match self.ledger.holds().known(hold, self.ledger.time(now)) {
            Known::Outstanding(held) => held.tokens,
            _ => tokens,
        });
        Reserved { decision, standing: self.ledger.standing(&service, now) }
    }

    fn settle(&mut self, command: Settle, now: Timestamp, batch: &mut Batch) -> bool {
        let stale = self.ledger.holds().known(command.hold, self.ledger.time(now)) == Known::Stale;
        let hold = command.hold;
        let charged = self.decide(&Command::Settle(command), now, batch).is_ok_and(|done| !done.is_empty());
        self.metrics.settled(match (charged, stale) {
            (true, _) => SettleOutcome::Charged,
            (false, false) => SettleOutcome::Repeated,
            (false, true) => SettleOutcome::Stale,
        });
        if stale {
            tracing::debug!(pool = %self.pool, %hold, "settle too late to tell whether it was charged before");
        }
        charged
    }

    /// Decides, makes it so and adds it to the batch.
    fn decide(
        &mut self,
        command: &Command,
        now: Timestamp,
        batch: &mut Batch,
    ) -> Result<Vec<Event>, Refusal> {
        let events = decide(&self.ledger, command, now)?;
        for event in &events {
            self.ledger.evolve(event);
            self.watch(event, now);
            batch.push(&self.pool, event.clone());
        }
        Ok(events)
    }

    /// Counts debt and checks the promises that are cheap to check, for what an event has touched.
    fn watch(&mut self, event: &Event, now: Timestamp) {
        let Event::Moved(movement) = event else { return };
        if let Moved::Settled { used, held } = movement.what {
            let debt = used.saturating_sub(held.unwrap_or_default());
            self.metrics.indebted(debt);
            if debt > Tokens::ZERO {
                self.deficit = self.ledger.deficit_at(now);
            }
        }
        if let Err(violation) = self.check(&movement.service, now) {
            metrics::violated(violation.promise);
            tracing::error!(pool = %self.pool, %violation, "ledger is wrong");
        }
    }

    fn check(&self, service: &ServiceId, now: Timestamp) -> Result<(), Violation> {
        invariant_levels(&self.ledger, service, now)?;
        self.ledger.account(service).map_or(Ok(()), |account| invariant_conservation(service, account))
    }

    /// Shows levels. The deficit costs a look at every account, so it is computed only while there may be one.
    fn show(&mut self, now: Timestamp) {
        if self.deficit > Level::ZERO {
            self.deficit = self.ledger.deficit_at(now);
        }
        let level = self.ledger.pool_level_at(now).units().div_euclid(UNITS_PER_TOKEN);
        let level = i64::try_from(level).unwrap_or(i64::MIN);
        self.metrics.levels(level, self.deficit.available(), self.ledger.holds().outstanding());
    }

    /// Brings the ledger back to what the journal says, however long that takes. Whoever asks meanwhile is told.
    async fn rebuild(&mut self, inbox: &mut mpsc::Receiver<Ask>) {
        let mut pause = REBUILD_PAUSE_MIN;
        while !inbox.is_closed() {
            let Err(problem) = self.try_rebuild().await else {
                tracing::info!(pool = %self.pool, "ledger rebuilt from the journal");
                return;
            };
            tracing::warn!(pool = %self.pool, problem, "ledger cannot be rebuilt yet");
            while let Ok(ask) = inbox.try_recv() {
                ask.fail(NoDecision::NotRecorded { reason: problem.clone() });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(REBUILD_PAUSE_MAX);
        }
    }

    async fn try_rebuild(&mut self) -> Result<(), String> {
        let mark = self.recorder.mark(Some(self.pool.clone()), self.clock.now()).await;
        let mark = mark.map_err(|problem| problem.to_string())?.ok_or("the journal gave no position")?;
        let journal = self.recorder.journal();
        self.ledger = rebuild::fold_pool(journal, &self.pool, mark.partition, mark.offset)
            .await
            .map_err(|problem| problem.to_string())?;
        self.deficit = self.ledger.deficit_at(self.clock.now());
        Ok(())
    }
}

fn terms_of(event: Event) -> Option<weir_domain::ledger::TermsChanged> {
    match event {
        Event::Governed(Governed { what, .. }) => Some(what),
        Event::Moved(_) => None,
    }
}

impl Ask {
    /// Tells whoever asked that no decision was made.
    fn fail(self, reason: NoDecision) {
        match self {
            Self::Reserve(_, reply) => drop(reply.send(Err(reason))),
            Self::Settle(_, reply) | Self::Release(_, reply) => drop(reply.send(Err(reason))),
            Self::Change(_, _, reply) => drop(reply.send(Err(reason))),
            Self::Headroom(_, reply) => drop(reply.send(Err(reason))),
        }
    }
}
