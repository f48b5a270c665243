//! What is wrong with a policy, as far as it can be seen without the ledger: every problem at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::amount::{Money, RequestsPerMinute, TokensPerMinute};
use crate::budget::BudgetLimit;
use crate::calendar::Utc;
use crate::ids::{ModelName, PoolId};
use crate::policy::{Policy, Pool, allocations, grants};
use crate::price::Currency;

/// Something in a policy that does not hold together, or that may surprise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyProblem {
    /// Where, as a path of names: `service chat-assistant, allocation in pool gpt-4o`.
    pub place: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for PolicyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Names every problem of a policy that does not need the ledger to be seen; empty if it is sound.
pub fn problems(policy: &Policy) -> Vec<PolicyProblem> {
    let mut found = Findings::default();
    check_unique(policy, &mut found);
    check_pools(policy, &mut found);
    allocations::check(policy, &mut found);
    grants::check_bursts(policy, &mut found);
    grants::check_exceptions(policy, &mut found);
    check_prices(policy, &mut found);
    check_currency(policy, &mut found);
    found.0
}

/// What was found so far.
#[derive(Default)]
pub(super) struct Findings(pub(super) Vec<PolicyProblem>);

impl Findings {
    pub(super) fn add(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.0.push(PolicyProblem { place: place.into(), message: message.into() });
    }

    /// Adds a problem unless something holds.
    pub(super) fn require(&mut self, holds: bool, place: &str, message: impl FnOnce() -> String) {
        if !holds {
            self.add(place, message());
        }
    }
}

fn check_unique(policy: &Policy, found: &mut Findings) {
    let names = (policy.pools.iter().map(|pool| format!("pool {}", pool.id)))
        .chain(policy.teams.iter().map(|team| format!("team {}", team.id)))
        .chain(policy.services.iter().map(|service| format!("service {}", service.id)))
        .chain(policy.bursts.iter().map(|granted| format!("burst {}", granted.burst.id)))
        .chain(policy.exceptions.iter().map(|exception| format!("exception {}", exception.id)));
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name.clone()) {
            found.add(name, "is defined twice; keep one of them");
        }
    }
}

fn check_pools(policy: &Policy, found: &mut Findings) {
    let mut owner_of_model: BTreeMap<&ModelName, &PoolId> = BTreeMap::new();
    for pool in &policy.pools {
        let place = format!("pool {}", pool.id);
        let has_capacity = pool.capacity > TokensPerMinute::ZERO;
        found.require(has_capacity, &place, || "has no capacity; state its tokens per minute".to_owned());
        let requests = pool.requests != Some(RequestsPerMinute::ZERO);
        found.require(requests, &place, || {
            "requests_per_minute must be at least 1; leave it out if requests are not limited".to_owned()
        });
        check_thresholds(pool, &place, found);
        for model in &pool.models {
            if let Some(other) = owner_of_model.insert(&model.name, &pool.id) {
                found.add(&place, format!("serves model {}, which pool {other} serves already", model.name));
            }
        }
        check_deployments(pool, &place, found);
    }
}

fn check_thresholds(pool: &Pool, place: &str, found: &mut Findings) {
    let thresholds = &pool.thresholds;
    let (critical, standard, batch) =
        (thresholds.critical_percent, thresholds.standard_percent, thresholds.batch_percent);
    found.require(critical <= standard && standard <= batch && batch <= 100, place, || {
        format!(
            "thresholds are {critical} % for critical, {standard} % for standard and {batch} % for batch; \
             they must not fall in this order, nor be more than 100 %"
        )
    });
}

fn check_deployments(pool: &Pool, place: &str, found: &mut Findings) {
    for model in &pool.models {
        let served = pool.deployments.iter().any(|deployment| deployment.model == model.name);
        found.require(served, place, || format!("has no deployment that serves model {}", model.name));
    }
    let mut seen = BTreeSet::new();
    for deployment in &pool.deployments {
        let (upstream, id, model) = (&deployment.upstream, &deployment.id, &deployment.model);
        let listed = pool.models.iter().any(|listed| listed.name == *model);
        found.require(listed, place, || {
            format!("deployment {id} serves model {model}, which the pool does not list")
        });
        found.require(seen.insert((upstream, id, model)), place, || {
            format!("deployment {id} of upstream {upstream} is stated twice; keep one of them")
        });
    }
}

fn check_prices(policy: &Policy, found: &mut Findings) {
    let mut seen = BTreeSet::new();
    for price in &policy.prices {
        found.require(
            seen.insert((&price.model, price.valid_from)),
            &format!("price of model {}", price.model),
            || format!("from {} on is stated twice; keep one of them", Utc(price.valid_from)),
        );
    }
}

/// Money is counted in one currency: there is no rate of exchange to count another with.
fn check_currency(policy: &Policy, found: &mut Findings) {
    let prices =
        policy.prices.iter().map(|price| (format!("price of model {}", price.model), price.currency));
    let budgets = policy.services.iter().flat_map(|service| {
        service.allocations.iter().flat_map(move |held| {
            held.terms.budgets.iter().filter_map(move |budget| {
                let BudgetLimit::Money(Money { .. }, currency) = budget.limit else { return None };
                Some((allocations::place_of_budget(service, held, budget), currency))
            })
        })
    });
    let mut first: Option<(String, Currency)> = None;
    for (place, currency) in prices.chain(budgets) {
        match &first {
            None => first = Some((place, currency)),
            Some((_, same)) if *same == currency => {}
            Some((elsewhere, other)) => {
                let (currency, other) = (currency.as_str(), other.as_str());
                found.add(
                    place,
                    format!("is in {currency}, but {elsewhere} is in {other}; use one currency for all"),
                );
            }
        }
    }
}
