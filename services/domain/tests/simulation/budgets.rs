//! Witness of budgets: counts what is settled in each period on its own, and looks at every draw.

use std::collections::BTreeMap;

use weir_domain::ids::{BudgetId, HoldId, ServiceId};
use weir_domain::ledger::{Drawn, Event, Ledger, Moved, Movement, Quantity, Slice, SliceState, TermsChanged};
use weir_domain::policy::Enforcement;

use crate::Checked;

/// What was settled of each budget in its period, and what lapsed.
#[derive(Default)]
pub(crate) struct Budgets(BTreeMap<(ServiceId, BudgetId), u64>);

impl Budgets {
    pub(crate) fn see(&mut self, before: &Ledger, event: &Event, after: &Ledger) -> Checked {
        match event {
            Event::Moved(movement) => self.see_moved(before, movement, after),
            Event::Governed(governed) => {
                if let TermsChanged::AllocationSet { service, terms } = &governed.what {
                    let is_left = |id: &BudgetId| terms.budgets.iter().any(|budget| budget.id == *id);
                    self.0.retain(|(owner, id), _| owner != service || is_left(id));
                }
                Ok(())
            }
        }
    }

    fn see_moved(&mut self, before: &Ledger, movement: &Movement, after: &Ledger) -> Checked {
        let service = &movement.service;
        match &movement.what {
            Moved::BudgetOpened { budget, period } => {
                if !period.contains(after.at()) {
                    return Err(format!("limits: a budget's period {period:?} is opened at {}", after.at()));
                }
                self.0.insert((service.clone(), budget.clone()), 0);
                Ok(())
            }
            Moved::Settled { hold, used } => {
                self.count(service, used.less(counted_when_lapsed(before, *hold, *used)), after)
            }
            Moved::Lapsed { slice } => {
                let rest = before.slice(*slice).map(Slice::outstanding).unwrap_or_default();
                self.count(service, rest, after)
            }
            Moved::Drawn(drawn) => self.weigh(service, drawn, after),
            _ => Ok(()),
        }
    }

    /// What is settled counts in the period in which it is, and so does what lapses.
    fn count(&mut self, service: &ServiceId, used: Quantity, after: &Ledger) -> Checked {
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
            let used = settled + state.part(account.drawn());
            if state.part(quantity) > 0 && used > state.limit() {
                return Err(format!("limits: {service} drew {drawn:?} and has {used} of {state:?}"));
            }
        }
        Ok(())
    }
}

/// The part of what was used that was counted when the hold's slice lapsed.
fn counted_when_lapsed(before: &Ledger, hold: HoldId, used: Quantity) -> Quantity {
    let lapsed = before.slice(hold.slice()).filter(|slice| slice.state() == SliceState::Lapsed);
    let Some(rest) = lapsed.map(Slice::outstanding) else { return Quantity::ZERO };
    Quantity { tokens: used.tokens.min(hold.tokens()).min(rest.tokens), money: used.money.min(rest.money) }
}
