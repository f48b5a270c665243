//! Policy: what an organisation wants its pools, teams, services and prices to be.
//!
//! A policy is a whole, checked here for what can be checked without the ledger: names that refer to something,
//! numbers that make sense, guarantees that fit their pool. Files and lines are the business of whoever read them.

use std::collections::{BTreeMap, BTreeSet};

use crate::amount::{Tokens, TokensPerMinute};
use crate::ids::{BurstId, DeploymentId, ModelName, PoolId, ServiceId, TeamId, UpstreamId};
use crate::price::Price;
use crate::time::Window;

/// All that an organisation has decided.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Shared capacity.
    pub pools: Vec<Pool>,
    /// Who owns services.
    pub teams: Vec<Team>,
    /// The workloads.
    pub services: Vec<Service>,
    /// Time-boxed grants that have been approved.
    pub bursts: Vec<Burst>,
    /// What tokens cost.
    pub prices: Vec<Price>,
}

/// Shared capacity: deployments of a model class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub id: PoolId,
    /// How many tokens a minute its deployments serve together.
    pub capacity: TokensPerMinute,
    /// The models it serves.
    pub models: Vec<Model>,
    /// Where they are served.
    pub deployments: Vec<Deployment>,
}

/// A model that callers can ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// The name callers use.
    pub name: ModelName,
    /// The tokenizer that counts for it.
    pub encoding: Encoding,
    /// The most output tokens it generates for one request; zero for embeddings.
    pub output_max: Tokens,
}

/// A tokenizer of OpenAI's, by its published name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// `o200k_base`: the gpt-4o, gpt-4.1, gpt-5 and o-series models.
    O200kBase,
    /// `cl100k_base`: gpt-4, gpt-3.5-turbo and the text-embedding-3 models.
    Cl100kBase,
}

/// A model served by an upstream under some name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The endpoint, as the gateway's configuration names it.
    pub upstream: UpstreamId,
    /// The name there.
    pub id: DeploymentId,
    /// The model it serves.
    pub model: ModelName,
}

/// A team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// Its short name.
    pub id: TeamId,
    /// What people call it.
    pub title: String,
}

/// A workload of a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub id: ServiceId,
    /// The team that owns it.
    pub team: TeamId,
    /// The person who answers for it.
    pub owner: String,
    /// What it is for.
    pub use_case: String,
    /// What happens when it is throttled.
    pub when_throttled: String,
    /// Its standing in pools.
    pub allocations: Vec<Allocation>,
}

/// A service's standing in a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// The pool.
    pub pool: PoolId,
    /// The guaranteed rate.
    pub baseline: TokensPerMinute,
    /// The largest request it may make. Where this is more than ten seconds of the baseline, the guarantee is that deep.
    pub request_max: Tokens,
}

/// A time-boxed grant on top of a baseline, approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Burst {
    /// Its name.
    pub id: BurstId,
    /// Who may use more.
    pub service: ServiceId,
    /// Where.
    pub pool: PoolId,
    /// How much more than the baseline.
    pub extra: TokensPerMinute,
    /// From when until when.
    pub window: Window,
    /// Why.
    pub reason: String,
    /// Who said yes.
    pub approved_by: String,
}

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
        .chain(policy.bursts.iter().map(|burst| format!("burst {}", burst.id)));
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
            if allocation.request_max == Tokens::ZERO {
                found.add(&place, "request_max must be at least 1 token");
            }
        }
    }
}

fn check_bursts(policy: &Policy, found: &mut Findings) {
    for burst in &policy.bursts {
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
