//! What is not wrong with a policy and may still surprise.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::amount::TokensPerMinute;
use crate::budget::{Budget, BudgetKind, BudgetLimit};
use crate::calendar::Utc;
use crate::ids::PoolId;
use crate::ledger::{GUARANTEE_WINDOW, POOL_WINDOW};
use crate::policy::allocations::{place_of_budget, place_of_request_max};
use crate::policy::problems::Findings;
use crate::policy::senseless::{warn_of_rates, warn_of_requests_never_admitted};
use crate::policy::{Policy, PolicyProblem, Pool, Terms, within};
use crate::time::Timestamp;

/// How long before its end an exception is called to mind: time for one sprint to make it unnecessary.
const EXCEPTION_NOTICE: Duration = Duration::from_hours(14 * 24);
/// From which share of its capacity on a pool has little left for bursts and for borrowing.
const GUARANTEED_PERCENT_MAX: u128 = 90;
/// From which share of a pool's depth on large requests leave little to borrow at once: half.
const KEPT_PERCENT_MAX: u128 = 50;

/// Names what may surprise about a policy that is sound, as seen at an instant.
pub fn warnings(policy: &Policy, now: Timestamp) -> Vec<PolicyProblem> {
    let mut found = Findings::default();
    warn_of_requests(policy, &mut found);
    warn_of_free_models(policy, now, &mut found);
    warn_of_rates(policy, &mut found);
    warn_of_requests_never_admitted(policy, now, &mut found);
    warn_of_full_pools(policy, &mut found);
    warn_of_deep_guarantees(policy, &mut found);
    warn_of_bursts(policy, now, &mut found);
    warn_of_exceptions(policy, now, &mut found);
    found.0
}

fn warn_of_requests(policy: &Policy, found: &mut Findings) {
    let pools: BTreeMap<&PoolId, &Pool> = policy.pools.iter().map(|pool| (&pool.id, pool)).collect();
    for service in &policy.services {
        for held in &service.allocations {
            let Some(pool) = pools.get(&held.pool) else { continue };
            let place = place_of_request_max(&service.id, &held.pool);
            warn_of_long_answers(pool, &held.terms, &place, found);
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

/// Warns of requests that are refused because their answers could be longer than what one request may take.
fn warn_of_long_answers(pool: &Pool, terms: &Terms, place: &str, found: &mut Findings) {
    let request_max = terms.request_max;
    let longer = || pool.models.iter().filter(|model| model.output_max > request_max);
    let Some(output_max) = longer().map(|model| model.output_max).max() else { return };
    let names: Vec<_> = longer().map(|model| model.name.to_string()).collect();
    let names = names.join(" or ");
    found.add(
        place,
        format!(
            "requests for {names} without max_tokens are refused: \
             answers may take {output_max} tokens, and request_max is {request_max}"
        ),
    );
}

/// Warns of pools most of whose depth is kept for guarantees, because of large requests: what is not is there to borrow.
fn warn_of_deep_guarantees(policy: &Policy, found: &mut Findings) {
    for pool in &policy.pools {
        let held = policy.services.iter().flat_map(|service| {
            let held = service.allocations.iter().filter(|held| held.pool == pool.id);
            held.map(|held| (depth_of(&held.terms), &service.id, held.terms.request_max))
        });
        let held: Vec<_> = held.collect();
        let kept: u128 = held.iter().map(|(depth, ..)| *depth).sum();
        let depth = within(pool.capacity, POOL_WINDOW);
        let deepest = held.iter().filter(|(depth, _, request_max)| *depth == u128::from(request_max.get()));
        let Some((_, service, request_max)) = deepest.max() else { continue };
        if kept * 100 > depth * KEPT_PERCENT_MAX {
            let message = format!(
                "{kept} of the {depth} tokens that it holds are kept for guarantees, which are as deep as their largest \
                 request: the more, the less is there to borrow; lower request_max, such as {request_max} of service {service}"
            );
            found.add(format!("pool {}", pool.id), message);
        }
    }
}

/// How deep a guarantee is, in tokens.
pub(super) fn depth_of(terms: &Terms) -> u128 {
    if terms.baseline == TokensPerMinute::ZERO {
        return 0;
    }
    within(terms.baseline, GUARANTEE_WINDOW).max(u128::from(terms.request_max.get()))
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
