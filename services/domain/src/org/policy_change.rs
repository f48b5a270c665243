//! What a policy changes: the difference between what is and what should be, weighed whole before any of it is done.

use std::collections::BTreeMap;

use crate::authorship::Authorship;
use crate::ids::PoolId;
use crate::ledger::{Change, Governed, PoolTerms, shortage};
use crate::org::{Decided, Event, Org, lines};
use crate::policy::{Policy, PolicyProblem, Service, Terms, problems};
use crate::price::Price;

/// What a policy changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyChange {
    /// What is decided outside of any pool.
    pub org: Vec<Event>,
    /// What each pool is asked to change, in an order in which guarantees shrink before others grow.
    pub pools: BTreeMap<PoolId, Vec<Change>>,
    /// One readable line for each thing that changes.
    pub lines: Vec<String>,
}

/// Finds what a policy changes; what is no longer in it is removed. An error names every problem of it at once.
pub fn decide_policy(
    org: &Org,
    policy: &Policy,
    by: &Authorship,
) -> Result<PolicyChange, Vec<PolicyProblem>> {
    let mut found = problems(policy);
    check_prices(policy, &mut found);
    let mut change = PolicyChange::default();
    for pool in pools_of(org, policy) {
        let before = org.pools.get(&pool).cloned().unwrap_or_default();
        let changes = pool_changes(&before, &pool, policy);
        check_fit(&before, &pool, &changes, by, &mut found);
        if !changes.is_empty() {
            change.lines.extend(changes.iter().map(|change| lines::of_change(&pool, change, &before)));
            change.pools.insert(pool, changes);
        }
    }
    if !found.is_empty() {
        return Err(found);
    }
    let decided = org_changes(org, policy);
    change.lines.extend(decided.iter().map(lines::of_decided));
    change.org = decided.into_iter().map(|what| Event { by: by.clone(), what }).collect();
    Ok(change)
}

fn pools_of(org: &Org, policy: &Policy) -> Vec<PoolId> {
    let mut pools: Vec<_> =
        org.pools.keys().chain(policy.pools.iter().map(|pool| &pool.id)).cloned().collect();
    pools.sort_unstable();
    pools.dedup();
    pools
}

fn check_fit(
    before: &PoolTerms,
    pool: &PoolId,
    changes: &[Change],
    by: &Authorship,
    found: &mut Vec<PolicyProblem>,
) {
    let mut after = before.clone();
    for what in changes {
        if let Some(what) = after.difference(what) {
            after.evolve(&Governed { by: by.clone(), what });
        }
    }
    if let Some(short) = shortage(&after, by.at).filter(|_| !changes.is_empty()) {
        let message = format!("{short}; lower baselines, bursts or request_max, or raise its capacity");
        found.push(PolicyProblem { place: format!("pool {pool}"), message });
    }
}

fn check_prices(policy: &Policy, found: &mut Vec<PolicyProblem>) {
    let mut seen = std::collections::BTreeSet::new();
    for price in &policy.prices {
        if !seen.insert((&price.model, price.valid_from)) {
            let from = crate::calendar::Utc(price.valid_from);
            found.push(PolicyProblem {
                place: format!("price of model {}", price.model),
                message: format!("from {from} on is stated twice; keep one of them"),
            });
        }
    }
}

fn pool_changes(before: &PoolTerms, id: &PoolId, policy: &Policy) -> Vec<Change> {
    let Some(pool) = policy.pools.iter().find(|pool| pool.id == *id) else {
        return before.pool().map(|_| Change::RemovePool).into_iter().collect();
    };
    let wanted = allocations(policy, id);
    let smaller = |change: &&Change| matches!(change, Change::SetAllocation { service, terms } if shrinks(before, service, terms));
    let sets: Vec<Change> = wanted
        .iter()
        .map(|(service, terms)| Change::SetAllocation {
            service: service.id.clone(),
            terms: (*terms).clone(),
        })
        .collect();
    let gone = before.allocations().keys().filter(|id| !wanted.iter().any(|(service, _)| service.id == **id));
    let define = Change::DefinePool(pool.clone());
    let shrinking = pool.capacity < before.capacity();
    let all = (!shrinking).then(|| define.clone()).into_iter();
    let all = all.chain(gone.map(|service| Change::RemoveAllocation { service: service.clone() }));
    let all = all.chain(sets.iter().filter(smaller).cloned());
    let all = all.chain(sets.iter().filter(|change| !smaller(change)).cloned());
    let bursts = policy.bursts.iter().filter(|granted| granted.burst.pool == *id);
    let all = all.chain(bursts.cloned().map(Change::GrantBurst));
    let all = all.chain(shrinking.then_some(define));
    all.filter(|change| before.difference(change).is_some()).collect()
}

fn shrinks(before: &PoolTerms, service: &crate::ids::ServiceId, terms: &Terms) -> bool {
    let old = before.allocations().get(service);
    old.is_some_and(|old| terms.baseline <= old.baseline && terms.request_max <= old.request_max)
}

fn allocations<'a>(policy: &'a Policy, pool: &PoolId) -> Vec<(&'a Service, &'a Terms)> {
    let of = |service: &'a Service| {
        let held = service.allocations.iter().find(|held| held.pool == *pool)?;
        Some((service, &held.terms))
    };
    policy.services.iter().filter_map(of).collect()
}

fn org_changes(org: &Org, policy: &Policy) -> Vec<Decided> {
    let teams = policy.teams.iter().filter(|team| org.teams.get(&team.id) != Some(*team));
    let bare = |service: &Service| Service { allocations: Vec::new(), ..service.clone() };
    let services =
        policy.services.iter().map(bare).filter(|wanted| org.services.get(&wanted.id) != Some(wanted));
    let at = |price: &Price| (price.model.clone(), price.valid_from);
    let prices = policy.prices.iter().filter(|price| org.prices.get(&at(price)) != Some(*price));
    let gone_services =
        org.services.keys().filter(|id| !policy.services.iter().any(|service| service.id == **id));
    let gone_teams = org.teams.keys().filter(|id| !policy.teams.iter().any(|team| team.id == **id));
    let gone_prices = org.prices.keys().filter(|key| !policy.prices.iter().any(|price| at(price) == **key));
    let all = teams.cloned().map(Decided::TeamDefined);
    let all = all.chain(services.map(Decided::ServiceDefined));
    let all = all.chain(prices.cloned().map(Decided::PriceSet));
    let all = all.chain(gone_services.cloned().map(Decided::ServiceRemoved));
    let all = all.chain(gone_teams.cloned().map(Decided::TeamRemoved));
    let removed = |(model, valid_from): (_, _)| Decided::PriceRemoved { model, valid_from };
    all.chain(gone_prices.cloned().map(removed)).collect()
}
