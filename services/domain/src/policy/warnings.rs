//! What is not wrong with a policy and may still surprise.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::amount::TokensPerMinute;
use crate::budget::{Budget, BudgetKind, BudgetLimit};
use crate::calendar::Utc;
use crate::ids::PoolId;
use crate::ledger::GUARANTEE_WINDOW;
use crate::policy::allocations::{place_of_allocation, place_of_budget};
use crate::policy::problems::Findings;
use crate::policy::{Policy, PolicyProblem, Pool, Terms};
use crate::time::Timestamp;

/// How long before its end an exception is called to mind: time for one sprint to make it unnecessary.
const EXCEPTION_NOTICE: Duration = Duration::from_hours(14 * 24);
/// From which share of its capacity on a pool has little left for bursts and for borrowing.
const GUARANTEED_PERCENT_MAX: u128 = 90;

/// Names what may surprise about a policy that is sound, as seen at an instant.
pub fn warnings(policy: &Policy, now: Timestamp) -> Vec<PolicyProblem> {
    let mut found = Findings::default();
    warn_of_requests(policy, &mut found);
    warn_of_free_models(policy, now, &mut found);
    warn_of_full_pools(policy, &mut found);
    warn_of_bursts(policy, now, &mut found);
    warn_of_exceptions(policy, now, &mut found);
    found.0
}

fn warn_of_requests(policy: &Policy, found: &mut Findings) {
    let pools: BTreeMap<&PoolId, &Pool> = policy.pools.iter().map(|pool| (&pool.id, pool)).collect();
    for service in &policy.services {
        for held in &service.allocations {
            let Some(pool) = pools.get(&held.pool) else { continue };
            let place = place_of_allocation(&service.id, &held.pool);
            warn_of_long_answers(pool, &held.terms, &place, found);
            warn_of_depth(&held.terms, &place, found);
        }
    }
}

/// Warns of hard budgets in money that some model costs nothing of. It is no problem: a model may be free, and when its
/// price ends is not decided with the budget.
fn warn_of_free_models(policy: &Policy, now: Timestamp, found: &mut Findings) {
    let priced = policy.prices.iter().filter(|price| price.valid_from <= now).map(|price| &price.model);
    let priced: BTreeSet<_> = priced.collect();
    let free = |pool: &Pool| -> Vec<String> {
        let free = pool.models.iter().filter(|model| !priced.contains(&model.name));
        free.map(|model| model.name.to_string()).collect()
    };
    let free: BTreeMap<&PoolId, Vec<String>> =
        policy.pools.iter().map(|pool| (&pool.id, free(pool))).collect();
    for service in &policy.services {
        for held in &service.allocations {
            let Some(models) = free.get(&held.pool).filter(|models| !models.is_empty()) else { continue };
            let (plural, verb) = if models.len() == 1 { ("", "has") } else { ("s", "have") };
            for budget in held.terms.budgets.iter().filter(|budget| is_hard_in_money(budget)) {
                let message = format!(
                    "does not limit model{plural} {}, which {verb} no price now; state one, of 0 if it costs nothing",
                    models.join(", ")
                );
                found.add(place_of_budget(service, held, budget), message);
            }
        }
    }
}

fn is_hard_in_money(budget: &Budget) -> bool {
    budget.kind == BudgetKind::Hard && matches!(budget.limit, BudgetLimit::Money(..))
}

fn warn_of_long_answers(pool: &Pool, terms: &Terms, place: &str, found: &mut Findings) {
    let request_max = terms.request_max;
    for model in pool.models.iter().filter(|model| model.output_max > request_max) {
        let (name, output_max) = (&model.name, model.output_max);
        found.add(
            place,
            format!(
                "requests for model {name} that state no max_tokens will be refused: \
                 it may answer with {output_max} tokens, and request_max is {request_max}"
            ),
        );
    }
}

fn warn_of_depth(terms: &Terms, place: &str, found: &mut Findings) {
    let (baseline, request_max) = (terms.baseline, terms.request_max);
    let refilled =
        u128::from(baseline.get()) * GUARANTEE_WINDOW.as_nanos() / Duration::from_mins(1).as_nanos();
    if baseline > TokensPerMinute::ZERO && u128::from(request_max.get()) > refilled {
        let window = GUARANTEE_WINDOW.as_secs();
        found.add(
            place,
            format!(
                "request_max {request_max} is more than {window} seconds of the baseline ({refilled}): \
                 the guarantee is that deep, and takes as much of the pool's depth"
            ),
        );
    }
}

fn warn_of_full_pools(policy: &Policy, found: &mut Findings) {
    let mut guaranteed: BTreeMap<&PoolId, u128> = BTreeMap::new();
    for held in policy.services.iter().flat_map(|service| &service.allocations) {
        *guaranteed.entry(&held.pool).or_default() += u128::from(held.terms.baseline.get());
    }
    for pool in &policy.pools {
        let (sum, capacity) =
            (guaranteed.get(&pool.id).copied().unwrap_or(0), u128::from(pool.capacity.get()));
        if sum * 100 > capacity * GUARANTEED_PERCENT_MAX {
            found.add(
                format!("pool {}", pool.id),
                format!(
                    "{sum} of its {capacity} tokens a minute are guaranteed, which is over \
                     {GUARANTEED_PERCENT_MAX} % and leaves little for bursts"
                ),
            );
        }
    }
}

fn warn_of_bursts(policy: &Policy, now: Timestamp, found: &mut Findings) {
    for burst in policy.bursts.iter().map(|granted| &granted.burst).filter(|burst| burst.window.end() <= now)
    {
        let end = Utc(burst.window.end());
        found.add(format!("burst {}", burst.id), format!("is over since {end}; take it out of the policy"));
    }
}

fn warn_of_exceptions(policy: &Policy, now: Timestamp, found: &mut Findings) {
    for exception in &policy.exceptions {
        let (place, end) = (format!("exception {}", exception.id), Utc(exception.end));
        if exception.end <= now {
            found.add(place, format!("has ended at {end}; take it out of the policy"));
        } else if exception.end <= now.plus(EXCEPTION_NOTICE) {
            let owner = &exception.owner;
            found.add(
                place,
                format!("ends at {end}, and what it allows ends with it; {owner} answers for it"),
            );
        }
    }
}
