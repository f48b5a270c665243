//! How a hold ends, and how it is kept alive: settled, released, extended, declared again.

use crate::desk::holds::HOLDS_PER_ALLOCATION_MAX;
use crate::desk::{Answer, Desk, Release};
use crate::ids::{HoldId, ServiceId};
use crate::ledger::levels::Place;
use crate::ledger::{Quantity, Settle, Settlement, Slice};

impl Desk {
    /// Replaces a hold by what was used. Whether it was charged now, and not before.
    pub fn settle(&mut self, settle: &Settle) -> Answer<bool> {
        self.charge(settle, true)
    }

    /// Replaces a hold by what was used where no usage event will tell of it. Whether it was charged now, and not before.
    pub fn settle_unmetered(&mut self, settle: &Settle) -> Answer<bool> {
        self.charge(settle, false)
    }

    fn charge(&mut self, settle: &Settle, metered: bool) -> Answer<bool> {
        let slice = settle.hold.slice();
        let live = self.holds.end(settle.hold);
        if let Some((_, live)) = &live {
            self.ledger.account_at(live.place).touch();
            self.hands[live.place.index()].touch();
            self.hands[live.place.index()].ended();
        }
        let place = self.ledger.slice(slice).map(Slice::place);
        if place.is_some_and(|place| !self.was_handed_out(place, settle.hold)) {
            return self.answer(false);
        }
        if let Some(place) = place.or_else(|| self.ledger.place(&settle.service)) {
            self.open_budgets(place);
        }
        // It held what was handed out, whatever the id says that comes back.
        let handed_out = live.as_ref().map(|(hold, live)| (*hold, live.money));
        let Some(movement) = self.ledger.settle(settle, handed_out, metered) else {
            return self.answer(false);
        };
        self.happen(movement);
        if let Some((hold, live)) = live {
            let tokens = hold.tokens().saturating_sub(settle.used.tokens);
            let money = live.money.saturating_sub(settle.used.money);
            self.put_into_hand(live.place, slice, Quantity { tokens, money });
        }
        if let Some(place) = place.or_else(|| self.ledger.place(&settle.service)) {
            self.tell_thresholds(place);
        }
        self.answer(true)
    }

    /// Releases a hold. Whether there was one.
    pub fn release(&mut self, release: &Release, service: &ServiceId) -> Answer<bool> {
        let hold = match release {
            Release::Hold(hold) => Some(*hold),
            Release::Reservation(reservation) => {
                self.reservations.use_up(*reservation, self.ledger.at()).map(|held| held.hold)
            }
        };
        match hold {
            Some(hold) => self.settle(&Settle { hold, service: service.clone(), used: Quantity::ZERO }),
            None => self.answer(false),
        }
    }

    /// Keeps a hold alive. Whether it counts as under way.
    pub fn extend(&mut self, hold: HoldId) -> bool {
        self.holds.extend(hold, self.ledger.at())
    }

    /// A hold that a node still has from before this desk was: it counts as under way again. False if it was settled, or
    /// never was.
    pub fn redeclare(&mut self, hold: HoldId, service: &ServiceId) -> bool {
        if self.holds.is_alive(hold) {
            return true;
        }
        let drawn_for = self.ledger.slice(hold.slice()).map(Slice::place);
        let Some(place) = drawn_for.or_else(|| self.ledger.place(service)) else { return false };
        let is_one =
            self.was_handed_out(place, hold) && self.ledger.settlement_of(hold) != Settlement::Settled;
        if !is_one || self.hands[place.index()].in_flight() >= HOLDS_PER_ALLOCATION_MAX {
            return false;
        }
        let begun = self.holds.begin(
            hold,
            place,
            self.ledger.money_of(hold.slice(), hold.tokens()),
            self.ledger.at(),
        );
        if begun {
            self.hands[place.index()].begun();
        }
        begun
    }

    /// False if a hold is of a slice that this desk hands out, and its number comes later: nobody was given it. To settle it
    /// would mark the number, and whoever is given it would pay nothing.
    fn was_handed_out(&self, place: Place, hold: HoldId) -> bool {
        let handed_out = self.hands[place.index()].handed_out(hold.slice());
        handed_out.is_none_or(|count| hold.number() < count)
    }
}
