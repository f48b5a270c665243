//! What a policy changes: the difference between what is and what should be, weighed whole before any of it is done.

use std::collections::{BTreeMap, BTreeSet};

use crate::authorship::Authorship;
use crate::calendar::Utc;
use crate::ids::{ModelName, PoolId};
use crate::ledger::{Change, PoolTerms};
use crate::org::pool_change::{Wanted, pool_changes};
use crate::org::{Decided, EXCEPTIONS_MAX, Event, Org, bursts, lines};
use crate::policy::{Exception, Policy, PolicyProblem, Rules, Service, misfits, problems, warnings};
use crate::price::Price;
use crate::time::Timestamp;

/// What a policy, or an exception, changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyChange {
    /// What is decided outside of any pool.
    pub org: Vec<Event>,
    /// What each pool is asked to change, in an order in which guarantees shrink before others grow.
    pub pools: BTreeMap<PoolId, Vec<Change>>,
    /// One readable line for each thing that changes.
    pub lines: Vec<String>,
    /// What is not wrong and may still surprise.
    pub warnings: Vec<PolicyProblem>,
}

impl PolicyChange {
    /// Whether all is so already.
    pub fn is_empty(&self) -> bool {
        self.org.is_empty() && self.pools.is_empty()
    }
}

/// A policy, and what it is weighed against.
pub(super) struct Proposal<'a> {
    pub(super) org: &'a Org,
    pub(super) policy: &'a Policy,
    pub(super) rules: Rules,
    pub(super) now: Timestamp,
}

/// Finds what a policy changes. An error names every problem of it at once.
///
/// Pools, teams, services, allocations and prices that are no longer in it are removed. Bursts and exceptions go on
/// until their end: what ends them sooner is to revoke them, or to remove what they are for.
pub fn decide_policy(
    org: &Org,
    policy: &Policy,
    rules: &Rules,
    by: &Authorship,
) -> Result<PolicyChange, Vec<PolicyProblem>> {
    let mut found = problems(policy);
    check_bursts_stay(org, policy, &mut found);
    check_exceptions_few(org, policy, by.at, &mut found);
    let proposal = Proposal { org, policy, rules: *rules, now: by.at };
    let wanted = Wanted::new(&proposal, &mut found);
    let mut change = PolicyChange { warnings: warnings(policy, by.at), ..PolicyChange::default() };
    bursts::warn_of_revoked(org, policy, by.at, &mut change.warnings);
    let undecided = PoolTerms::default();
    for pool in pools_of(org, policy) {
        let before = org.pools.get(pool).unwrap_or(&undecided);
        let changes = pool_changes(before, pool, &wanted, by.at);
        found.extend(misfits(before, pool, &changes, by));
        if !changes.is_empty() {
            change.lines.extend(changes.iter().map(|change| lines::of_change(pool, change, before, by.at)));
            change.pools.insert(pool.clone(), changes);
        }
    }
    if !found.is_empty() {
        return Err(found);
    }
    let decided = org_changes(org, policy, by.at);
    change.lines.extend(decided.iter().map(|what| lines::of_decided(org, what)));
    change.warnings.extend(decided.iter().filter_map(|what| rewritten(org, what, by.at)));
    change.org = decided.into_iter().map(|what| Event { by: by.clone(), what }).collect();
    Ok(change)
}

fn pools_of<'a>(org: &'a Org, policy: &'a Policy) -> BTreeSet<&'a PoolId> {
    org.pools.keys().chain(policy.pools.iter().map(|pool| &pool.id)).collect()
}

/// A burst is known by its name alone, so no two pools may have one of the same name.
fn check_bursts_stay(org: &Org, policy: &Policy, found: &mut Vec<PolicyProblem>) {
    for burst in policy.bursts.iter().map(|granted| &granted.burst) {
        if let Some((pool, _)) = org.burst(&burst.id).filter(|(pool, _)| **pool != burst.pool) {
            let message = format!("is or was one of pool {pool}, and cannot move; choose another name");
            found.push(PolicyProblem { place: format!("burst {}", burst.id), message });
        }
    }
}

fn check_exceptions_few(org: &Org, policy: &Policy, now: Timestamp, found: &mut Vec<PolicyProblem>) {
    let all = org.exceptions.values().chain(&policy.exceptions).filter(|exception| exception.end > now);
    let open = all.map(|exception| &exception.id).collect::<BTreeSet<_>>().len();
    if open > EXCEPTIONS_MAX {
        let message = format!(
            "{open} would not have ended, and {EXCEPTIONS_MAX} at most may be; leave out what is not needed, or make a \
             rule of it"
        );
        found.push(PolicyProblem { place: "exceptions".to_owned(), message });
    }
}

fn org_changes(org: &Org, policy: &Policy, now: Timestamp) -> Vec<Decided> {
    let services: BTreeSet<_> = policy.services.iter().map(|service| &service.id).collect();
    let teams: BTreeSet<_> = policy.teams.iter().map(|team| &team.id).collect();
    let prices: BTreeSet<_> = policy.prices.iter().map(|price| (&price.model, price.valid_from)).collect();
    let gone_prices = org.prices.keys().filter(|(model, from)| !prices.contains(&(model, *from)));
    let removed = |(model, valid_from): &(ModelName, Timestamp)| Decided::PriceRemoved {
        model: model.clone(),
        valid_from: *valid_from,
    };
    let orphaned = |exception: &&Exception| exception.end > now && !services.contains(&exception.service);
    let all = new_things(org, policy, now).into_iter();
    let all = all.chain(
        org.exceptions
            .values()
            .filter(orphaned)
            .map(|exception| Decided::ExceptionEnded(exception.id.clone())),
    );
    let gone_services = org.services.keys().filter(|id| !services.contains(id));
    let all = all.chain(gone_services.cloned().map(Decided::ServiceRemoved));
    let all = all.chain(org.teams.keys().filter(|id| !teams.contains(id)).cloned().map(Decided::TeamRemoved));
    all.chain(gone_prices.map(removed)).collect()
}

/// What is new in a policy, or other than before.
fn new_things(org: &Org, policy: &Policy, now: Timestamp) -> Vec<Decided> {
    let teams = policy.teams.iter().filter(|team| org.teams.get(&team.id) != Some(*team));
    let bare = |service: &Service| Service { allocations: Vec::new(), ..service.clone() };
    let services = policy.services.iter().map(bare);
    let services = services.filter(|wanted| org.services.get(&wanted.id) != Some(wanted));
    let exceptions = policy.exceptions.iter().filter(|exception| {
        let known = org.exceptions.get(&exception.id);
        let matters = [known, Some(exception)].into_iter().flatten().any(|either| either.end > now);
        matters && known != Some(*exception)
    });
    let prices = policy.prices.iter().filter(|price| known_price(org, price) != Some(*price));
    let all = teams.cloned().map(Decided::TeamDefined);
    let all = all.chain(services.map(Decided::ServiceDefined));
    let all = all.chain(exceptions.cloned().map(Decided::ExceptionGranted));
    all.chain(prices.cloned().map(Decided::PriceSet)).collect()
}

fn known_price<'a>(org: &'a Org, price: &Price) -> Option<&'a Price> {
    org.prices.get(&(price.model.clone(), price.valid_from))
}

/// Warns of a price that changes what the past cost. The first price of a model does not: it cost nothing before.
fn rewritten(org: &Org, what: &Decided, now: Timestamp) -> Option<PolicyProblem> {
    let (model, valid_from, done) = match what {
        Decided::PriceSet(price) => (&price.model, price.valid_from, "rewritten"),
        Decided::PriceRemoved { model, valid_from } => (model, *valid_from, "removed"),
        _ => return None,
    };
    let priced = org.prices.keys().any(|(known, _)| known == model);
    (priced && valid_from < now).then(|| PolicyProblem {
        place: format!("price of model {model}"),
        message: format!(
            "is {done} from {} on: what was used since then is priced anew, in reports already seen too",
            Utc(valid_from)
        ),
    })
}
