//! Simulation: past usage run through the policy as it stands and through a candidate, to see whom each would refuse and who
//! would borrow.
//!
//! Every attempt asks the very [`Desk`](crate::desk::Desk) that admits live requests: it reserves what was held for it
//! when it began and settles what it used when it ended. There is no second implementation of any rule here. Pure: the
//! past, both organisations and the span are arguments, and the order in which events are taken in does not matter.
//!
//! What it cannot know: a request that was refused at the time is in the journal as a count only and is not played; one
//! that is refused here is not tried again, and what it would have used is left to others.

mod attempt;
mod before;
mod borrowed;
mod candidate;
mod course;
mod interned;
mod play;
mod report;
mod side;
mod tally;

#[cfg(test)]
mod scenarios;

pub use attempt::{ATTEMPTS_MAX, TooMany};
pub use candidate::applied;
pub use course::Course;
pub use report::{
    AllocationReport, Amount, BudgetLevel, Busiest, CELLS, Cell, Entitled, Outcome, PoolOutcome, PoolReport,
    RefusedBy, Report, Sides,
};

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ids::{PoolId, ServiceId};
use crate::org::Org;
use crate::time::{Timestamp, Window};
use crate::usage::{RefusalsCounted, UsageEvent, UsageRecorded};
use attempt::Attempts;
use side::Side;

/// How long before the span attempts are played, so that buckets stand as usage had left them: pools and borrowing are a
/// minute deep, and few calls last longer than ten.
pub const WARM_UP: Duration = Duration::from_mins(10);

/// A refusal is named so where no pool of a policy serves the model.
pub const NOT_SERVED: &str = "not_served";

/// Takes in the past, in any order, before it is played.
#[derive(Debug)]
pub struct Simulation {
    span: Window,
    /// From when on attempts are played.
    begins: Timestamp,
    sides: Sides<Side>,
    attempts: Attempts,
    refused_then: BTreeMap<(PoolId, ServiceId), Amount>,
}

impl Simulation {
    /// Of the policy as it stands, and a candidate, over a span.
    pub fn new(now: &Org, candidate: &Org, span: Window) -> Self {
        Self::with_room(now, candidate, span, ATTEMPTS_MAX)
    }

    fn with_room(now: &Org, candidate: &Org, span: Window, attempts_max: usize) -> Self {
        let begins = span.start().minus(WARM_UP);
        Self {
            span,
            begins,
            sides: Sides { now: Side::new(now, begins), candidate: Side::new(candidate, begins) },
            attempts: Attempts::new(attempts_max),
            refused_then: BTreeMap::new(),
        }
    }

    /// The instant before which nothing matters: budgets have counted since their periods began.
    pub fn since(&self) -> Timestamp {
        self.begins.min(self.sides.now.since()).min(self.sides.candidate.since())
    }

    /// How many attempts are held to be played.
    pub fn held(&self) -> usize {
        self.attempts.len()
    }

    /// Takes in a fact. The same fact again counts once.
    pub fn take(&mut self, event: &UsageEvent) -> Result<(), TooMany> {
        match event {
            UsageEvent::Recorded(event) => self.take_attempt(event),
            UsageEvent::Refused(event) => {
                self.take_refusals(event);
                Ok(())
            }
        }
    }

    fn take_attempt(&mut self, event: &UsageRecorded) -> Result<(), TooMany> {
        if event.started >= self.span.end() {
            return Ok(());
        }
        if event.started >= self.begins {
            return self.attempts.hold(event);
        }
        if event.ended >= self.since() && self.attempts.is_new(event) {
            self.sides.now.used_before(event);
            self.sides.candidate.used_before(event);
        }
        Ok(())
    }

    fn take_refusals(&mut self, event: &RefusalsCounted) {
        if self.span.contains(event.to) && self.attempts.is_new_count(event) {
            let key = (event.pool.clone(), event.service.clone());
            self.refused_then.entry(key).or_default().add(event.count.get(), event.tokens);
        }
    }

    /// Nothing more comes: the past is put in order, to be played.
    pub fn begin(self) -> Course {
        Course::new(self.span, self.begins, self.sides, self.attempts, self.refused_then)
    }
}
