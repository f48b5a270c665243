//! What an allocation could use at once, and what that is made of.
//!
//! So that whoever reads it can add it up: what is guaranteed, what may be borrowed, and what a budget leaves of both.

use crate::amount::Tokens;
use crate::bucket::Level;
use crate::budget::{BudgetLimit, BudgetState};
use crate::desk::{Desk, Returned};
use crate::ids::{BudgetId, ServiceId};
use crate::ledger::RoomToBorrow;
use crate::ledger::levels::Place;

/// What could be used at once: the guaranteed and the borrowed part together, or what a hard budget leaves if that is less.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Available {
    /// All of it.
    pub tokens: Tokens,
    /// What is guaranteed and there: in the bucket, and in hand.
    pub guaranteed: Tokens,
    /// The part of all that is drawn already, and held by nobody: guaranteed, unless it was borrowed.
    pub in_hand: Tokens,
    /// What could be borrowed: the less of what the ceiling and what others leave.
    pub borrowable: Tokens,
    /// What it may borrow before it reaches its ceiling.
    pub ceiling_leaves: Tokens,
    /// What others and higher priorities leave to borrow.
    pub others_leave: Tokens,
    /// The hard budget that leaves least, and how much; none if none leaves less than its buckets.
    pub budget: Option<(BudgetId, Tokens)>,
}

impl Desk {
    pub(super) fn available(&self, place: Place, service: &ServiceId) -> Available {
        let (ledger, free) = (&self.ledger, self.hands[place.index()].free().tokens);
        let (own, room) = (ledger.levels().guarantee(place), ledger.room_to_borrow(service));
        let (own, room, at_once) = if free > Tokens::ZERO {
            // What is in hand is handed out in debt too; where it does not suffice it goes back first, and repays.
            let Returned { guarantee, ceiling, others, .. } = self.returned(place, service);
            let (ceiling, others) = (ceiling.max(Level::ZERO), others.max(Level::ZERO));
            (guarantee, RoomToBorrow { ceiling, others, ..room }, self.most_in_hand(place))
        } else {
            (own, room, Tokens::ZERO)
        };
        let borrowable = room.least().available();
        let together = own.max(Level::ZERO).plus(room.least()).available().max(at_once);
        let budget = self.budget_that_binds(place).filter(|(_, leaves)| *leaves < together);
        Available {
            // What is in hand was counted by budgets when it was drawn.
            tokens: budget.as_ref().map_or(together, |(_, leaves)| at_once.max(*leaves)),
            guaranteed: together.saturating_sub(borrowable),
            in_hand: free,
            borrowable,
            ceiling_leaves: room.ceiling.available(),
            others_leave: room.others.available(),
            budget,
        }
    }

    /// The hard budget that leaves least, in tokens: one in money leaves none when it is used up, and is passed over before.
    /// What is in hand counts as not used.
    fn budget_that_binds(&self, place: Place) -> Option<(BudgetId, Tokens)> {
        let (account, now) = (self.ledger.account_at(place), self.ledger.at());
        let held = account.outstanding_unlapsed().less(self.hands[place.index()].free());
        let leaves = |state: &BudgetState| {
            let room = state.room_at(now, held);
            match state.budget.limit {
                BudgetLimit::Money(..) if room > 0 => None,
                BudgetLimit::Money(..) | BudgetLimit::Tokens(_) => {
                    Some((state.budget.id.clone(), Tokens::new(room)))
                }
            }
        };
        let hard = account.budgets().iter().filter(|budget| budget.refuses());
        hard.filter_map(leaves).min_by_key(|(_, leaves)| *leaves)
    }
}
