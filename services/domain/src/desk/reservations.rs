//! The ids of reservations, so that one that comes again is the same hold.
//!
//! A reservation is remembered while its id is young enough to be accepted. Where more come than are remembered, ids get too
//! old sooner: whoever asks with one is told to mint another.

use std::time::Duration;

use crate::amount::Tokens;
use crate::desk::minted::{Minted, Remembered, Stretch, stretch_of};
use crate::ids::{HoldId, ReservationId};
use crate::ledger::levels::Place;
use crate::time::Timestamp;

/// How far from now an id may have been minted: longer than a caller repeats a call, and than clocks differ.
pub const RESERVATION_WINDOW: Duration = Duration::from_mins(15);
/// How many are remembered: a quarter of an hour of 1,100 a second, in some 150 MB.
pub const RESERVATIONS_MAX: usize = 1_000_000;
/// How many of them may come from clocks that are ahead. They have room of their own, since they would be the last to be
/// forgotten.
const AHEAD_MAX: usize = RESERVATIONS_MAX / 8;
/// How far ahead a clock is in time all the same.
const IN_TIME: Duration = Duration::from_secs(1);

/// What is known of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It was admitted with this hold.
    Held { hold: HoldId, place: Place },
    /// It may hold nothing: it was released before it arrived.
    UsedUp,
    /// Its id was minted too long ago, or too far ahead.
    Stale,
    /// Nothing.
    Unseen,
}

#[derive(Debug, Clone)]
pub(super) struct Reservations {
    in_time: Minted,
    ahead: Minted,
}

impl Default for Reservations {
    fn default() -> Self {
        Self { in_time: Minted::new(RESERVATIONS_MAX), ahead: Minted::new(AHEAD_MAX) }
    }
}

impl Reservations {
    pub(super) fn known(&self, reservation: ReservationId, now: Timestamp) -> Known {
        match self.in_time.get(reservation).or_else(|| self.ahead.get(reservation)) {
            Some(Remembered::Held { hold, place }) => Known::Held { hold, place },
            Some(Remembered::UsedUp) => Known::UsedUp,
            None => {
                let minted = minted_at(reservation);
                let young = minted.plus(RESERVATION_WINDOW) > now && minted <= now.plus(RESERVATION_WINDOW);
                let remembered = if in_time(reservation, now) { &self.in_time } else { &self.ahead };
                if young && remembered.has_room_for(reservation) { Known::Unseen } else { Known::Stale }
            }
        }
    }

    pub(super) fn remember(
        &mut self,
        reservation: ReservationId,
        hold: HoldId,
        place: Place,
        now: Timestamp,
    ) {
        self.add(reservation, Remembered::Held { hold, place }, now);
    }

    /// From now on it holds nothing. What it held, if it did.
    pub(super) fn use_up(&mut self, reservation: ReservationId, now: Timestamp) -> Option<HoldId> {
        match self.known(reservation, now) {
            Known::Held { hold, .. } => {
                let is_in_time = self.in_time.get(reservation).is_some();
                let remembered = if is_in_time { &mut self.in_time } else { &mut self.ahead };
                remembered.insert(reservation, Remembered::UsedUp);
                Some(hold)
            }
            Known::UsedUp | Known::Stale => None,
            Known::Unseen => {
                self.add(reservation, Remembered::UsedUp, now);
                None
            }
        }
    }

    /// Forgets what is too old, and makes room for what comes until the next tick: what is remembered then costs no
    /// allocation unless twice as many come as before.
    pub(super) fn tick(&mut self, now: Timestamp) {
        self.in_time.forget_before(oldest(now));
        self.ahead.forget_before(oldest(now));
        self.in_time.make_room(stretch_of(now.plus(IN_TIME)));
    }

    fn add(&mut self, reservation: ReservationId, what: Remembered, now: Timestamp) {
        let remembered = if in_time(reservation, now) { &mut self.in_time } else { &mut self.ahead };
        remembered.forget_before(oldest(now));
        remembered.insert(reservation, what);
    }
}

/// The first stretch that may have ids young enough to be accepted.
fn oldest(now: Timestamp) -> Stretch {
    stretch_of(now.minus(RESERVATION_WINDOW))
}

/// When it was minted, by its caller's clock.
fn minted_at(reservation: ReservationId) -> Timestamp {
    Timestamp::from_millis(i64::try_from(reservation.minted_at_ms()).unwrap_or(i64::MAX))
}

fn in_time(reservation: ReservationId, now: Timestamp) -> bool {
    minted_at(reservation) <= now.plus(IN_TIME)
}

/// What a hold of so many tokens is compared with when its reservation comes again.
pub(super) fn same(hold: HoldId, tokens: Tokens) -> bool {
    hold.tokens() == tokens
}
