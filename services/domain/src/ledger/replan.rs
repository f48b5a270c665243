//! How decisions about a pool change its ledger: plans of refill, what a deeper guarantee is filled with, budgets.

use crate::amount::TokensPerMinute;
use crate::bucket::{Level, Plan};
use crate::budget::BudgetState;
use crate::ids::ServiceId;
use crate::ledger::levels::Place;
use crate::ledger::{Account, Governed, Ledger, TermsChanged};
use crate::time::Timestamp;

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
        if let TermsChanged::DebtForgiven { service, .. } = &governed.what {
            self.forgive_debt(service);
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
            | TermsChanged::BurstDenied { .. }
            | TermsChanged::DebtForgiven { .. } => Vec::new(),
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

    /// Takes the new plans of a service, and shares out its debt by them. What gets deeper because its allocation was set is
    /// filled at once if nothing is owed, the guarantee from spare only, so that no other is touched.
    fn replan(&mut self, service: &ServiceId, set: bool) {
        let place = self.open_account(service);
        let terms = self.terms.allocations().get(service).cloned();
        let debt = self.lift_debt(place);
        let fills = set && debt == Level::ZERO;
        let lending = terms.as_ref().and_then(|terms| terms.lending);
        self.replan_guarantee(place, self.terms.plan_of_guarantee(service), lending, fills);
        let (at, plan) = (self.at(), self.terms.plan_of_borrowing(service));
        let account = self.account_mut(place);
        account.replan_borrowing(plan, at, fills);
        if let Some(terms) = &terms {
            redefine_budgets(account, &terms.budgets);
        }
        account.terms = terms;
        self.share_debt(place, debt);
    }

    fn replan_guarantee(&mut self, place: Place, plan: Plan, lending: Option<TokensPerMinute>, fills: bool) {
        let depth = |plan: &Plan| plan.at(self.at()).depth;
        let deeper = depth(&plan).minus(depth(self.levels.plan(place)));
        self.levels.set_plan(place, plan, lending);
        if fills && deeper > Level::ZERO {
            let filling = deeper.min(self.levels.spare()).max(Level::ZERO);
            self.levels.put(place, filling);
        }
    }
}

impl Account {
    fn replan_borrowing(&mut self, plan: Plan, at: Timestamp, fills: bool) {
        let deeper = plan.at(at).depth.minus(self.borrow_plan.at(at).depth);
        let filling = if fills { deeper.max(Level::ZERO) } else { Level::ZERO };
        for bucket in [&mut self.borrow, &mut self.unborrowed] {
            bucket.advance(&self.borrow_plan, at);
            bucket.put(&plan, filling, at);
        }
        self.borrow_plan = plan;
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
