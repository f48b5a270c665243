//! How far budgets would be used if they were decided now: what is used of their like is kept.

use crate::budget::{Budget, BudgetState};
use crate::desk::headroom::budget_standing;
use crate::desk::{BudgetStanding, Desk};
use crate::ids::ServiceId;
use crate::ledger::Quantity;

impl Desk {
    /// How far each of some budgets of a service would be used. What is in hand goes back, so it does not count.
    pub fn budgets_if_set(&self, service: &ServiceId, budgets: &[Budget]) -> Vec<BudgetStanding> {
        let now = self.ledger.at();
        let known = self.ledger.place(service).map(|place| {
            let (account, free) = (self.ledger.account_at(place), self.hands[place.index()].free());
            (account.budgets(), account.outstanding_unlapsed().less(free))
        });
        let (known, drawn) = known.unwrap_or((&[], Quantity::ZERO));
        let if_set = |budget: &Budget| {
            let same = known.iter().find(|state| state.budget.id == budget.id).cloned();
            let state = match same {
                Some(state) => state.redefine(budget.clone()),
                None => BudgetState::new(budget.clone()),
            };
            budget_standing(&state, drawn, now)
        };
        budgets.iter().map(if_set).collect()
    }
}
