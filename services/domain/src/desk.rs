//! The desk of a pool: hands out what its ledger has drawn, and tells what must be written down first.
//!
//! The ledger knows slices; the desk knows the holds in them. It draws a slice of about a second of an allocation's recent
//! demand, hands tokens out of it from memory, draws the next before it is used up, and gives back what is left after a second.
//! So the journal carries a bounded number of events a second whatever the request rate.
//!
//! A pure state machine: time and ids are arguments, events and answers are values. Whoever runs it takes the events
//! ([`Desk::take_events`]), appends them, says so ([`Desk::recorded`]), and holds back every answer until what it rests on is
//! recorded ([`Desk::is_recorded`]). If an append fails, or nobody knows whether it did, the desk is thrown away and a new one
//! begins with the ledger rebuilt from the journal: slices that the old one had count as spent.

mod available;
mod debt;
mod explain;
mod foreseen;
mod hand;
mod headroom;
mod holds;
mod in_hand;
mod minted;
mod prospect;
mod rates;
mod reservations;
mod reserve;
mod returned;
mod settle;
mod slices;
mod tick;
mod unsettled;

#[cfg(test)]
mod scenarios;

use std::collections::VecDeque;
use std::time::Duration;

use crate::amount::Tokens;
use crate::authorship::Authorship;
use crate::ids::{HoldId, ReservationId, ServiceId, SliceId};
use crate::ledger::levels::Place;
use crate::ledger::{
    Change, ChangeRefused, Event, Governed, Ledger, Limit, Movement, Quantity, Refusal, TermsChanged,
    decide_change,
};
use crate::time::Timestamp;

use hand::Hand;
use holds::Holds;
use reservations::Reservations;
use reserve::Held;
use slices::DrawnFor;

pub use available::Available;
pub use debt::{Debt, Owed};
pub use explain::{Explained, LimitUse};
pub use headroom::{BudgetStanding, Coming, Headroom, NextChange, PoolStanding, Standing};
pub use holds::{HOLD_LIFETIME, HOLDS_MAX, HOLDS_PER_ALLOCATION_MAX};
pub use prospect::Prospect;
pub use rates::Rates;
pub use reservations::{DRAWS_MAX, RESERVATION_WINDOW, RESERVATIONS_MAX};
use returned::Returned;
pub use returned::Sources;
pub use slices::NodeSlice;
pub use unsettled::{Asker, LOOKED_AT_MAX, Unsettled, UnsettledPart};

/// How long the desk keeps a slice before it gives back what is left: so long tokens that are parked here can refuse a
/// request elsewhere.
pub const SLICE_LIFETIME: Duration = Duration::from_secs(1);
/// How long after its draw the desk looks whether a slice is still in use: so long before it goes back that the journal has
/// its successor by then.
const LOOKED_AT_AFTER: Duration = Duration::from_millis(750);
/// A slice from which nothing was handed out for so long lies idle.
const IDLE_AFTER: Duration = Duration::from_millis(250);
/// How long a node may keep a slice without returning it, before it counts as spent: longer than a lost connection takes to
/// be made again.
pub const NODE_SLICE_LIFETIME: Duration = Duration::from_secs(10);

/// How long after its draw a sealed slice waits for its holds to be settled, before it counts as spent: longer than any call,
/// and than a gateway is away before it repeats its settles.
const SEALED_LIFETIME: Duration = Duration::from_hours(24);
/// How often sealed slices are gone through.
const SWEEP_INTERVAL: Duration = Duration::from_mins(10);

/// Hold tokens for a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserve {
    /// Minted by the caller as a UUIDv7; the same again is the same reservation.
    pub reservation: ReservationId,
    /// Who.
    pub service: ServiceId,
    /// How much.
    pub need: Quantity,
}

/// Give a hold back: the call was never made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// The hold of this id.
    Hold(HoldId),
    /// Whatever this reservation held, or would hold when it arrives.
    Reservation(ReservationId),
}

/// How far the events of a desk have come: answers that rest on them wait until they are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mark(u64);

/// An answer and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// The answer.
    pub what: T,
    /// It may be given when this is recorded.
    pub after: Mark,
}

/// A reservation that was admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// The hold.
    pub hold: HoldId,
    /// The limit that would have refused it, were the allocation not in shadow mode.
    pub shadowed: Option<Limit>,
}

/// What the desk says to a reservation.
pub type Decision = Result<Admitted, Refusal>;

/// The live side of one pool.
#[derive(Debug, Clone)]
pub struct Desk {
    ledger: Ledger,
    /// By place in the ledger.
    hands: Vec<Hand>,
    reservations: Reservations<Held>,
    /// Slices that nodes asked for.
    draws: Reservations<DrawnFor>,
    holds: Holds,
    /// Slices in the order in which they are looked at, and in which they are due to go back.
    due_look: VecDeque<(Timestamp, Place, SliceId)>,
    due_back: VecDeque<(Timestamp, Place, SliceId)>,
    /// The last instant for which somebody was promised that there will be enough.
    promised_until: Timestamp,
    /// Slices that nodes hold, in the order in which they lapse.
    at_nodes: VecDeque<(Timestamp, SliceId)>,
    /// When sealed slices are gone through next.
    sweep_at: Timestamp,
    events: Vec<Event>,
    /// What the events that are being collected will be known by.
    collecting: Mark,
    recorded: Mark,
    /// Whether allocations that are new to this desk begin with all of their requests: not those of a ledger that was
    /// rebuilt, which may have made them already.
    fresh_requests: bool,
    /// Who asks now.
    asker: Asker,
    /// Since when there is this desk: it knows of no reservation from before.
    began: Timestamp,
}

impl Desk {
    /// A desk for a ledger as the journal has it. Slices that an earlier desk handed out count as spent.
    pub fn new(ledger: Ledger, now: Timestamp) -> Self {
        let mut desk = Self {
            ledger,
            hands: Vec::new(),
            reservations: Reservations::new(RESERVATIONS_MAX),
            draws: Reservations::new(DRAWS_MAX),
            holds: Holds::default(),
            due_look: VecDeque::new(),
            due_back: VecDeque::new(),
            promised_until: Timestamp::EPOCH,
            at_nodes: VecDeque::new(),
            sweep_at: now.plus(SWEEP_INTERVAL),
            events: Vec::new(),
            collecting: Mark(1),
            recorded: Mark(0),
            fresh_requests: false,
            asker: Asker::NOBODY,
            began: now,
        };
        desk.advance(now);
        desk.lapse_what_was_open();
        desk.match_hands();
        desk.fresh_requests = true;
        desk
    }

    /// Time passes.
    pub fn advance(&mut self, now: Timestamp) {
        self.ledger.advance(now);
    }

    /// The ledger as it is, recorded or not.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Changes what the pool is or who is entitled to what: all of it, or nothing.
    pub fn change(
        &mut self,
        by: &Authorship,
        changes: &[Change],
        expected: Option<u64>,
    ) -> Answer<Result<Vec<Governed>, ChangeRefused>> {
        let nothing_owed = |change: &Change| matches!(change, Change::ForgiveDebt { service, .. } if self.ledger.debt_of(service) == Tokens::ZERO);
        if changes.iter().all(nothing_owed) {
            return self.answer(Ok(Vec::new()));
        }
        // The ledger's time never goes back, as an author's may.
        let by = &Authorship { at: self.ledger.at(), ..by.clone() };
        let mut decided = decide_change(self.ledger.terms(), by, changes, expected);
        for governed in decided.iter_mut().flatten() {
            self.tell_what_is_forgiven(&mut governed.what);
            self.ledger.evolve(&Event::Governed(governed.clone()));
            self.events.push(Event::Governed(governed.clone()));
        }
        self.match_hands();
        self.answer(decided)
    }

    /// Terms do not know what is owed.
    fn tell_what_is_forgiven(&self, what: &mut TermsChanged) {
        if let TermsChanged::DebtForgiven { service, tokens, .. } = what {
            *tokens = self.ledger.debt_of(service);
        }
    }

    /// How many holds are under way in the pool.
    pub fn holds(&self) -> usize {
        self.holds.len()
    }

    /// How many requests of a service are under way.
    pub fn in_flight(&self, service: &ServiceId) -> u32 {
        self.ledger.place(service).map_or(0, |place| self.hands[place.index()].in_flight())
    }

    /// How many more requests a service may make at once, if they are limited.
    pub fn requests_available(&self, service: &ServiceId) -> Option<u64> {
        let place = self.ledger.place(service)?;
        self.hands[place.index()].requests_available(self.ledger.at())
    }

    /// What the desk could hand out to a service without drawing.
    pub fn in_hand(&self, service: &ServiceId) -> Tokens {
        self.ledger.place(service).map_or(Tokens::ZERO, |place| self.hands[place.index()].free().tokens)
    }

    /// The events that are not appended yet, to be appended together: put into an empty vector, whose room is used for those
    /// to come. None if there are none.
    pub fn take_events(&mut self, into: &mut Vec<Event>) -> Option<Mark> {
        if self.events.is_empty() {
            return None;
        }
        std::mem::swap(&mut self.events, into);
        self.events.clear();
        let mark = self.collecting;
        self.collecting = Mark(mark.0 + 1);
        Some(mark)
    }

    /// Whether there are events to be appended.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// What was taken under this mark, and all before it, is in the journal.
    pub fn recorded(&mut self, mark: Mark) {
        self.recorded = self.recorded.max(mark);
    }

    /// Gives back everything that is in hand: to be called, and its events appended, before a clean end.
    pub fn close(&mut self) {
        for number in 0..self.hands.len() {
            let place = Place::new(u32::try_from(number).expect("places are numbered in 32 bits"));
            self.tell_shadowed(place);
            self.take_up_next(place);
            self.seal_current(place);
            self.seal_unenforced(place);
        }
    }

    /// Whether what an answer rests on is in the journal.
    pub fn is_recorded(&self, mark: Mark) -> bool {
        mark <= self.recorded
    }

    /// An answer that rests on all that has happened so far.
    pub fn answer<T>(&self, what: T) -> Answer<T> {
        let after = if self.events.is_empty() { Mark(self.collecting.0 - 1) } else { self.collecting };
        Answer { what, after }
    }

    fn happen(&mut self, movement: Movement) {
        self.ledger.evolve_moved(&movement);
        self.events.push(Event::Moved(movement));
        if self.hands.len() < self.ledger.accounts().len() {
            self.match_hands();
        }
    }

    fn open_budgets(&mut self, place: Place) {
        while let Some(movement) = self.ledger.open_budget(place) {
            self.happen(movement);
        }
    }

    fn tell_thresholds(&mut self, place: Place) {
        while let Some(movement) = self.ledger.reach_threshold(place) {
            self.happen(movement);
        }
    }

    /// A hand for every account, with the limits that count now. What was drawn by who may draw less now goes back.
    fn match_hands(&mut self) {
        let (now, fresh) = (self.ledger.at(), self.fresh_requests);
        self.hands.resize_with(self.ledger.accounts().len(), Hand::new);
        for (hand, account) in self.hands.iter_mut().zip(self.ledger.accounts()) {
            hand.entitle(account.terms(), now, fresh);
        }
        for place in self.ledger.levels().places() {
            if self.entitle_to_what_is_now(place) {
                self.take_up_next(place);
                self.seal_current(place);
            }
        }
    }
}
