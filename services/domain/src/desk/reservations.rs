//! The ids of reservations, so that one that comes again is answered the same.
//!
//! A reservation is remembered while its id is young enough to be accepted. Where more come than are remembered, ids get too
//! old sooner: whoever asks with one is told to mint another.

use std::time::Duration;

use crate::desk::minted::{MintSpan, Minted, Remembered, span_of};
use crate::ids::ReservationId;
use crate::ledger::Refusal;
use crate::time::Timestamp;

/// How far from now an id may have been minted: longer than a caller repeats a call, and than clocks differ.
pub const RESERVATION_WINDOW: Duration = Duration::from_mins(15);
/// How many are remembered: a quarter of an hour of 1,100 a second, in some 150 MB.
pub const RESERVATIONS_MAX: usize = 1_000_000;
/// How many slices that nodes drew are remembered: 100 seconds of 1,000 a second, and a slice is kept for ten.
pub const DRAWS_MAX: usize = 100_000;
/// For how many of those that are remembered one more may come from a clock that is ahead. They have room of their own,
/// since they would be the last to be forgotten.
const FOR_ONE_AHEAD: usize = 8;
/// How far ahead a clock is in time all the same.
const IN_TIME: Duration = Duration::from_secs(1);

/// What is known of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen<T> {
    /// It was admitted, with this.
    Admitted(T),
    /// It may hold nothing any more: it was given back, maybe before it arrived.
    Over,
    /// Its id was minted too long ago, or too far ahead.
    Stale {
        /// When, by its caller's clock.
        minted: Timestamp,
    },
    /// It may have been here: only what was minted from an instant on is remembered.
    Forgotten {
        /// The instant.
        since: Timestamp,
    },
    /// It was never here.
    Unseen,
}

impl<T> Seen<T> {
    /// What it was admitted with before, or why it cannot be admitted; none if it was never here.
    pub(super) fn admitted_before(self, reservation: ReservationId) -> Option<Result<T, Refusal>> {
        match self {
            Self::Admitted(what) => Some(Ok(what)),
            Self::Over => Some(Err(Refusal::ReservationOver { reservation })),
            Self::Stale { minted } => Some(Err(Refusal::ReservationStale { reservation, minted })),
            Self::Forgotten { since } => Some(Err(Refusal::ReservationForgotten { reservation, since })),
            Self::Unseen => None,
        }
    }
}

/// Reservations, and what each was admitted with.
#[derive(Debug, Clone)]
pub(super) struct Reservations<T> {
    in_time: Minted<T>,
    ahead: Minted<T>,
}

impl<T: Copy> Reservations<T> {
    /// Remembers so many.
    pub(super) const fn new(max: usize) -> Self {
        Self { in_time: Minted::new(max), ahead: Minted::new(max / FOR_ONE_AHEAD) }
    }

    pub(super) fn seen(&self, reservation: ReservationId, now: Timestamp) -> Seen<T> {
        match self.in_time.get(reservation).or_else(|| self.ahead.get(reservation)) {
            Some(Remembered::Admitted(what)) => Seen::Admitted(what),
            Some(Remembered::Over) => Seen::Over,
            None => {
                let minted = minted_at(reservation);
                let young = minted.plus(RESERVATION_WINDOW) > now && minted <= now.plus(RESERVATION_WINDOW);
                let remembered = if in_time(reservation, now) { &self.in_time } else { &self.ahead };
                match remembered.has_room_for(reservation) {
                    _ if !young => Seen::Stale { minted },
                    true => Seen::Unseen,
                    false => Seen::Forgotten { since: remembered.remembers_since() },
                }
            }
        }
    }

    /// Those that were admitted, from an id on, in the order of their ids, which is that of their minting; and from which id to
    /// go on, if that are not all of them. Gives twice so many at most.
    pub(super) fn admitted_from(
        &self,
        first: ReservationId,
        looked_at_max: usize,
    ) -> (Vec<(ReservationId, T)>, Option<ReservationId>) {
        let (mut found, next) = self.in_time.admitted_from(first, looked_at_max);
        let (ahead, next_ahead) = self.ahead.admitted_from(first, looked_at_max);
        let next = next.into_iter().chain(next_ahead).min();
        found.extend(ahead);
        found.retain(|(id, _)| next.is_none_or(|next| *id < next));
        found.sort_unstable_by_key(|(id, _)| *id);
        (found, next)
    }

    /// All that was minted from then on is remembered.
    pub(super) fn known_since(&self) -> Timestamp {
        self.in_time.forgotten_before().max(self.ahead.forgotten_before())
    }

    /// It was admitted.
    pub(super) fn remember(&mut self, reservation: ReservationId, what: T, now: Timestamp) {
        self.add(reservation, Remembered::Admitted(what), now);
    }

    /// From now on it holds nothing. What it was admitted with, if it was.
    pub(super) fn use_up(&mut self, reservation: ReservationId, now: Timestamp) -> Option<T> {
        match self.seen(reservation, now) {
            Seen::Admitted(what) => {
                let is_in_time = self.in_time.get(reservation).is_some();
                let remembered = if is_in_time { &mut self.in_time } else { &mut self.ahead };
                remembered.insert(reservation, Remembered::Over);
                Some(what)
            }
            Seen::Over | Seen::Stale { .. } | Seen::Forgotten { .. } => None,
            Seen::Unseen => {
                self.add(reservation, Remembered::Over, now);
                None
            }
        }
    }

    /// Forgets what is too old, and makes room for what comes until the next tick: what is remembered then costs no
    /// allocation unless twice as many come as before.
    pub(super) fn tick(&mut self, now: Timestamp) {
        self.in_time.forget_before(oldest(now));
        self.ahead.forget_before(oldest(now));
        self.in_time.make_room(span_of(now.plus(IN_TIME)));
    }

    fn add(&mut self, reservation: ReservationId, what: Remembered<T>, now: Timestamp) {
        let remembered = if in_time(reservation, now) { &mut self.in_time } else { &mut self.ahead };
        remembered.forget_before(oldest(now));
        remembered.insert(reservation, what);
    }
}

/// The first span that may have ids young enough to be accepted.
fn oldest(now: Timestamp) -> MintSpan {
    span_of(now.minus(RESERVATION_WINDOW))
}

/// When it was minted, by its caller's clock.
pub(super) fn minted_at(reservation: ReservationId) -> Timestamp {
    Timestamp::from_millis(i64::try_from(reservation.minted_at_ms()).unwrap_or(i64::MAX))
}

fn in_time(reservation: ReservationId, now: Timestamp) -> bool {
    minted_at(reservation) <= now.plus(IN_TIME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::reserve::Held;

    #[test]
    fn a_reservation_with_its_id_mostly_takes_one_line_of_a_processors_cache() {
        assert_eq!(size_of::<(ReservationId, Remembered<Held>)>(), 48);
    }
}
