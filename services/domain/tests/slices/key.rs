//! What tells one state from another: all that decides what can still happen.
//!
//! The desk does not show all that it keeps; what it hides follows from what is counted here. Callers are alike, so are the
//! two whom the gateway serves.

use std::hash::{DefaultHasher, Hash, Hasher};

use weir_domain::desk::Mark;
use weir_domain::ledger::{Ledger, SliceState};

use crate::state::{CALLERS, Call, Local, SERVICE, State};

/// A ledger's levels, sums and slices in a number.
pub(crate) fn fingerprint(ledger: &Ledger) -> u64 {
    let mut hasher = DefaultHasher::new();
    let account = ledger.account(&SERVICE).unwrap();
    let totals = account.totals();
    (totals.drawn, totals.overdrawn, totals.settled, totals.returned, totals.lapsed).hash(&mut hasher);
    let place = ledger.place(&SERVICE).unwrap();
    (ledger.levels().guarantee(place), ledger.levels().pool(), ledger.at()).hash(&mut hasher);
    let state = |state| match state {
        SliceState::Open => (0, 0),
        SliceState::Sealed { holds } => (1, holds),
        SliceState::Lapsed => (2, 0),
    };
    let mut slices: Vec<_> =
        ledger.slices().map(|(id, slice)| (id, state(slice.state()), slice.tokens())).collect();
    slices.sort_unstable();
    slices.hash(&mut hasher);
    hasher.finish()
}

impl State {
    pub(crate) fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (fingerprint(self.desk.ledger()), self.fingerprints).hash(&mut hasher);
        (self.desk.in_hand(&SERVICE), self.desk.in_flight(&SERVICE), self.desk.holds()).hash(&mut hasher);
        (self.desk.has_events(), self.in_flight.is_some(), self.waited, self.crashes).hash(&mut hasher);
        (self.spent, self.demand).hash(&mut hasher);
        let (asking, served) = self.calls.split_at(CALLERS);
        for alike in [asking, served] {
            let mut keys: Vec<_> = alike.iter().map(|call| self.key_of(call)).collect();
            keys.sort_unstable();
            keys.hash(&mut hasher);
        }
        let mut unrecorded: Vec<_> = self
            .charged
            .iter()
            .filter_map(|charged| Some((charged.hold, charged.used, self.stage(charged.after?))))
            .collect();
        unrecorded.sort_unstable();
        unrecorded.hash(&mut hasher);
        match self.local {
            Local::None => 0.hash(&mut hasher),
            Local::Asked { slice, tokens, after } => (1, slice, tokens, self.stage(after)).hash(&mut hasher),
            Local::Held { slice, free, rest, holds } => (2, slice, free, rest, holds).hash(&mut hasher),
            Local::Returned(seal) => (3, seal.slice, seal.free.tokens, seal.holds).hash(&mut hasher),
        }
        hasher.finish()
    }

    /// How far an event has come: recorded, being appended, or not yet.
    fn stage(&self, after: Mark) -> u8 {
        let being_appended = self.in_flight.as_ref().is_some_and(|(mark, _)| after <= *mark);
        if self.desk.is_recorded(after) { 0 } else { 2 - u8::from(being_appended) }
    }

    fn key_of(&self, call: &Call) -> (u8, u128, u64, u8) {
        match call {
            Call::Idle => (0, 0, 0, 0),
            Call::Asked { tokens, waiting: None, .. } => (1, 0, tokens.get(), 0),
            Call::Asked { tokens, waiting: Some((hold, after)), .. } => {
                (2, hold.as_u128(), tokens.get(), self.stage(*after))
            }
            Call::Held(hold) => (3, hold.as_u128(), 0, 0),
            Call::Ended { hold, used, after, acknowledged } => {
                let charged = self
                    .charge_of(*hold)
                    .map_or(9, |charged| charged.after.map_or(0, |after| self.stage(after)));
                let answered = if *acknowledged { 0 } else { after.map_or(7, |after| self.stage(after)) };
                (4, hold.as_u128(), used.get(), charged * 10 + answered)
            }
        }
    }
}
