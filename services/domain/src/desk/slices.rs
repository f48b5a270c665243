//! Slices at the desk: drawn, taken up, filled again, sealed; and those that nodes hold.

use crate::amount::Tokens;
use crate::bucket::Plan;
use crate::desk::in_hand::InHand;
use crate::desk::reservations::Seen;
use crate::desk::{Answer, Desk, LOOKED_AT_AFTER, NODE_SLICE_LIFETIME, Reserve, SLICE_LIFETIME};
use crate::ids::{NodeId, SliceId};
use crate::ledger::levels::Place;
use crate::ledger::{
    Draw, DrawDecided, Drawn, HOLDS_PER_SLICE, Holder, Limit, Quantity, Refusal, Seal, Slice, SliceState,
};
use crate::time::Timestamp;

/// A slice as its node is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeSlice {
    /// Its id.
    pub slice: SliceId,
    /// What it has.
    pub quantity: Quantity,
    /// The limit that would have refused it, were the allocation not in shadow mode; not known of one that an earlier desk
    /// drew.
    pub shadowed: Option<Limit>,
    /// Until when it may be handed out; what is left is returned after that.
    pub hand_out_until: Timestamp,
}

/// What a node was given for its reservation of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DrawnFor {
    given: NodeSlice,
    place: Place,
}

impl Desk {
    /// Draws a slice for a node, which hands it out on its own and returns what is left within [`NODE_SLICE_LIFETIME`]:
    /// of as much as it needs, and more ahead if there is plenty. The same reservation again draws nothing more.
    pub fn draw(
        &mut self,
        node: &NodeId,
        ask: &Reserve,
        ahead: Quantity,
    ) -> Answer<Result<NodeSlice, Refusal>> {
        let seen = self.draws.seen(ask.reservation, self.ledger.at());
        let drawn = match seen.admitted_before(ask.reservation) {
            Some(before) => before.and_then(|drawn| self.drawn_again(node, ask, drawn)),
            None => self.draw_for_node(node, ask, ahead),
        };
        self.answer(drawn)
    }

    /// What one that comes again is told, while the node still has the slice.
    fn drawn_again(&self, node: &NodeId, ask: &Reserve, drawn: DrawnFor) -> Result<NodeSlice, Refusal> {
        let (DrawnFor { given, place }, reservation) = (drawn, ask.reservation);
        let (is_open, known) = (self.ledger.is_open(given.slice), self.ledger.slice(given.slice));
        let theirs = known.is_none_or(|slice| slice.is_held_by(node));
        let covered = ask.need.tokens <= given.quantity.tokens;
        if !theirs || self.ledger.place(&ask.service) != Some(place) || !covered {
            return Err(Refusal::ReservationOfAnother { reservation });
        }
        if is_open { Ok(given) } else { Err(Refusal::ReservationOver { reservation }) }
    }

    fn draw_for_node(&mut self, node: &NodeId, ask: &Reserve, ahead: Quantity) -> Result<NodeSlice, Refusal> {
        let (need, service, now) = (ask.need, ask.service.clone(), self.ledger.at());
        let place = self.ledger.place(&service).ok_or(Refusal::NoAllocation)?;
        if let Some(limit) = self.counted_by_call(place) {
            return Err(Refusal::CountedByCall { limit });
        }
        self.open_budgets(place);
        // What an edge lets be drawn counts up to it: a burst is over when it is over at its nodes too.
        let lapses = now.plus(NODE_SLICE_LIFETIME);
        let hand_out_until = self.edge_after(place, now).map_or(lapses, |edge| lapses.min(edge));
        let holder = Holder { node: node.clone(), reservation: ask.reservation, hand_out_until };
        let decided = self.decide_draw(&Draw { service, holder: Some(holder), need, ahead })?;
        let Drawn { slice, tokens, money, .. } = decided.drawn;
        let shadowed = decided.shadowed.as_ref().map(Refusal::limit);
        if let Some(limit) = shadowed {
            self.hands[place.index()].shadow(limit, need.tokens);
        }
        self.happen(decided.into_movement());
        self.tell_shadowed(place);
        self.at_nodes.push_back((lapses, slice));
        self.tell_thresholds(place);
        let given = NodeSlice { slice, quantity: Quantity { tokens, money }, shadowed, hand_out_until };
        self.draws.remember(ask.reservation, DrawnFor { given, place }, now);
        Ok(given)
    }

    /// The limit that only calls can be counted against: an allocation with one hands out no slices.
    fn counted_by_call(&self, place: Place) -> Option<Limit> {
        let terms = self.ledger.account_at(place).terms()?;
        let requests = terms.requests.map(|_| Limit::Requests);
        requests.or_else(|| terms.in_flight_max.map(|_| Limit::InFlight))
    }

    /// Returns what a node did not hand out of its slice, in tokens; the ledger knows what money goes with them. Whether it
    /// was the node's, and open.
    pub fn return_slice(&mut self, node: &NodeId, seal: &Seal) -> Answer<bool> {
        let theirs = self.ledger.slice(seal.slice).is_some_and(|slice| slice.is_held_by(node));
        let Seal { slice, free: Quantity { tokens, .. }, holds } = *seal;
        let free = Quantity { tokens, money: self.ledger.money_of(slice, tokens) };
        let seal = &Seal { slice, free, holds: holds.min(HOLDS_PER_SLICE) };
        let movement = theirs.then(|| self.ledger.seal(seal)).flatten();
        let sealed = movement.is_some();
        if let Some(movement) = movement {
            self.happen(movement);
        }
        self.answer(sealed)
    }

    /// Draws for a reservation that what is in hand does not cover; what is in hand goes back first.
    ///
    /// In shadow mode, what there is no room for is drawn apart, and not again while that lasts: so a limit that refuses
    /// everything costs as few draws as one that refuses nothing. Its name is the answer.
    pub(super) fn draw_for(&mut self, place: Place, ask: &Reserve) -> Result<Option<Limit>, Refusal> {
        self.open_budgets(place);
        self.take_up_next(place);
        self.seal_current(place);
        let ahead = self.hands[place.index()].demand(self.ledger.at());
        let draw = Draw { service: ask.service.clone(), holder: None, need: ask.need, ahead };
        let decided = self.decide_draw(&draw)?;
        let Some(limit) = decided.shadowed.as_ref().map(Refusal::limit) else {
            self.hands[place.index()].current = Some(self.take_in_hand(place, decided));
            return Ok(None);
        };
        let unenforced = self.hands[place.index()].unenforced.as_ref();
        if !unenforced.is_some_and(|slice| slice.covers(ask.need)) {
            self.seal_unenforced(place);
            self.hands[place.index()].unenforced = Some(self.take_in_hand(place, decided));
        }
        Ok(Some(limit))
    }

    /// Decides a draw for somebody. The time that a refusal says is a promise.
    fn decide_draw(&mut self, draw: &Draw) -> Result<DrawDecided, Refusal> {
        let decided = self.ledger.draw(draw);
        decided.inspect_err(|refusal| self.promised_until = self.promised_until.max(promised_at(refusal)))
    }

    /// Draws the next slice where little of the one at hand is left.
    pub(super) fn draw_before_used_up(&mut self, place: Place) {
        const LOW_WATER: u64 = 4;
        if self.hands[place.index()].current.as_ref().is_some_and(|slice| slice.is_low(LOW_WATER)) {
            self.draw_next(place);
        }
    }

    /// Draws the next slice, as large as the recent demand, if there is any and none is drawn.
    pub(super) fn draw_next(&mut self, place: Place) {
        let hand = &self.hands[place.index()];
        let demand = hand.demand(self.ledger.at());
        if hand.next.is_some() || demand.tokens == Tokens::ZERO {
            return;
        }
        let service = self.ledger.account_at(place).service().clone();
        self.open_budgets(place);
        let draw = Draw { service, holder: None, need: Quantity::ZERO, ahead: demand };
        let Ok(decided) = self.ledger.draw(&draw) else { return };
        if decided.shadowed.is_none() && decided.drawn.tokens > Tokens::ZERO {
            self.hands[place.index()].next = Some(self.take_in_hand(place, decided));
        }
    }

    /// At a burst's edge, and at any other, what was drawn before it goes back: it counts within its window only.
    pub(super) fn keep_to_the_edge(&mut self, place: Place) {
        if self.hands[place.index()].is_past_an_edge(self.ledger.at()) {
            self.entitle_to_what_is_now(place);
            self.take_up_next(place);
            self.seal_current(place);
        }
    }

    /// The account may draw what its plans say now. Whether that is less than before.
    pub(super) fn entitle_to_what_is_now(&mut self, place: Place) -> bool {
        let now = self.ledger.at();
        let rate = self.plans(place).map(|plan| plan.at(now).rate).sum();
        let until = self.edge_after(place, now);
        self.hands[place.index()].entitle_to(rate, until)
    }

    /// When what an account may draw is another than at an instant.
    fn edge_after(&self, place: Place, at: Timestamp) -> Option<Timestamp> {
        self.plans(place).filter_map(|plan| plan.edge_after(at)).min()
    }

    fn plans(&self, place: Place) -> impl Iterator<Item = &Plan> {
        [self.ledger.levels().plan(place), self.ledger.account_at(place).borrow_plan()].into_iter()
    }

    fn take_in_hand(&mut self, place: Place, decided: DrawDecided) -> InHand {
        let Drawn { slice, tokens, money, .. } = decided.drawn;
        self.happen(decided.into_movement());
        self.tell_thresholds(place);
        let now = self.ledger.at();
        self.due_look.push_back((now.plus(LOOKED_AT_AFTER), place, slice));
        self.due_back.push_back((now.plus(SLICE_LIFETIME), place, slice));
        InHand::new(slice, Quantity { tokens, money }, now, self.collecting)
    }

    /// Seals the slice at hand and takes up the next, if there is one.
    pub(super) fn take_up_next(&mut self, place: Place) {
        if let Some(next) = self.hands[place.index()].next.take() {
            self.seal_current(place);
            self.hands[place.index()].current = Some(next);
        }
    }

    pub(super) fn seal_current(&mut self, place: Place) {
        let sealed = self.hands[place.index()].current.take();
        self.seal(sealed);
    }

    pub(super) fn seal_unenforced(&mut self, place: Place) {
        let sealed = self.hands[place.index()].unenforced.take();
        self.seal(sealed);
    }

    fn seal(&mut self, slice: Option<InHand>) {
        if let Some(movement) = slice.and_then(|slice| self.ledger.seal(&slice.seal())) {
            self.happen(movement);
        }
    }

    /// What a settled hold has left goes back into its slice, if that is still in hand.
    pub(super) fn put_into_hand(&mut self, place: Place, slice: SliceId, rest: Quantity) {
        let (after, recorded) = (self.collecting, self.recorded);
        if let Some(held) = self.hands[place.index()].find(slice) {
            held.put_back(rest, after, recorded);
        }
    }

    /// Slices of an earlier desk count as spent; those of nodes lapse unless they are returned.
    pub(super) fn lapse_what_was_open(&mut self) {
        let open = self.ledger.slices().filter(|(_, slice)| slice.state() == SliceState::Open);
        let mut open: Vec<_> = open.map(|(id, slice)| (id, slice.holder().cloned())).collect();
        open.sort_unstable_by_key(|(id, _)| *id);
        for (slice, holder) in open {
            match holder {
                Some(holder) => self.leave_at_node(slice, &holder),
                None => self.lapse(slice),
            }
        }
    }

    /// A slice that a node drew from an earlier desk stays the node's, under the same id. What was settled of it already is
    /// not told again.
    fn leave_at_node(&mut self, slice: SliceId, holder: &Holder) {
        let (now, reservation, hand_out_until) =
            (self.ledger.at(), holder.reservation, holder.hand_out_until);
        self.at_nodes.push_back((now.plus(NODE_SLICE_LIFETIME), slice));
        let Some(known) = self.ledger.slice(slice) else { return };
        if self.draws.seen(reservation, now) == Seen::Unseen {
            let given = NodeSlice { slice, quantity: known.outstanding(), shadowed: None, hand_out_until };
            self.draws.remember(reservation, DrawnFor { given, place: known.place() }, now);
        }
    }

    /// A slice counts as spent, in the periods of budgets that hold this instant.
    pub(super) fn lapse(&mut self, slice: SliceId) {
        let Some(place) = self.ledger.slice(slice).map(Slice::place) else { return };
        self.open_budgets(place);
        if let Some(movement) = self.ledger.lapse(slice) {
            self.happen(movement);
        }
    }
}

/// When a refusal says that others leave enough; before all time if it says no such thing.
pub(super) fn promised_at(refusal: &Refusal) -> Timestamp {
    let of_tokens = matches!(refusal, Refusal::CapacityUsed(_) | Refusal::RequestsUsed { .. });
    refusal.retry().instant().filter(|_| of_tokens).unwrap_or(Timestamp::EPOCH)
}
