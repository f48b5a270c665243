//! The ids of reservations, so that one that comes again is the same hold.
//!
//! A reservation is remembered while its id is young enough to be accepted. Where more come than are remembered, ids get too
//! old sooner: whoever asks with one is told to mint another.

use std::collections::VecDeque;
use std::time::Duration;

use crate::amount::Tokens;
use crate::ids::{HoldId, ReservationId};
use crate::ledger::levels::Place;
use crate::table::Table;
use crate::time::Timestamp;

/// How far from now an id may have been minted: longer than a caller repeats a call, and than clocks differ.
pub const RESERVATION_WINDOW: Duration = Duration::from_mins(15);
/// How many are remembered: a quarter of an hour of 1,100 a second, in some 100 MB.
pub const RESERVATIONS_MAX: usize = 1_000_000;

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

#[derive(Debug, Clone, Default)]
pub(super) struct Reservations {
    known: Table<ReservationId, Option<(HoldId, Place)>>,
    /// In order of arrival.
    to_forget: VecDeque<(Timestamp, ReservationId)>,
    /// Ids minted before this may have been forgotten.
    horizon: Timestamp,
}

/// When it was minted, by its caller's clock.
fn minted(reservation: ReservationId) -> Timestamp {
    Timestamp::from_millis(i64::try_from(reservation.minted_at_ms()).unwrap_or(i64::MAX))
}

impl Reservations {
    pub(super) fn known(&self, reservation: ReservationId, now: Timestamp) -> Known {
        match self.known.get(&reservation) {
            Some(Some((hold, place))) => Known::Held { hold: *hold, place: *place },
            Some(None) => Known::UsedUp,
            None => {
                let minted = minted(reservation);
                let young = minted.plus(RESERVATION_WINDOW) > now && minted > self.horizon;
                if young && minted <= now.plus(RESERVATION_WINDOW) { Known::Unseen } else { Known::Stale }
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
        self.add(reservation, Some((hold, place)), now);
    }

    /// From now on it holds nothing. What it held, if it did.
    pub(super) fn use_up(&mut self, reservation: ReservationId, now: Timestamp) -> Option<HoldId> {
        match self.known(reservation, now) {
            Known::Held { hold, .. } => {
                self.known.insert(reservation, None);
                Some(hold)
            }
            Known::UsedUp | Known::Stale => None,
            Known::Unseen => {
                self.add(reservation, None, now);
                None
            }
        }
    }

    fn add(&mut self, reservation: ReservationId, what: Option<(HoldId, Place)>, now: Timestamp) {
        self.forget(now);
        if self.known.insert(reservation, what).is_none() {
            let until = now.max(minted(reservation)).plus(RESERVATION_WINDOW);
            self.to_forget.push_back((until, reservation));
        }
    }

    fn forget(&mut self, now: Timestamp) {
        while let Some((until, oldest)) = self.to_forget.front().copied() {
            if until > now && self.known.len() < RESERVATIONS_MAX {
                return;
            }
            self.to_forget.pop_front();
            self.known.remove(&oldest);
            // An id from a clock that is ahead must not make everybody else's too old.
            let arrived = until.minus(RESERVATION_WINDOW).min(now);
            self.horizon = self.horizon.max(minted(oldest).min(arrived));
        }
    }
}

/// What a hold of so many tokens is compared with when its reservation comes again.
pub(super) fn same(hold: HoldId, tokens: Tokens) -> bool {
    hold.tokens() == tokens
}
