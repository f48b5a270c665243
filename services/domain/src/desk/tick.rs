//! What the desk does without being asked: returns slices, draws ahead, lets go of what nobody keeps alive.

use crate::amount::Requests;
use crate::desk::in_hand::InHand;
use crate::desk::{Desk, IDLE_AFTER, SEALED_LIFETIME, SWEEP_INTERVAL};
use crate::ids::SliceId;
use crate::ledger::levels::Place;
use crate::ledger::{Moved, Movement, SliceState};

impl Desk {
    /// Looks after slices and holds. To be called some ten times a second.
    pub fn tick(&mut self) {
        self.look_at_slices();
        self.return_due();
        self.lapse_at_nodes();
        self.lapse_unsettled();
        self.reservations.tick(self.ledger.at());
        self.draws.tick(self.ledger.at());
        while let Some(expired) = self.holds.expire(self.ledger.at()) {
            self.hands[expired.place.index()].ended();
        }
    }

    /// A slice that is in use gets a successor before it is returned; one that lies idle is returned now.
    fn look_at_slices(&mut self) {
        let now = self.ledger.at();
        while let Some((_, place, slice)) = self.due_look.front().copied().filter(|(due, ..)| *due <= now) {
            self.due_look.pop_front();
            self.tell_shadowed(place);
            let current = self.hands[place.index()].current.as_ref();
            match current
                .filter(|current| current.slice == slice)
                .map(|current| current.used.plus(IDLE_AFTER))
            {
                // Whoever waits for what others leave was told a time that such a draw would make untrue.
                Some(idle) if now < idle && now < self.promised_until => {}
                Some(idle) if now < idle => self.draw_next(place),
                Some(_) => self.return_current(place),
                None => {}
            }
        }
    }

    /// A slice is returned a second after it was drawn.
    fn return_due(&mut self) {
        let now = self.ledger.at();
        while let Some((_, place, slice)) = self.due_back.front().copied().filter(|(due, ..)| *due <= now) {
            self.due_back.pop_front();
            let is = |held: &Option<InHand>| held.as_ref().is_some_and(|held| held.slice == slice);
            if is(&self.hands[place.index()].next) {
                self.take_up_next(place);
            }
            if is(&self.hands[place.index()].current) {
                self.return_current(place);
            }
            if is(&self.hands[place.index()].unenforced) {
                self.tell_shadowed(place);
                self.seal_unenforced(place);
            }
        }
    }

    /// Returns the slice at hand; its successor takes its place, if there is one.
    fn return_current(&mut self, place: Place) {
        self.tell_shadowed(place);
        self.seal_current(place);
        self.take_up_next(place);
    }

    pub(super) fn tell_shadowed(&mut self, place: Place) {
        if self.hands[place.index()].shadowed.is_empty() {
            return;
        }
        let (at, service) = (self.ledger.at(), self.ledger.account_at(place).service().clone());
        for (limit, requests, tokens) in std::mem::take(&mut self.hands[place.index()].shadowed) {
            let what = Moved::Shadowed { limit, requests: Requests::new(requests), tokens };
            self.happen(Movement { at, service: service.clone(), what });
        }
    }

    /// A hold that nobody ever settles must not keep its slice for ever.
    fn lapse_unsettled(&mut self) {
        let now = self.ledger.at();
        if now < self.sweep_at {
            return;
        }
        self.sweep_at = now.plus(SWEEP_INTERVAL);
        let is_old = |id: SliceId| id.drawn_at().plus(SEALED_LIFETIME) <= now;
        let sealed =
            self.ledger.slices().filter(|(_, slice)| matches!(slice.state(), SliceState::Sealed { .. }));
        let mut old: Vec<_> = sealed.map(|(id, _)| id).filter(|id| is_old(*id)).collect();
        old.sort_unstable();
        for slice in old {
            self.lapse(slice);
        }
    }

    fn lapse_at_nodes(&mut self) {
        let now = self.ledger.at();
        while let Some((_, slice)) = self.at_nodes.front().copied().filter(|(due, _)| *due <= now) {
            self.at_nodes.pop_front();
            if self.ledger.is_open(slice) {
                self.lapse(slice);
            }
        }
    }
}
