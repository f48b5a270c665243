//! Debt: what was used above a hold, and which bucket repays it.
//!
//! The guarantee does, as far as it refills before it stands still; what may be borrowed repays the rest, as far as that
//! refills. So a burst that ends leaves no debt behind in a bucket that nothing flows into any more, while another goes on
//! as if nothing were owed. A debt is shared out when it is made, and anew when a plan changes.

use crate::amount::Tokens;
use crate::bucket::{Level, Plan};
use crate::ids::ServiceId;
use crate::ledger::Ledger;
use crate::ledger::levels::Place;

impl Ledger {
    /// What was used above a hold is taken from the account, below zero if need be; and from the pool.
    pub(super) fn owe(&mut self, place: Place, excess: Tokens) {
        if excess == Tokens::ZERO {
            return;
        }
        let debt = Level::from_tokens(excess);
        self.levels.take_pool(debt);
        self.share_debt(place, debt);
        self.account_mut(place).totals.overdrawn += excess;
    }

    /// Takes a debt from the buckets that will repay it. What none will, as plans are now, the guarantee owes.
    pub(super) fn share_debt(&mut self, place: Place, debt: Level) {
        let at = self.at();
        let repaid = |plan: &Plan, level: Level| {
            plan.refill_from(at).map_or(debt, |refill| level.plus(refill).max(Level::ZERO).min(debt))
        };
        let guaranteed = repaid(self.levels.plan(place), self.levels.guarantee(place));
        let account = &mut self.accounts[place.index()];
        let borrowed = repaid(&account.borrow_plan, account.borrow_level_at(at)).min(debt.minus(guaranteed));
        account.borrow.take(&account.borrow_plan, borrowed, at);
        self.levels.take(place, debt.minus(borrowed));
    }

    /// Adjusts what was charged above holds: the service owes nothing, and the pool has back what it still owed.
    pub(super) fn forgive_debt(&mut self, service: &ServiceId) {
        let Some(place) = self.place(service) else { return };
        let debt = self.lift_debt(place);
        self.levels.put_pool(debt);
        self.account_mut(place).totals.forgiven += Level::ZERO.minus(debt).debt();
    }

    /// What a service owes, of every bucket.
    pub fn debt_of(&self, service: &ServiceId) -> Tokens {
        let below = |level: Level| level.min(Level::ZERO);
        let owed = |place: Place| {
            let account = self.account_at(place);
            below(self.levels.guarantee(place)).plus(below(account.borrow_level_at(self.at()))).debt()
        };
        self.place(service).map_or(Tokens::ZERO, owed)
    }

    /// Takes an account out of debt, and says how much it owed.
    pub(super) fn lift_debt(&mut self, place: Place) -> Level {
        let (at, below) = (self.at(), |level: Level| Level::ZERO.minus(level.min(Level::ZERO)));
        let guaranteed = below(self.levels.guarantee(place));
        self.levels.put(place, guaranteed);
        let account = self.account_mut(place);
        let borrowed = below(account.borrow_level_at(at));
        account.borrow.put(&account.borrow_plan, borrowed, at);
        guaranteed.plus(borrowed)
    }
}
