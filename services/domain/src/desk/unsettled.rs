//! Holds that nobody has settled, as far as their reservations are remembered: for whoever looks after a pool.
//!
//! Looks at a part at a time, so that nobody waits at the desk for longer than a batch takes, and changes nothing. What is
//! older than [`RESERVATION_WINDOW`](crate::desk::RESERVATION_WINDOW), has made room for others
//! ([`RESERVATIONS_MAX`](crate::desk::RESERVATIONS_MAX), settled or not) or is from before this desk has no id any more: it is
//! in what its account has outstanding, and in nothing here. Each part says since when it knows all.

use crate::desk::Desk;
use crate::desk::reservations::minted_at;
use crate::ids::{HoldId, ReservationId, ServiceId};
use crate::ledger::Settlement;
use crate::time::Timestamp;

/// Reservations that are looked at in one part, and empty spans of 16 ms among them: less than a millisecond. A span has no order,
/// so that the oldest of one that has more are found by going through all of its ids: 2 ms where 100,000 were minted in one span,
/// 60 times what 100,000 a second leave in it, and 25 ms where all [`RESERVATIONS_MAX`](crate::desk::RESERVATIONS_MAX) were.
pub const LOOKED_AT_MAX: usize = 2_048;

/// Who asked for a hold, by a number that whoever runs the desk gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker(u32);

impl Asker {
    /// Nobody that is known.
    pub const NOBODY: Self = Self(0);

    /// Takes a number from 1 on.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// A hold that nobody has settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsettled {
    /// What it was asked with.
    pub reservation: ReservationId,
    /// The hold itself, and with it how many tokens.
    pub hold: HoldId,
    /// Whose.
    pub service: ServiceId,
    /// Who asked for it.
    pub asker: Asker,
    /// When it was asked for, by its caller's clock.
    pub since: Timestamp,
    /// Until when it counts as under way, unless it is extended; none if it does no more.
    pub until: Option<Timestamp>,
}

/// A part of them, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsettledPart {
    /// What was found.
    pub holds: Vec<Unsettled>,
    /// From which id to go on; none: there are no more.
    pub next: Option<ReservationId>,
    /// What was minted before may have been forgotten, and is held all the same.
    pub known_since: Timestamp,
}

impl Desk {
    /// Holds that nobody has settled, of reservations from this one on that were minted up to an instant, for services that
    /// are wanted.
    pub fn unsettled(
        &self,
        first: ReservationId,
        until: Timestamp,
        is_wanted: impl Fn(&ServiceId) -> bool,
    ) -> UnsettledPart {
        let (admitted, next) = self.reservations.admitted_from(first, LOOKED_AT_MAX);
        let is_outstanding = |hold: HoldId| self.ledger.settlement_of(hold) == Settlement::Outstanding;
        let admitted = admitted.into_iter().take_while(|(id, _)| minted_at(*id) <= until);
        let holds = admitted.filter_map(|(reservation, held)| {
            let service = self.ledger.account_at(held.place).service();
            (is_wanted(service) && is_outstanding(held.hold)).then(|| Unsettled {
                reservation,
                hold: held.hold,
                service: service.clone(),
                asker: held.asker,
                since: minted_at(reservation),
                until: self.holds.alive_until(held.hold),
            })
        });
        UnsettledPart {
            holds: holds.collect(),
            next: next.filter(|next| minted_at(*next) <= until),
            known_since: self.reservations.known_since().max(self.began),
        }
    }
}
