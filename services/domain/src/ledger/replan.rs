//! How decisions about a pool change its ledger: plans of refill, what a deeper guarantee is filled with, budgets.

use crate::bucket::Level;
use crate::budget::BudgetState;
use crate::ids::ServiceId;
use crate::ledger::{Account, Governed, Ledger, TermsChanged};

impl Ledger {
    pub(super) fn evolve_governed(&mut self, governed: &Governed) {
        self.advance(governed.by.at);
        let touched = self.services_touched(&governed.what);
        self.terms.evolve(governed);
        if matches!(governed.what, TermsChanged::PoolDefined(_) | TermsChanged::PoolRemoved) {
            self.replan_pool();
        }
        let set = matches!(governed.what, TermsChanged::AllocationSet { .. });
        for service in touched {
            self.replan(&service, set);
        }
    }

    fn replan_pool(&mut self) {
        let plan = self.terms.plan_of_pool().at(self.at());
        self.levels.set_pool(plan.rate, plan.depth);
        if !self.opened && self.terms.pool().is_some() {
            self.opened = true;
            self.levels.fill_pool();
        }
    }

    fn services_touched(&self, what: &TermsChanged) -> Vec<ServiceId> {
        let of = |burst| self.terms.bursts().get(burst).map(|record| record.burst.service.clone());
        match what {
            TermsChanged::PoolDefined(_)
            | TermsChanged::BurstRequested(_)
            | TermsChanged::BurstDenied { .. } => Vec::new(),
            TermsChanged::PoolRemoved => {
                self.accounts.iter().map(|account| account.service.clone()).collect()
            }
            TermsChanged::AllocationSet { service, .. } | TermsChanged::AllocationRemoved { service } => {
                vec![service.clone()]
            }
            TermsChanged::BurstGranted(granted) => {
                of(&granted.burst.id).into_iter().chain([granted.burst.service.clone()]).collect()
            }
            TermsChanged::BurstApproved { burst, .. }
            | TermsChanged::BurstRevoked { burst }
            | TermsChanged::BurstExtended { burst, .. } => of(burst).into_iter().collect(),
        }
    }

    /// Takes the new plans of a service. What gets deeper because its allocation was set is filled at once, the guarantee
    /// from spare only, so that no other is touched.
    fn replan(&mut self, service: &ServiceId, set: bool) {
        let (at, place) = (self.at(), self.open_account(service));
        let terms = self.terms.allocations().get(service).cloned();
        let lending = terms.as_ref().and_then(|terms| terms.lending);
        let depth = |ledger: &Self| ledger.levels.plan(place).at(at).depth;
        let before = depth(self);
        self.levels.set_plan(place, self.terms.plan_of_guarantee(service), lending);
        let deeper = depth(self).minus(before);
        if set && deeper > Level::ZERO && self.levels.guarantee(place) >= Level::ZERO {
            let filling = deeper.min(self.levels.spare()).max(Level::ZERO);
            self.levels.put(place, filling);
        }
        let plan = self.terms.plan_of_borrowing(service);
        let account = self.account_mut(place);
        let deeper = plan.at(at).depth.minus(account.borrow_plan.at(at).depth);
        account.borrow.advance(&account.borrow_plan, at);
        account.borrow_plan = plan;
        account.borrow.advance(&account.borrow_plan, at);
        if set && deeper > Level::ZERO && account.borrow.level() >= Level::ZERO {
            account.borrow.put(&account.borrow_plan, deeper, at);
        }
        if let Some(terms) = &terms {
            redefine_budgets(account, &terms.budgets);
        }
        account.terms = terms;
    }
}

/// A budget that is still the same keeps what was settled. Those of an allocation that is gone are kept for its return.
fn redefine_budgets(account: &mut Account, budgets: &[crate::budget::Budget]) {
    let mut before = std::mem::take(&mut account.budgets);
    account.budgets = budgets
        .iter()
        .map(|budget| match before.iter().position(|state| state.budget.id == budget.id) {
            Some(place) => before.swap_remove(place).redefine(budget.clone()),
            None => BudgetState::new(budget.clone()),
        })
        .collect();
}
