//! One pool at play: its desk, and what is due there as time goes from attempt to attempt.
//!
//! Does what the service does around a desk: lets it look after its slices ten times a second, extends what runs long,
//! settles what has ended, and counts every event as recorded at once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::bucket::Level;
use crate::desk::{Answer, Decision, Desk, HOLD_LIFETIME, Reserve, SLICE_LIFETIME};
use crate::ids::{HoldId, ReservationId, ServiceId};
use crate::ledger::{Event, Ledger, Quantity, Settle};
use crate::simulate::borrowed::Borrowed;
use crate::time::Timestamp;

/// How often the desk looks after its slices, as in the service.
const TICK: Duration = Duration::from_millis(100);
/// How long after the last call it does: by then every slice has gone back, also one that was drawn ahead.
const AWAKE: Duration = SLICE_LIFETIME.saturating_mul(3);
/// How long before a hold would stop counting as under way it is extended.
const EXTENDED_BEFORE: Duration = Duration::from_mins(1);

/// A pool at play.
#[derive(Debug)]
pub(super) struct Play {
    desk: Desk,
    due: BinaryHeap<Reverse<Due>>,
    tick_at: Timestamp,
    awake_until: Timestamp,
    borrowed: Borrowed,
    events: Vec<Event>,
    minted: u128,
}

/// What a call asks for and what it comes to.
#[derive(Debug, Clone)]
pub(super) struct Ask<'a> {
    /// Its place among the attempts: told back when it has ended.
    pub(super) attempt: usize,
    pub(super) service: &'a ServiceId,
    pub(super) need: Quantity,
    pub(super) ends: Timestamp,
}

/// A call that was admitted and goes on; the first to be due comes first, and of several the first that was admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Timestamp,
    attempt: usize,
    ends: Timestamp,
    hold: HoldId,
}

/// An attempt has ended; it is to be settled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) attempt: usize,
    pub(super) at: Timestamp,
    hold: HoldId,
}

impl Play {
    pub(super) fn new(ledger: Ledger, begins: Timestamp) -> Self {
        let mut play = Self {
            desk: Desk::new(ledger, begins),
            due: BinaryHeap::new(),
            tick_at: begins,
            awake_until: begins,
            borrowed: Borrowed::default(),
            events: Vec::new(),
            minted: 0,
        };
        play.record();
        play
    }

    /// Time passes up to an instant, or up to the first attempt that ends before.
    pub(super) fn next_ended(&mut self, until: Timestamp) -> Option<Ended> {
        loop {
            let due = self.due.peek().map(|Reverse(due)| *due).filter(|due| due.at <= until);
            let upto = due.map_or(until, |due| due.at);
            while self.tick_at <= upto.min(self.awake_until) {
                self.tick(self.tick_at);
            }
            self.desk.advance(upto);
            let due = due?;
            self.due.pop();
            if due.at >= due.ends {
                return Some(Ended { attempt: due.attempt, at: due.at, hold: due.hold });
            }
            self.wake(due.at);
            self.desk.extend(due.hold);
            self.add(due);
        }
    }

    /// Settles what has ended. How much of it was borrowed.
    pub(super) fn settle(&mut self, ended: Ended, service: &ServiceId, used: Quantity) -> Level {
        self.wake(ended.at);
        let borrowed = self.borrowed.settle(ended.hold, used);
        self.desk.settle(&Settle { hold: ended.hold, service: service.clone(), used });
        self.record();
        self.borrowed.forget(ended.hold.slice(), self.desk.ledger());
        borrowed
    }

    /// Answers a call at an instant up to which time has passed.
    pub(super) fn reserve(&mut self, ask: &Ask<'_>, at: Timestamp) -> Decision {
        self.wake(at);
        let reservation = self.mint(at);
        let Answer { what: decision, .. } =
            self.desk.reserve(&Reserve { reservation, service: ask.service.clone(), need: ask.need });
        self.record();
        if let Ok(admitted) = &decision {
            self.add(Due { at, attempt: ask.attempt, ends: ask.ends, hold: admitted.hold });
        }
        decision
    }

    /// The ledger with nothing in hand that is not held.
    pub(super) fn close(&mut self) -> &Ledger {
        self.desk.close();
        self.record();
        self.desk.ledger()
    }

    /// It is due next when it ends, or must be extended.
    fn add(&mut self, due: Due) {
        let extended = due.at.plus(HOLD_LIFETIME.saturating_sub(EXTENDED_BEFORE));
        self.due.push(Reverse(Due { at: due.ends.min(extended), ..due }));
    }

    /// Somebody calls: what time has brought is done first, and the desk is looked after for a while.
    fn wake(&mut self, at: Timestamp) {
        if self.awake_until < at {
            self.tick(at);
        }
        self.awake_until = at.plus(AWAKE);
    }

    fn tick(&mut self, at: Timestamp) {
        self.desk.advance(at);
        self.desk.tick();
        self.record();
        self.tick_at = at.plus(TICK);
    }

    /// All that happened is recorded at once.
    fn record(&mut self) {
        self.events.clear();
        if let Some(mark) = self.desk.take_events(&mut self.events) {
            self.desk.recorded(mark);
            self.events.iter().for_each(|event| self.borrowed.see(event, self.desk.ledger()));
        }
    }

    /// A UUIDv7 of an instant, the same whenever the same is played.
    fn mint(&mut self, at: Timestamp) -> ReservationId {
        self.minted += 1;
        let millis = u128::try_from(at.as_millis()).unwrap_or(0);
        ReservationId::new(millis << 80 | 7 << 76 | self.minted)
    }
}
