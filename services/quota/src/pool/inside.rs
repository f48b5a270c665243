//! What the lock of a pool's critical section owns.

use std::time::Duration;

use tokio::sync::oneshot;
use weir_domain::desk::Mark;
use weir_domain::ids::PoolId;
use weir_domain::time::Timestamp;

use super::clerk::Clerk;
use super::due::Recorded;
use super::edges::Edges;
use super::section::WAITING_MAX;
use super::waiting::Waiting;
use crate::no_decision::NoDecision;

pub(super) struct Inside {
    pub(super) clerk: Clerk,
    pub(super) state: DeskState,
    pub(super) waiting: Waiting,
    /// What is being appended.
    pub(super) appending: Option<Mark>,
    /// Whether the writer was told of the events that there are.
    pub(super) told: bool,
    pub(super) ticked: Timestamp,
    pub(super) edges: Edges,
}

/// Whether the desk can be asked.
pub(super) enum DeskState {
    Open,
    /// The journal has not taken what the desk said, or nobody knows. It is to be thrown away.
    Lost(NoDecision),
    Closed,
}

impl Inside {
    pub(super) fn new(clerk: Clerk, now: Timestamp) -> Self {
        Self {
            edges: Edges::of(clerk.desk.ledger().terms(), now),
            clerk,
            state: DeskState::Open,
            waiting: Waiting::default(),
            appending: None,
            told: false,
            ticked: now,
        }
    }

    /// Why nothing can be asked, if so.
    pub(super) fn admits(&self, pool: &PoolId, items: usize) -> Result<(), NoDecision> {
        match &self.state {
            DeskState::Open if self.waiting.items() + items <= WAITING_MAX => Ok(()),
            DeskState::Open => Err(NoDecision::Busy { writer: format!("pool {pool}"), waiting: WAITING_MAX }),
            DeskState::Lost(reason) => Err(reason.clone()),
            DeskState::Closed => Err(NoDecision::ShuttingDown),
        }
    }

    /// Time passes; slices and holds are looked after if that is as overdue as said.
    pub(super) fn pass(&mut self, now: Timestamp, overdue: Duration) {
        self.clerk.desk.advance(now);
        if now.since(self.ticked) >= overdue {
            self.clerk.desk.tick();
            self.ticked = now;
        }
    }

    /// A ticket for when a mark is recorded; none if it is.
    pub(super) fn wait_for(&mut self, after: Mark, items: usize) -> Option<oneshot::Receiver<Recorded>> {
        if self.clerk.desk.is_recorded(after) {
            return None;
        }
        let is_being_appended = self.appending.is_some_and(|mark| after <= mark);
        Some(self.waiting.add(items, is_being_appended))
    }

    /// Whether the writer is idle and has not been told of the events that there are.
    pub(super) fn writer_must_know(&mut self) -> bool {
        let tell = self.appending.is_none() && !self.told && self.clerk.desk.has_events();
        self.told |= tell;
        tell
    }

    /// Nobody gets a decision until the desk is another.
    pub(super) fn lose(&mut self, reason: &NoDecision) {
        self.appending = None;
        self.state = DeskState::Lost(reason.clone());
        self.waiting.fail(reason);
    }
}
