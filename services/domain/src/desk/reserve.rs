//! How a reservation is answered: from what is in hand, or else from a slice that is drawn for it.

use crate::desk::hand::Limits;
use crate::desk::holds::{HOLDS_MAX, HOLDS_PER_ALLOCATION_MAX};
use crate::desk::in_hand::InHand;
use crate::desk::slices::promised_at;
use crate::desk::{Admitted, Answer, Asker, Decision, Desk, Reserve};
use crate::ids::{HOLD_TOKENS_MAX, HoldId, ServiceId};
use crate::ledger::levels::Place;
use crate::ledger::{Limit, Quantity, Refusal, Retry, Settlement};

/// What a reservation was admitted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) hold: HoldId,
    pub(super) place: Place,
    pub(super) asker: Asker,
    shadowed: Option<Limit>,
}

impl Desk {
    /// Answers a reservation of somebody, whose number is kept with the hold.
    pub fn reserve_for(&mut self, ask: &Reserve, asker: Asker) -> Answer<Decision> {
        self.asker = asker;
        let answer = self.reserve(ask);
        self.asker = Asker::NOBODY;
        answer
    }

    /// Answers a reservation.
    pub fn reserve(&mut self, ask: &Reserve) -> Answer<Decision> {
        let place = self.ledger.place(&ask.service);
        if let Some(place) = place {
            self.hands[place.index()].touch();
        }
        match self.seen(ask, place) {
            Some(decision) => self.answer(decision),
            None => self.admit(ask, place),
        }
    }

    /// What was answered before, or why the id cannot be used.
    fn seen(&mut self, ask: &Reserve, place: Option<Place>) -> Option<Decision> {
        let seen = self.reservations.seen(ask.reservation, self.ledger.at());
        let held = match seen.admitted_before(ask.reservation)? {
            Ok(held) => held,
            Err(refusal) => return Some(Err(refusal)),
        };
        Some(self.again(ask, place, held))
    }

    /// What one that comes again is told. Where its hold is settled, its call is over; where nobody kept it alive, its call
    /// begins anew.
    fn again(&mut self, ask: &Reserve, place: Option<Place>, held: Held) -> Decision {
        let (Held { hold, shadowed, .. }, reservation) = (held, ask.reservation);
        if place != Some(held.place) || hold.tokens() != ask.need.tokens {
            return Err(Refusal::ReservationOfAnother { reservation });
        }
        if self.ledger.settlement_of(hold) == Settlement::Settled {
            return Err(Refusal::ReservationOver { reservation });
        }
        if !self.holds.is_alive(hold) {
            self.begin_again(held.place, hold)?;
        }
        Ok(Admitted { hold, shadowed })
    }

    /// A hold that no longer counts as under way does so again, if one more may be. Its tokens are taken already.
    fn begin_again(&mut self, place: Place, hold: HoldId) -> Result<(), Refusal> {
        let hand = &mut self.hands[place.index()];
        let Limits { in_flight_max: max, is_enforced, .. } = hand.limits().ok_or(Refusal::NoAllocation)?;
        let full = Refusal::InFlight { max };
        if hand.in_flight() >= max && (is_enforced || is_physical(&full)) {
            return Err(full);
        }
        let money = self.ledger.money_of(hold.slice(), hold.tokens());
        if !self.holds.begin(hold, place, money, self.ledger.at()) {
            return Err(Refusal::HoldsFull { outstanding: self.holds.len() });
        }
        hand.begun();
        Ok(())
    }

    fn admit(&mut self, ask: &Reserve, place: Option<Place>) -> Answer<Decision> {
        let entitled = place.and_then(|place| Some((place, self.hands[place.index()].limits()?)));
        let Some((place, limits)) = entitled else { return self.answer(Err(Refusal::NoAllocation)) };
        let bound = self.bound_here(place, limits, ask.need);
        if let Some(refusal) = bound.as_ref().filter(|refusal| limits.is_enforced || is_physical(refusal)) {
            let refusal = self.with_retry(place, ask, refusal.clone());
            return self.answer(Err(refusal));
        }
        self.keep_to_the_edge(place);
        let covered = self.in_hand_covers(place, ask.need);
        match if covered { Ok(None) } else { self.draw_for(place, ask) } {
            Ok(unenforced) => self.hand_out(place, ask, bound.map(|refusal| refusal.limit()), unenforced),
            Err(refusal) => self.answer(Err(refusal)),
        }
    }

    /// The limit that binds before any tokens are looked at, if one does.
    pub(super) fn bound_here(&self, place: Place, limits: Limits, need: Quantity) -> Option<Refusal> {
        let (hand, now) = (&self.hands[place.index()], self.ledger.at());
        if self.holds.len() >= HOLDS_MAX {
            return Some(Refusal::HoldsFull { outstanding: self.holds.len() });
        }
        let Limits { request_max, in_flight_max: max, .. } = limits;
        if need.tokens > request_max {
            return Some(Refusal::RequestTooLarge { asked: need.tokens, request_max });
        }
        if hand.in_flight() >= max {
            return Some(Refusal::InFlight { max });
        }
        let (limit, first) = hand.requests_used(now)?;
        Some(Refusal::RequestsUsed { limit, retry: Retry::at_or_never(first, now) })
    }

    /// The same with a true time. What is in hand goes back first, so that it counts as what it is.
    fn with_retry(&mut self, place: Place, ask: &Reserve, refusal: Refusal) -> Refusal {
        if matches!(refusal, Refusal::RequestsUsed { retry: Retry::At { .. }, .. }) {
            self.take_up_next(place);
            self.seal_current(place);
        }
        let refusal = self.when_tokens_are_there(&ask.service, ask.need, refusal);
        self.promised_until = self.promised_until.max(promised_at(&refusal));
        refusal
    }

    /// A time that every limit agrees with: where one more request could be made, the tokens must be there too.
    pub(super) fn when_tokens_are_there(
        &self,
        service: &ServiceId,
        need: Quantity,
        refusal: Refusal,
    ) -> Refusal {
        let Refusal::RequestsUsed { limit, retry: Retry::At { at: first, .. } } = refusal else {
            return refusal;
        };
        Refusal::RequestsUsed { limit, retry: self.ledger.admits_from(service, need, first) }
    }

    /// Hands out of the slice at hand, or of the one that is not enforced, where a limit is named for it.
    fn hand_out(
        &mut self,
        place: Place,
        ask: &Reserve,
        bound: Option<Limit>,
        unenforced: Option<Limit>,
    ) -> Answer<Decision> {
        let (now, recorded) = (self.ledger.at(), self.recorded);
        let hand = &mut self.hands[place.index()];
        let slice = if unenforced.is_some() { &mut hand.unenforced } else { &mut hand.current };
        let handed = slice.as_mut().and_then(|slice| slice.hand_out(ask.need, now, recorded));
        let Some((hold, after)) = handed else {
            let (asked, request_max) = (ask.need.tokens, HOLD_TOKENS_MAX);
            return self.answer(Err(Refusal::RequestTooLarge { asked, request_max }));
        };
        hand.admitted(ask.need, now);
        let shadowed = bound.or(unenforced);
        if let Some(limit) = shadowed {
            hand.shadow(limit, ask.need.tokens);
        }
        self.holds.begin(hold, place, ask.need.money, now);
        let held = Held { hold, place, asker: self.asker, shadowed };
        self.reservations.remember(ask.reservation, held, now);
        self.draw_before_used_up(place);
        Answer { what: Ok(Admitted { hold, shadowed }), after }
    }

    /// Whether what is in hand suffices. Takes up the next slice where the one at hand does not at once.
    fn in_hand_covers(&mut self, place: Place, need: Quantity) -> bool {
        let recorded = self.recorded;
        let at_once = |slice: &InHand| slice.covers_at_once(need, recorded);
        let hand = &self.hands[place.index()];
        if hand.current.as_ref().is_some_and(at_once) {
            return true;
        }
        if !hand.next.as_ref().is_some_and(at_once) {
            return hand.current.as_ref().is_some_and(|slice| slice.covers(need));
        }
        self.take_up_next(place);
        true
    }
}

/// No shadow lets through what there is no room for.
fn is_physical(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::RequestTooLarge { asked, .. } => *asked > HOLD_TOKENS_MAX,
        _ => {
            matches!(refusal, Refusal::HoldsFull { .. } | Refusal::InFlight { max: HOLDS_PER_ALLOCATION_MAX })
        }
    }
}
