//! Witness of budgets: counts what is settled in each period and what slices have, by the events alone, and looks at every
//! draw.

mod slices;

use std::collections::{BTreeMap, BTreeSet};

use weir_domain::budget::BudgetState;
use weir_domain::ids::{BudgetId, ServiceId};
use weir_domain::ledger::{Account, Drawn, Event, Ledger, Moved, Movement, Quantity, TermsChanged};
use weir_domain::policy::Enforcement;

use crate::Checked;
use slices::{Opening, Settled, Slices};

/// What a budget has counted since a period of it was opened.
#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    opening: Opening,
    sum: u64,
}

/// What was settled of each budget in its period, and what lapsed.
#[derive(Default)]
pub(crate) struct Budgets {
    spent: BTreeMap<(ServiceId, BudgetId), Spent>,
    openings: Opening,
    slices: Slices,
    /// Thresholds that somebody was told of in the period, since the budget was decided.
    told: BTreeSet<(ServiceId, BudgetId, u8)>,
}

impl Budgets {
    pub(crate) fn see(&mut self, event: &Event, after: &Ledger) -> Checked {
        match event {
            Event::Moved(movement) => self.see_moved(movement, after),
            Event::Governed(governed) => {
                if let TermsChanged::AllocationSet { service, terms } = &governed.what {
                    let is_left = |id: &BudgetId| terms.budgets.iter().any(|budget| budget.id == *id);
                    self.spent.retain(|(owner, id), _| owner != service || is_left(id));
                    self.told.retain(|(owner, ..)| owner != service);
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
                self.openings += 1;
                let begun = Spent { opening: self.openings, sum: 0 };
                self.spent.insert((service.clone(), budget.clone()), begun);
                self.told.retain(|(owner, id, _)| owner != service || id != budget);
                Ok(())
            }
            Moved::Settled { hold, held, used, .. } => {
                let settled = self.slices.settle(*hold, *held, *used)?;
                self.count(service, &settled, after)
            }
            Moved::Lapsed { slice } => {
                let of_service = |((owner, id), spent): (&(ServiceId, BudgetId), &Spent)| {
                    (owner == service).then(|| (id.clone(), spent.opening))
                };
                let counted_in = self.spent.iter().filter_map(of_service).collect();
                let rest = self.slices.lapse(*slice, counted_in);
                self.count(service, &Settled { beyond: rest, ..Settled::default() }, after)
            }
            Moved::Sealed { slice, free, holds } => {
                self.slices.seal(*slice, *free, *holds);
                Ok(())
            }
            Moved::Drawn(drawn) => {
                self.slices.draw(service, drawn);
                self.weigh(service, drawn, after)
            }
            Moved::ThresholdReached { budget, percent } => self.tell(service, budget, *percent, after),
            Moved::Shadowed { .. } => Ok(()),
        }
    }

    /// What is settled counts in the period in which it is, and so does what lapses; what comes back of that is taken off
    /// the period in which it lapsed.
    fn count(&mut self, service: &ServiceId, settled: &Settled, after: &Ledger) -> Checked {
        let account = account(service, after)?;
        for state in account.budgets() {
            let spent = self.spent.entry((service.clone(), state.budget.id.clone())).or_default();
            spent.sum += state.part(settled.beyond);
            if settled.lapsed_in.get(&state.budget.id) == Some(&spent.opening) {
                spent.sum -= state.part(settled.back);
            }
            let is_open = state.period.is_some_and(|period| period.contains(after.at()));
            if !is_open || spent.sum != state.settled {
                return Err(format!("limits: {service} settled {spent:?} at {}, {state:?}", after.at()));
            }
        }
        let (drawn, slices) = (account.outstanding_unlapsed(), self.slices.drawn(service));
        let what =
            || format!("limits: budgets of {service} count {drawn:?} as drawn, slices have {slices:?}");
        if drawn == slices { Ok(()) } else { Err(what()) }
    }

    /// A threshold is told once, and only if it is reached.
    fn tell(&mut self, service: &ServiceId, budget: &BudgetId, percent: u8, after: &Ledger) -> Checked {
        let state = account(service, after)?.budgets().iter().find(|state| state.budget.id == *budget);
        let state = state.ok_or_else(|| format!("limits: {service} has no budget {budget}"))?;
        let used = u128::from(self.used(service, state));
        let is_first = self.told.insert((service.clone(), budget.clone(), percent));
        let is_reached = used * 100 >= u128::from(state.limit()) * u128::from(percent);
        let what = || format!("limits: {service} is told of {percent} % of {state:?} with {used} used");
        if is_first && is_reached { Ok(()) } else { Err(what()) }
    }

    /// What is settled in the period, has lapsed in it, or is drawn.
    fn used(&self, service: &ServiceId, state: &BudgetState) -> u64 {
        let spent = self.spent.get(&(service.clone(), state.budget.id.clone())).map_or(0, |spent| spent.sum);
        spent + state.part(self.slices.drawn(service))
    }

    /// No draw makes a hard budget exceed its limit.
    fn weigh(&self, service: &ServiceId, drawn: &Drawn, after: &Ledger) -> Checked {
        let account = account(service, after)?;
        let enforced = account.terms().is_some_and(|terms| terms.enforcement == Enforcement::Enforced);
        let quantity = Quantity { tokens: drawn.tokens, money: drawn.money };
        for state in account.budgets().iter().filter(|state| enforced && state.refuses()) {
            let used = self.used(service, state);
            if state.part(quantity) > 0 && used > state.limit() {
                return Err(format!("limits: {service} drew {drawn:?} and has {used} of {state:?}"));
            }
        }
        Ok(())
    }
}

fn account<'a>(service: &ServiceId, ledger: &'a Ledger) -> Result<&'a Account, String> {
    ledger.account(service).ok_or_else(|| format!("limits: what moved of {service} has no account"))
}
