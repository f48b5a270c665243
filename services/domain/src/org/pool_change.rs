//! What a policy changes in one pool, in an order in which guarantees shrink before others grow.

use std::collections::BTreeMap;

use crate::burst::{BurstRecord, GrantedBurst, Verdict};
use crate::ids::{PoolId, ServiceId};
use crate::ledger::{Change, PoolTerms};
use crate::org::policy_change::Proposal;
use crate::org::{Org, bursts};
use crate::policy::{Exception, Policy, PolicyProblem, Pool, Rules, Terms, Waivers};
use crate::time::Timestamp;

/// What a policy wants of pools, as it goes to their ledgers.
#[derive(Default)]
pub(super) struct Wanted<'a> {
    pools: BTreeMap<&'a PoolId, &'a Pool>,
    allocations: BTreeMap<&'a PoolId, BTreeMap<&'a ServiceId, Terms>>,
    bursts: BTreeMap<&'a PoolId, Vec<&'a GrantedBurst>>,
}

impl<'a> Wanted<'a> {
    /// Adds a problem for each allocation and each burst that exceeds the sandbox and may not.
    pub(super) fn new(proposal: &Proposal<'a>, found: &mut Vec<PolicyProblem>) -> Self {
        let Proposal { org, policy, rules, now } = *proposal;
        let mut wanted = Self::default();
        wanted.pools.extend(policy.pools.iter().map(|pool| (&pool.id, pool)));
        for granted in &policy.bursts {
            wanted.bursts.entry(&granted.burst.pool).or_default().push(granted);
        }
        let waivers = Waivers::new(exceptions_after(org, policy), now);
        for service in &policy.services {
            for held in &service.allocations {
                // What may not stand is weighed all the same, so that every problem is found at once.
                let terms = held.terms.entitled(service, rules, &waivers).unwrap_or_else(|| {
                    let place = format!("service {}, allocation in pool {}", service.id, held.pool);
                    found.push(PolicyProblem { place, message: beyond_sandbox(&held.terms, rules) });
                    held.terms.clone()
                });
                wanted.allocations.entry(&held.pool).or_default().insert(&service.id, terms);
            }
        }
        bursts::check(proposal, &waivers, found);
        wanted
    }
}

fn beyond_sandbox(terms: &Terms, rules: Rules) -> String {
    let (baseline, ceiling, sandbox) = (terms.baseline, terms.ceiling, rules.sandbox);
    format!(
        "baseline {baseline} and ceiling {ceiling} may be {sandbox} at most, the sandbox, because the service names \
         no owner or no use case; name both, lower them, or grant an exception that waives the sandbox limit"
    )
}

/// The exceptions that there are once a policy is applied. One that a policy leaves out goes on.
fn exceptions_after<'a>(org: &'a Org, policy: &'a Policy) -> impl Iterator<Item = &'a Exception> {
    let stated: BTreeMap<_, _> =
        policy.exceptions.iter().map(|exception| (&exception.id, exception)).collect();
    let kept = org.exceptions.values().filter(move |exception| !stated.contains_key(&exception.id));
    kept.chain(&policy.exceptions)
}

/// What a pool is asked to change.
pub(super) fn pool_changes(
    before: &PoolTerms,
    id: &PoolId,
    wanted: &Wanted<'_>,
    now: Timestamp,
) -> Vec<Change> {
    let Some(pool) = wanted.pools.get(id).copied() else {
        return before.pool().map(|_| Change::RemovePool).into_iter().collect();
    };
    let none = BTreeMap::new();
    let allocations = wanted.allocations.get(id).unwrap_or(&none);
    let gone = before.allocations().keys().filter(|service| !allocations.contains_key(service));
    let sets = allocations.iter().filter_map(|(service, terms)| set(before, service, terms, now));
    let (shrinking, growing): (Vec<Change>, Vec<Change>) = sets.partition(|change| shrinks(before, change));
    let bursts = wanted.bursts.get(id).into_iter().flatten();
    let bursts = bursts.filter(|granted| allocations.contains_key(&granted.burst.service));
    let define = (before.pool() != Some(pool)).then(|| Change::DefinePool(pool.clone()));
    let (define_first, define_last) =
        if pool.capacity < before.capacity() { (None, define) } else { (define, None) };
    let all = define_first.into_iter();
    let all = all.chain(gone.map(|service| Change::RemoveAllocation { service: service.clone() }));
    let all = all.chain(shrinking).chain(growing);
    let all = all.chain(bursts.filter_map(|granted| grant(before, granted, now)));
    all.chain(define_last).collect()
}

/// What has lapsed and is stated as it is left is so already.
fn set(before: &PoolTerms, service: &ServiceId, terms: &Terms, now: Timestamp) -> Option<Change> {
    let held = before.allocations().get(service).map(|held| held.standing_at(now));
    (held.as_ref() != Some(terms))
        .then(|| Change::SetAllocation { service: service.clone(), terms: terms.clone() })
}

/// A burst that is over either way is no change, and one that was revoked stays so.
fn grant(before: &PoolTerms, granted: &GrantedBurst, now: Timestamp) -> Option<Change> {
    let known = before.bursts().get(&granted.burst.id);
    let is_open = |record: &BurstRecord| record.phase(now).is_open();
    if known.is_some_and(|record| matches!(record.verdict, Verdict::Revoked { .. })) {
        return None;
    }
    let matters = known.is_some_and(is_open) || is_open(&BurstRecord::granted(granted, ""));
    let change = Change::GrantBurst(granted.clone());
    (matters && before.difference(&change).is_some()).then_some(change)
}

fn shrinks(before: &PoolTerms, change: &Change) -> bool {
    let Change::SetAllocation { service, terms } = change else { return false };
    let old = before.allocations().get(service);
    old.is_some_and(|old| terms.baseline <= old.baseline && terms.request_max <= old.request_max)
}
