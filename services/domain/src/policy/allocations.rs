//! What is wrong with services, their allocations and their budgets.

use std::collections::BTreeSet;

use crate::amount::{Money, RequestsPerMinute, Tokens};
use crate::budget::{Budget, BudgetKind, BudgetLimit};
use crate::ids::{HOLD_TOKENS_MAX, PoolId, ServiceId, TeamId};
use crate::ledger::STRANGERS;
use crate::policy::problems::Findings;
use crate::policy::{Allocation, FailureMode, Policy, Service, Terms};

/// The largest request that an allocation can allow: what one hold can have.
pub const REQUEST_TOKENS_MAX: Tokens = HOLD_TOKENS_MAX;

pub(super) fn check(policy: &Policy, found: &mut Findings) {
    let defined = Defined {
        teams: policy.teams.iter().map(|team| &team.id).collect(),
        pools: policy.pools.iter().map(|pool| &pool.id).collect(),
        limited: policy.pools.iter().filter(|pool| pool.requests.is_some()).map(|pool| &pool.id).collect(),
    };
    for service in &policy.services {
        check_service(service, &defined, found);
    }
}

/// What services may refer to: what the policy defines.
struct Defined<'a> {
    teams: BTreeSet<&'a TeamId>,
    pools: BTreeSet<&'a PoolId>,
    /// The pools that limit requests.
    limited: BTreeSet<&'a PoolId>,
}

fn check_service(service: &Service, defined: &Defined<'_>, found: &mut Findings) {
    let place = format!("service {}", service.id);
    found.require(defined.teams.contains(&service.team), &place, || {
        format!("belongs to team {}, which is not defined", service.team)
    });
    found.require(service.id.as_str() != STRANGERS, &place, || {
        "has the name that pools charge for services they do not know; choose another".to_owned()
    });
    let regions_named = service.regions.iter().all(|region| !region.trim().is_empty());
    found.require(regions_named, &place, || {
        "a region has no name; write it as its cloud does, such as westeurope".to_owned()
    });
    let mut pools = BTreeSet::new();
    for held in &service.allocations {
        let place = place_of_allocation(&service.id, &held.pool);
        let unique = pools.insert(&held.pool);
        found.require(defined.pools.contains(&held.pool), &place, || "the pool is not defined".to_owned());
        found.require(unique, &place, || "is stated twice; keep one of them".to_owned());
        found.require(held.terms.priority == service.priority, &place, || {
            let (found, right) = (held.terms.priority.as_str(), service.priority.as_str());
            format!(
                "priority is {found}, but the service's is {right}; a service has one priority everywhere"
            )
        });
        let must_state_requests = defined.limited.contains(&held.pool);
        found.require(!must_state_requests || held.terms.requests.is_some(), &place, || {
            "states no requests a minute, which the pool limits; state them".to_owned()
        });
        check_terms(&held.terms, &place, found);
        check_budgets(service, held, found);
    }
}

fn check_terms(terms: &Terms, place: &str, found: &mut Findings) {
    let (baseline, ceiling, request_max) = (terms.baseline, terms.ceiling, terms.request_max);
    found.require(ceiling >= baseline, place, || {
        format!(
            "ceiling {ceiling} is less than baseline {baseline}; make it as much, or more to let it borrow"
        )
    });
    found.require(request_max >= Tokens::new(1) && request_max <= REQUEST_TOKENS_MAX, place, || {
        format!("request_max {request_max} must be from 1 to {REQUEST_TOKENS_MAX} tokens")
    });
    let lending = terms.lending.unwrap_or(baseline);
    found.require(lending <= baseline, place, || {
        format!("lending {lending} is more than baseline {baseline}, and only that can be lent; lower it")
    });
    found.require(terms.requests != Some(RequestsPerMinute::ZERO), place, || {
        "requests_per_minute must be at least 1; leave it out if requests are not limited".to_owned()
    });
    found.require(terms.in_flight_max != Some(0), place, || {
        "in_flight_max must be at least 1; leave it out if it is not limited".to_owned()
    });
    let open_for_nothing = terms.failure == FailureMode::Open { tokens_per_outage: Tokens::ZERO };
    found.require(!open_for_nothing, place, || {
        "tokens_per_outage must be at least 1; choose failure mode closed to admit nothing".to_owned()
    });
    found.require(terms.lapse.is_none(), place, || {
        "a lapse is not stated: it follows from an exception that waives the sandbox limit".to_owned()
    });
}

fn check_budgets(service: &Service, held: &Allocation, found: &mut Findings) {
    let mut ids = BTreeSet::new();
    for budget in &held.terms.budgets {
        let place = place_of_budget(service, held, budget);
        found.require(ids.insert(&budget.id), &place, || "is stated twice; keep one of them".to_owned());
        let empty =
            matches!(budget.limit, BudgetLimit::Tokens(Tokens::ZERO) | BudgetLimit::Money(Money::ZERO, _));
        found.require(!empty, &place, || "limit must be more than nothing".to_owned());
        let thresholds = &budget.thresholds;
        let rising = thresholds.windows(2).all(|pair| pair[0] < pair[1]);
        let max = budget.kind.threshold_max_percent();
        let within = thresholds.iter().all(|percent| (1..=max).contains(percent));
        found.require(rising && within, &place, || {
            let kind = if budget.kind == BudgetKind::Hard { "hard" } else { "soft" };
            format!(
                "thresholds {thresholds:?} must rise, each once, and be percentages from 1 to {max}, as the budget is {kind}"
            )
        });
    }
}

pub(super) fn place_of_allocation(service: &ServiceId, pool: &PoolId) -> String {
    format!("service {service}, allocation in pool {pool}")
}

/// Its largest request, by the name that files have for it.
pub(super) fn place_of_request_max(service: &ServiceId, pool: &PoolId) -> String {
    format!("{}, request_max", place_of_allocation(service, pool))
}

pub(super) fn place_of_budget(service: &Service, held: &Allocation, budget: &Budget) -> String {
    format!("{}, budget {}", place_of_allocation(&service.id, &held.pool), budget.id)
}
