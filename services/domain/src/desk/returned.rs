//! What an allocation would have if what is in hand went back first, as it does before more is drawn for a request.
//!
//! In debt that is not the same as to have it besides: what goes back repays. Says what would be, and moves nothing.

use crate::amount::Tokens;
use crate::bucket::Level;
use crate::desk::Desk;
use crate::desk::in_hand::InHand;
use crate::ids::ServiceId;
use crate::ledger::levels::Place;
use crate::ledger::{Bound, Quantity, Slice};

/// The levels of an allocation, and of its pool as far as it may have them, with nothing in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Returned {
    /// What its guarantee would hold; negative in debt.
    pub(super) guarantee: Level,
    /// What it might borrow before it reached its ceiling; negative in debt.
    pub(super) ceiling: Level,
    /// What others and higher priorities would leave; negative where the pool owes.
    pub(super) others: Level,
    /// What stays for higher priorities.
    pub(super) threshold: Level,
    /// By how much the pool would fall short of its guarantees.
    pub(super) deficit: Level,
    /// What its budgets would count beside what was settled.
    pub(super) drawn: Quantity,
    /// How much more its own buckets would have, and the money that goes with what is in hand.
    pub(super) gain: Quantity,
}

/// Where the tokens of a request would come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sources {
    /// Drawn already, and in hand.
    pub in_hand: Tokens,
    /// From the guarantee.
    pub guaranteed: Tokens,
    /// Borrowed.
    pub borrowed: Tokens,
}

impl Desk {
    pub(super) fn returned(&self, place: Place, service: &ServiceId) -> Returned {
        let (ledger, now) = (&self.ledger, self.ledger.at());
        let (levels, account) = (ledger.levels(), ledger.account_at(place));
        let (free, borrowed) = self.in_hand_of(place);
        let own = levels.guarantee(place);
        let guarantee = own.plus(free.minus(borrowed)).min(levels.plan(place).at(now).depth);
        let before = account.borrow_level_at(now);
        let ceiling = before.plus(borrowed).min(account.borrow_plan().at(now).depth);
        let to_pool = levels.pool().plus(free).min(levels.pool_depth()).minus(levels.pool());
        let to_guarantee = guarantee.max(Level::ZERO).minus(own.max(Level::ZERO));
        let spare = levels.spare().plus(to_pool).minus(to_guarantee);
        let gain = to_guarantee.plus(ceiling.minus(before)).available();
        let (threshold, free) = (ledger.room_to_borrow(service).threshold, self.hands[place.index()].free());
        Returned {
            guarantee,
            ceiling,
            others: spare.minus(threshold),
            threshold,
            deficit: Level::ZERO.minus(spare).max(Level::ZERO),
            drawn: account.outstanding_unlapsed().less(free),
            gain: Quantity { tokens: gain, money: free.money },
        }
    }

    /// What is in hand, and the part of it that is borrowed.
    fn in_hand_of(&self, place: Place) -> (Level, Level) {
        let hand = &self.hands[place.index()];
        let parts = [&hand.current, &hand.next].into_iter().flatten().map(|held| {
            let free = Level::from_tokens(held.whole().tokens);
            let borrowed = self.ledger.slice(held.slice).map_or(Level::ZERO, Slice::borrowed);
            (free, borrowed.min(free))
        });
        parts.fold((Level::ZERO, Level::ZERO), |sum, part| (sum.0.plus(part.0), sum.1.plus(part.1)))
    }

    /// Whether a request is handed out of what is in hand, with nothing drawn for it.
    pub(super) fn in_hand_would_cover(&self, place: Place, need: Quantity) -> bool {
        let (hand, recorded) = (&self.hands[place.index()], self.recorded);
        let current = hand.current.as_ref().is_some_and(|slice| slice.covers(need));
        let next = || hand.next.as_ref().is_some_and(|slice| slice.covers_at_once(need, recorded));
        !hand.is_past_an_edge(self.ledger.at()) && (current || next())
    }

    /// The most that one request could be handed out of what is in hand.
    pub(super) fn most_in_hand(&self, place: Place) -> Tokens {
        let hand = &self.hands[place.index()];
        let whole =
            |slice: &Option<InHand>| slice.as_ref().map_or(Tokens::ZERO, |slice| slice.whole().tokens);
        if hand.is_past_an_edge(self.ledger.at()) {
            return Tokens::ZERO;
        }
        whole(&hand.current).max(whole(&hand.next))
    }
}

impl Returned {
    /// What could be borrowed.
    pub(super) fn borrowable(&self) -> Level {
        self.ceiling.min(self.others).max(Level::ZERO)
    }

    /// The same limit, with what the pool would owe.
    pub(super) fn bound(&self, bound: Bound) -> Bound {
        match bound {
            Bound::Spare { threshold, .. } => Bound::Spare { deficit: self.deficit.available(), threshold },
            Bound::Baseline | Bound::Ceiling => bound,
        }
    }

    /// What would be owed still.
    pub(super) fn debt(&self) -> Tokens {
        self.guarantee.debt() + self.ceiling.debt()
    }

    /// Where the tokens of a request would come from; none if there are too few.
    pub(super) fn sources(&self, need: Tokens) -> Option<Sources> {
        let whole = Level::from_tokens(need);
        let guaranteed = self.guarantee.max(Level::ZERO).min(whole);
        let borrowed = whole.minus(guaranteed);
        if borrowed > Level::ZERO && borrowed > self.ceiling.min(self.others) {
            return None;
        }
        let guaranteed = guaranteed.available();
        Some(Sources { guaranteed, borrowed: need.saturating_sub(guaranteed), ..Sources::default() })
    }
}
