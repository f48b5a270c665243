//! Budgets that a change may find used up already. How far they are used only the pool knows: it is asked before the change.

use crate::budget::{Budget, BudgetKind};
use crate::calendar::Utc;
use crate::desk::BudgetStanding;
use crate::ids::{PoolId, ServiceId};
use crate::ledger::{Change, PoolTerms};
use crate::policy::allocations::place_of_allocation;
use crate::policy::{Enforcement, PolicyProblem, Terms};

/// The hard budgets that changes of a pool set, or begin to enforce: those that refuse now as they did before are no news.
pub fn budgets_at_stake(before: &PoolTerms, changes: &[Change]) -> Vec<(ServiceId, Vec<Budget>)> {
    let set = changes.iter().filter_map(|change| match change {
        Change::SetAllocation { service, terms } if terms.enforcement == Enforcement::Enforced => {
            let refused = before.allocations().get(service).map_or(&[][..], enforced);
            let new = terms
                .budgets
                .iter()
                .filter(|budget| budget.kind == BudgetKind::Hard && !refused.contains(budget));
            Some((service.clone(), new.cloned().collect::<Vec<_>>()))
        }
        _ => None,
    });
    set.filter(|(_, budgets)| !budgets.is_empty()).collect()
}

fn enforced(terms: &Terms) -> &[Budget] {
    if terms.enforcement == Enforcement::Enforced { &terms.budgets } else { &[] }
}

/// Warns of a budget that would refuse everything from the next request on.
pub fn warn_of_used_up(
    pool: &PoolId,
    service: &ServiceId,
    standing: &BudgetStanding,
) -> Option<PolicyProblem> {
    if !standing.is_used_up() {
        return None;
    }
    let (budget, limit) = (&standing.budget, standing.budget.limit);
    let place = format!("{}, budget {}", place_of_allocation(service, pool), budget.id);
    let until = standing.period.map_or_else(String::new, |period| format!(" until {}", Utc(period.end())));
    let message = format!(
        "{} are used in its period already, and it is {}: every request is refused{until}; raise it, or make it soft",
        limit.shown(standing.used),
        limit.shown(limit.amount())
    );
    Some(PolicyProblem { place, message })
}
