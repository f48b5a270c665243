//! What budgets had counted before the first attempt is played: what was used since their periods began.

use std::collections::BTreeMap;

use crate::budget::BudgetState;
use crate::ids::{PoolId, ServiceId};
use crate::ledger::{Ledger, PoolTerms, Quantity};
use crate::time::{Timestamp, Window};

/// The budgets of every allocation, their periods opened.
#[derive(Debug, Default)]
pub(super) struct Before(BTreeMap<(PoolId, ServiceId), Vec<BudgetState>>);

impl Before {
    /// Those of a pool, as they are at an instant if nothing was used.
    pub(super) fn add_pool(&mut self, pool: &PoolId, terms: &PoolTerms, at: Timestamp) {
        for (service, held) in terms.allocations().iter().filter(|(_, held)| !held.budgets.is_empty()) {
            let opened = held.budgets.iter().map(|budget| {
                let period = Some(budget.period.holding(at, budget.zone));
                BudgetState { period, ..BudgetState::new(budget.clone()) }
            });
            self.0.insert((pool.clone(), service.clone()), opened.collect());
        }
    }

    /// When the first of their periods began.
    pub(super) fn since(&self) -> Option<Timestamp> {
        let states = self.0.values().flatten();
        states.filter_map(|state| state.period.map(Window::start)).min()
    }

    /// Counts what was used, in the periods that hold the instant.
    pub(super) fn settle(&mut self, pool: &PoolId, service: &ServiceId, used: Quantity, at: Timestamp) {
        let Some(states) = self.0.get_mut(&(pool.clone(), service.clone())) else { return };
        for state in states.iter_mut().filter(|state| state.period.is_some_and(|period| at >= period.start()))
        {
            state.settle(used);
        }
    }

    /// The ledger of a pool with its budgets so.
    pub(super) fn put_into(&self, pool: &PoolId, ledger: &Ledger) -> Ledger {
        let mut image = ledger.image();
        for account in &mut image.accounts {
            if let Some(states) = self.0.get(&(pool.clone(), account.service.clone())) {
                account.budgets.clone_from(states);
            }
        }
        Ledger::from_image(image)
    }
}
