//! What an allocation owes, and out of which refills it is repaid.

use std::time::Duration;

use crate::amount::{Tokens, TokensPerMinute};
use crate::bucket::{Bucket, Level, Plan};
use crate::desk::Desk;
use crate::ids::ServiceId;
use crate::ledger::levels::Place;
use crate::time::Timestamp;

/// What was used above what was held and is not refilled yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Debt {
    /// All of it.
    pub tokens: Tokens,
    /// What the guarantee's refill repays.
    pub guarantee: Owed,
    /// What the refill of what may be borrowed repays.
    pub borrowing: Owed,
    /// How long until all of it is repaid, if nothing more is owed; none if nothing is owed, or nothing repays it.
    pub repaid_after: Option<Duration>,
}

/// What one bucket owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owed {
    /// How much.
    pub tokens: Tokens,
    /// How fast it refills now.
    pub rate: TokensPerMinute,
}

impl Debt {
    /// How fast it is repaid now, by all buckets that owe.
    pub fn repaid(&self) -> TokensPerMinute {
        let owing = [self.guarantee, self.borrowing].into_iter().filter(|owed| owed.tokens > Tokens::ZERO);
        owing.map(|owed| owed.rate).sum()
    }
}

impl Desk {
    pub(super) fn debt(&self, place: Place, service: &ServiceId) -> Debt {
        let (levels, account, now) = (self.ledger.levels(), self.ledger.account_at(place), self.ledger.at());
        let tokens = self.ledger.debt_of(service);
        if tokens == Tokens::ZERO {
            return Debt::default();
        }
        let (own, borrow) = (levels.guarantee(place), account.borrow_level_at(now));
        let (own_plan, borrow_plan) = (levels.plan(place), account.borrow_plan());
        let ends =
            [(own, own_plan), (borrow, borrow_plan)].map(|(level, plan)| out_of_debt(level, plan, now));
        let repaid_after =
            ends.into_iter().collect::<Option<Vec<_>>>().and_then(|ends| ends.into_iter().max());
        Debt {
            tokens,
            guarantee: Owed { tokens: own.debt(), rate: own_plan.at(now).rate },
            borrowing: Owed { tokens: borrow.debt(), rate: borrow_plan.at(now).rate },
            repaid_after,
        }
    }
}

fn out_of_debt(level: Level, plan: &Plan, now: Timestamp) -> Option<Duration> {
    if level >= Level::ZERO {
        return Some(Duration::ZERO);
    }
    Bucket::new(level, now).first_at_least(plan, Level::ZERO, now).map(|at| at.since(now))
}
