//! Witness of budgets: counts what is settled in each period on its own, and looks at every draw.

use std::collections::BTreeMap;

use weir_domain::ids::{BudgetId, ServiceId};
use weir_domain::ledger::{Drawn, Event, Ledger, Moved, Movement, Quantity, TermsChanged};
use weir_domain::policy::Enforcement;

use crate::Checked;

/// What was settled of each budget in its period.
#[derive(Default)]
pub(crate) struct Budgets(BTreeMap<(ServiceId, BudgetId), u64>);

impl Budgets {
    pub(crate) fn see(&mut self, event: &Event, after: &Ledger) -> Checked {
        match event {
            Event::Moved(movement) => self.see_moved(movement, after),
            Event::Governed(governed) => {
                if let TermsChanged::AllocationSet { service, terms } = &governed.what {
                    let is_left = |id: &BudgetId| terms.budgets.iter().any(|budget| budget.id == *id);
                    self.0.retain(|(owner, id), _| owner != service || is_left(id));
                }
                Ok(())
            }
        }
    }

    fn see_moved(&mut self, movement: &Movement, after: &Ledger) -> Checked {
        let service = &movement.service;
        match &movement.what {
            Moved::BudgetOpened { budget, period } => {
                if !period.contains(after.at()) {
                    return Err(format!("limits: a budget's period {period:?} is opened at {}", after.at()));
                }
                self.0.insert((service.clone(), budget.clone()), 0);
                Ok(())
            }
            Moved::Settled { used, .. } => self.settle(service, *used, after),
            Moved::Drawn(drawn) => self.weigh(service, drawn, after),
            _ => Ok(()),
        }
    }

    /// Everything that is settled counts in the period in which it is.
    fn settle(&mut self, service: &ServiceId, used: Quantity, after: &Ledger) -> Checked {
        let account = after.account(service).expect("what is settled has an account");
        for state in account.budgets() {
            let sum = self.0.entry((service.clone(), state.budget.id.clone())).or_default();
            *sum += state.part(used);
            let is_open = state.period.is_some_and(|period| period.contains(after.at()));
            if !is_open || *sum != state.settled {
                return Err(format!("limits: {service} settled {sum} at {}, {state:?}", after.at()));
            }
        }
        Ok(())
    }

    /// No draw makes a hard budget exceed its limit.
    fn weigh(&self, service: &ServiceId, drawn: &Drawn, after: &Ledger) -> Checked {
        let account = after.account(service).expect("what is drawn has an account");
        let enforced = account.terms().is_some_and(|terms| terms.enforcement == Enforcement::Enforced);
        let quantity = Quantity { tokens: drawn.tokens, money: drawn.money };
        for state in account.budgets().iter().filter(|state| enforced && state.refuses()) {
            let settled = self.0.get(&(service.clone(), state.budget.id.clone())).copied().unwrap_or(0);
            let used = settled + state.part(account.outstanding());
            if state.part(quantity) > 0 && used > state.limit() {
                return Err(format!("limits: {service} drew {drawn:?} and has {used} of {state:?}"));
            }
        }
        Ok(())
    }
}
