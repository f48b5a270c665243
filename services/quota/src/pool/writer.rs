//! The one task that appends what a pool's desk says.
//!
//! It takes the events that steps at the desk have left, appends them together while the desk goes on, and then says that
//! they are recorded: whoever waited for that is answered. One append is in flight at a time. If the journal does not take
//! them, or nobody knows, the ledger is rebuilt from the journal: whoever asked learns that no decision was made, and may ask
//! again with the same id; until the ledger is there again, so does everybody else.

use std::pin::pin;
use std::sync::Arc;

use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use weir_domain::fact::QuotaFact;
use weir_domain::ids::PoolId;
use weir_domain::ledger::Event;

use super::batch;
use super::pace::Pace;
use super::section::{Section, TICK, Taken};
use super::shared::Shared;
use crate::metrics::{self, Flow};
use crate::no_decision::NoDecision;
use crate::rebuild::RebuildPause;
use crate::recorder::Appended;

/// Ticks between two looks at every account, for gauges that cost one.
const TICKS_PER_SURVEY: u32 = 10;

pub(super) struct PoolWriter {
    section: Arc<Section>,
    shared: Shared,
    stop: CancellationToken,
    timer: Interval,
    pace: Pace,
    flow: Flow,
    ticks: u32,
    /// Taken and not appended yet; kept for its room.
    events: Vec<Event>,
}

impl PoolWriter {
    pub(super) fn new(section: Arc<Section>, shared: Shared, stop: CancellationToken) -> Self {
        let mut timer = tokio::time::interval(TICK);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let flow = Flow::new(section.pool());
        Self { section, shared, stop, timer, pace: Pace::default(), flow, ticks: 0, events: Vec::new() }
    }

    /// Appends until it is stopped; then gives back what is in hand.
    pub(super) async fn run(mut self) {
        while !self.stop.is_cancelled() {
            tokio::select! {
                () = self.section.woken() => {}
                _ = self.timer.tick() => self.tick(),
                () = self.stop.cancelled() => {}
            }
            self.commit_all().await;
        }
        self.section.close();
        self.commit_all().await;
    }

    /// Commits until there is nothing more.
    async fn commit_all(&mut self) {
        loop {
            // Whoever is ready to ask gets into the same record.
            tokio::task::yield_now().await;
            let taken = self.section.take(&mut self.events);
            let events = self.events.len();
            match taken {
                Taken::Nothing => return,
                Taken::Events(mark) => match self.commit().await {
                    Ok(()) => self.section.recorded(mark),
                    Err(reason) => self.section.lose(&reason),
                },
                Taken::Lost if self.stop.is_cancelled() => return,
                Taken::Lost => self.rebuild().await,
            }
            if let Some(linger) = self.pace.next(events) {
                self.meanwhile(tokio::time::sleep(linger)).await;
            }
        }
    }

    /// One group commit. An error if the journal did not take it, or nobody can say whether it did.
    async fn commit(&mut self) -> Result<(), NoDecision> {
        let (begun, count) = (Instant::now(), self.events.len());
        for facts in batch::appends(self.section.pool(), self.events.drain(..)) {
            let appended = self.append(facts).await?;
            appended.recorded.iter().for_each(|recorded| self.flow.count(&recorded.fact));
        }
        self.flow.appended(count, begun.elapsed());
        Ok(())
    }

    async fn append(&mut self, facts: Vec<QuotaFact>) -> Result<Appended, NoDecision> {
        let recorder = self.shared.recorder.clone();
        self.meanwhile(recorder.append(facts)).await.map_err(|problem| {
            let pool = self.section.pool();
            tracing::warn!(%pool, %problem, "group commit failed");
            metrics::append_failed(pool.as_str());
            NoDecision::NotRecorded { reason: problem.to_string() }
        })
    }

    /// Waits for something, and looks after the desk meanwhile.
    async fn meanwhile<T>(&mut self, something: impl Future<Output = T>) -> T {
        let mut something = pin!(something);
        loop {
            tokio::select! {
                outcome = &mut something => return outcome,
                _ = self.timer.tick() => self.tick(),
            }
        }
    }

    fn tick(&mut self) {
        self.pace.begin();
        if self.section.tick() {
            self.shared.limits_changed();
        }
        self.ticks += 1;
        if self.ticks >= TICKS_PER_SURVEY {
            self.ticks = 0;
            self.flow.show(self.section.survey());
        }
    }

    /// Brings the ledger back to what the journal says, however long that takes. The desk turns away whoever asks meanwhile;
    /// the organisation's writer, which has an inbox, does so itself.
    async fn rebuild(&mut self) {
        self.shared.limits_changed();
        let mut pause = RebuildPause::default();
        while !self.stop.is_cancelled() {
            let Err(problem) = self.try_rebuild().await else {
                tracing::info!(pool = %self.section.pool(), "ledger rebuilt from the journal");
                return;
            };
            tracing::warn!(pool = %self.section.pool(), problem, "ledger cannot be rebuilt yet");
            tokio::select! {
                () = tokio::time::sleep(pause.longer()) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    async fn try_rebuild(&mut self) -> Result<(), String> {
        let pool: PoolId = self.section.pool().clone();
        let mark = self.shared.recorder.mark(Some(pool.clone()), self.section.clock().now()).await;
        let mark = mark.map_err(|problem| problem.to_string())?.ok_or("the journal gave no position")?;
        let ledger = self.shared.fold_pool(&pool, mark).await.map_err(|problem| problem.to_string())?;
        self.section.resume(ledger);
        Ok(())
    }
}
