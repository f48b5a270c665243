//! What is wrong with a policy, as far as it can be seen without the ledger.

use std::collections::{BTreeMap, BTreeSet};

use crate::amount::{Tokens, TokensPerMinute};
use crate::ids::{ModelName, PoolId};
use crate::policy::Policy;

/// Something in a policy that does not hold together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyProblem {
    /// Where, as a path of names: `service chat-assistant, allocation in pool gpt-4o`.
    pub place: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Names every problem of a policy that does not need the ledger to be seen; empty if it is sound.
pub fn problems(policy: &Policy) -> Vec<PolicyProblem> {
    let mut found = Findings::default();
    check_unique(policy, &mut found);
    check_pools(policy, &mut found);
    check_services(policy, &mut found);
    check_bursts(policy, &mut found);
    found.0
}

#[derive(Default)]
struct Findings(Vec<PolicyProblem>);

impl Findings {
    fn add(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.0.push(PolicyProblem { place: place.into(), message: message.into() });
    }
}

fn check_unique(policy: &Policy, found: &mut Findings) {
    let names = (policy.pools.iter().map(|pool| format!("pool {}", pool.id)))
        .chain(policy.teams.iter().map(|team| format!("team {}", team.id)))
        .chain(policy.services.iter().map(|service| format!("service {}", service.id)))
        .chain(policy.bursts.iter().map(|burst| format!("burst {}", burst.burst.id)));
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
        if pool.capacity == TokensPerMinute::ZERO {
            found.add(&place, "has no capacity; state its tokens per minute");
        }
        for model in &pool.models {
            if let Some(other) = owner_of_model.insert(&model.name, &pool.id) {
                found.add(&place, format!("serves model {}, which pool {other} serves already", model.name));
            }
            if !pool.deployments.iter().any(|deployment| deployment.model == model.name) {
                found.add(&place, format!("has no deployment that serves model {}", model.name));
            }
        }
        for deployment in &pool.deployments {
            if !pool.models.iter().any(|model| model.name == deployment.model) {
                let (id, model) = (&deployment.id, &deployment.model);
                found.add(
                    &place,
                    format!("deployment {id} serves model {model}, which the pool does not list"),
                );
            }
        }
    }
}

fn check_services(policy: &Policy, found: &mut Findings) {
    for service in &policy.services {
        let place = format!("service {}", service.id);
        if !policy.teams.iter().any(|team| team.id == service.team) {
            found.add(&place, format!("belongs to team {}, which is not defined", service.team));
        }
        let mut pools = BTreeSet::new();
        for allocation in &service.allocations {
            let place = format!("{place}, allocation in pool {}", allocation.pool);
            if !policy.pools.iter().any(|pool| pool.id == allocation.pool) {
                found.add(&place, "the pool is not defined");
            }
            if !pools.insert(&allocation.pool) {
                found.add(&place, "is stated twice; keep one of them");
            }
            if allocation.terms.request_max == Tokens::ZERO {
                found.add(&place, "request_max must be at least 1 token");
            }
        }
    }
}

fn check_bursts(policy: &Policy, found: &mut Findings) {
    for burst in policy.bursts.iter().map(|granted| &granted.burst) {
        let holder = policy.services.iter().find(|service| service.id == burst.service);
        let has_allocation =
            holder.is_some_and(|service| service.allocations.iter().any(|held| held.pool == burst.pool));
        if !has_allocation {
            let (service, pool) = (&burst.service, &burst.pool);
            found.add(
                format!("burst {}", burst.id),
                format!("service {service} has no allocation in pool {pool}; define one first"),
            );
        }
    }
}
