//! Witness of budgets: counts what is settled in each period on its own, and looks at every draw.

use std::collections::{BTreeMap, BTreeSet};

use weir_domain::budget::BudgetState;
use weir_domain::ids::{BudgetId, HoldId, ServiceId};
use weir_domain::ledger::{Drawn, Event, Ledger, Moved, Movement, Quantity, Slice, SliceState, TermsChanged};
use weir_domain::policy::Enforcement;

use crate::Checked;

/// What was settled of each budget in its period, and what lapsed.
#[derive(Default)]
pub(crate) struct Budgets {
    sums: BTreeMap<(ServiceId, BudgetId), u64>,
    /// Thresholds that somebody was told of in the period, since the budget was decided.
    told: BTreeSet<(ServiceId, BudgetId, u8)>,
}

impl Budgets {
    pub(crate) fn see(&mut self, before: &Ledger, event: &Event, after: &Ledger) -> Checked {
        match event {
            Event::Moved(movement) => self.see_moved(before, movement, after),
            Event::Governed(governed) => {
                if let TermsChanged::AllocationSet { service, terms } = &governed.what {
                    let is_left = |id: &BudgetId| terms.budgets.iter().any(|budget| budget.id == *id);
                    self.sums.retain(|(owner, id), _| owner != service || is_left(id));
                    self.told.retain(|(owner, ..)| owner != service);
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
                self.sums.insert((service.clone(), budget.clone()), 0);
                self.told.retain(|(owner, id, _)| owner != service || id != budget);
                Ok(())
            }
            Moved::Settled { hold, used, .. } => {
                self.count(service, used.less(counted_when_lapsed(before, *hold, *used)), after)
            }
            Moved::Lapsed { slice } => {
                let rest = before.slice(*slice).map(Slice::outstanding).unwrap_or_default();
                self.count(service, rest, after)
            }
            Moved::Drawn(drawn) => self.weigh(service, drawn, after),
            Moved::ThresholdReached { budget, percent } => self.tell(service, budget, *percent, after),
            _ => Ok(()),
        }
    }

    /// What is settled counts in the period in which it is, and so does what lapses.
    fn count(&mut self, service: &ServiceId, used: Quantity, after: &Ledger) -> Checked {
        let account = after.account(service).expect("what is settled has an account");
        for state in account.budgets() {
            let sum = self.sums.entry((service.clone(), state.budget.id.clone())).or_default();
            *sum += state.part(used);
            let is_open = state.period.is_some_and(|period| period.contains(after.at()));
            if !is_open || *sum != state.settled {
                return Err(format!("limits: {service} settled {sum} at {}, {state:?}", after.at()));
            }
        }
        Ok(())
    }

    /// A threshold is told once, and only if it is reached.
    fn tell(&mut self, service: &ServiceId, budget: &BudgetId, percent: u8, after: &Ledger) -> Checked {
        let account = after.account(service).expect("a budget has an account");
        let state = account.budgets().iter().find(|state| state.budget.id == *budget);
        let state = state.ok_or_else(|| format!("limits: {service} has no budget {budget}"))?;
        let used = u128::from(self.used(service, state, account.drawn()));
        let is_first = self.told.insert((service.clone(), budget.clone(), percent));
        let is_reached = used * 100 >= u128::from(state.limit()) * u128::from(percent);
        let what = || format!("limits: {service} is told of {percent} % of {state:?} with {used} used");
        if is_first && is_reached { Ok(()) } else { Err(what()) }
    }

    /// What is settled in the period, has lapsed in it, or is drawn.
    fn used(&self, service: &ServiceId, state: &BudgetState, drawn: Quantity) -> u64 {
        let settled = self.sums.get(&(service.clone(), state.budget.id.clone())).copied().unwrap_or(0);
        settled + state.part(drawn)
    }

    /// No draw makes a hard budget exceed its limit.
    fn weigh(&self, service: &ServiceId, drawn: &Drawn, after: &Ledger) -> Checked {
        let account = after.account(service).expect("what is drawn has an account");
        let enforced = account.terms().is_some_and(|terms| terms.enforcement == Enforcement::Enforced);
        let quantity = Quantity { tokens: drawn.tokens, money: drawn.money };
        for state in account.budgets().iter().filter(|state| enforced && state.refuses()) {
            let used = self.used(service, state, account.drawn());
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
