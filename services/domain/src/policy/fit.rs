//! Why a pool would refuse its part of a policy: said where the policy states what is too much.
//!
//! Rates that do not fit are nobody's alone, so they are a problem of the pool. Depths are somebody's: if the rates fit,
//! ten seconds of them do, so what does not fit is the largest request of an allocation, or several of them.

use crate::amount::{Tokens, TokensPerMinute};
use crate::authorship::Authorship;
use crate::ids::{PoolId, ServiceId};
use crate::ledger::{
    Change, ChangeRefused, GUARANTEE_WINDOW, Governed, POOL_WINDOW, PoolTerms, Shortage, decide_change,
};
use crate::policy::allocations::place_of_request_max;
use crate::policy::{PolicyProblem, within};
use crate::time::Timestamp;

/// Why a pool would refuse what a policy changes in it; nothing if it would not.
pub(crate) fn misfits(
    before: &PoolTerms,
    pool: &PoolId,
    changes: &[Change],
    by: &Authorship,
) -> Vec<PolicyProblem> {
    let of_pool = |message| PolicyProblem { place: format!("pool {pool}"), message };
    let short = match decide_change(before, by, changes, None) {
        Ok(_) => return Vec::new(),
        Err(ChangeRefused::DoesNotFit(short)) => short,
        Err(refused) => return vec![of_pool(refused.to_string())],
    };
    let (mut found, explained) = too_large(&after(before, changes, by), pool, &short);
    // Each allocation that states no requests is a problem of its own.
    let depth = if explained { Tokens::ZERO } else { short.depth };
    let left = Shortage { requests_unstated: 0, depth, ..short };
    if left != (Shortage { at: left.at, ..Shortage::default() }) {
        let advice = "lower baselines, bursts, request_max or requests, or raise its capacity";
        found.insert(0, of_pool(format!("{left}; {advice}")));
    }
    found
}

/// What would be decided about the pool, whether or not it fits: bursts that a policy leaves out go on, and count.
fn after(before: &PoolTerms, changes: &[Change], by: &Authorship) -> PoolTerms {
    let mut after = before.clone();
    for change in changes {
        if let Some(what) = after.difference(change) {
            after.evolve(&Governed { by: by.clone(), what });
        }
    }
    after
}

/// An allocation whose guarantee is as deep as its largest request.
struct Deep<'a> {
    service: &'a ServiceId,
    request_max: u128,
    /// How much less deep it would be without that.
    beyond: u128,
}

/// The largest requests that do not fit: each that is more than the pool ever holds; and if all guarantees together are too
/// deep, those that are most beyond ten seconds of what is guaranteed, as many as it takes. And whether they are all that
/// makes guarantees too deep.
fn too_large(terms: &PoolTerms, pool: &PoolId, short: &Shortage) -> (Vec<PolicyProblem>, bool) {
    let holds = within(terms.capacity(), POOL_WINDOW);
    let mut excess = u128::from(short.depth.get());
    let mut found = Vec::new();
    for Deep { service, request_max, beyond } in deepest(terms, short.at) {
        let alone = request_max > holds;
        // Where the rates do not fit either, lowering those may be enough.
        if !alone && (excess == 0 || short.rate > TokensPerMinute::ZERO) {
            continue;
        }
        let message = if alone {
            format!(
                "request_max {request_max} is more than the {holds} tokens that pool {pool} ever holds, a minute of its \
                 capacity, and is kept for its guarantee; lower it, or raise the pool's capacity"
            )
        } else {
            format!(
                "request_max {request_max} does not fit: a guarantee is as deep as its largest request, and together they are \
                 {} tokens deeper than the {holds} that pool {pool} holds; lower it, or raise the pool's capacity",
                short.depth
            )
        };
        excess = excess.saturating_sub(beyond);
        found.push(PolicyProblem { place: place_of_request_max(service, pool), message });
    }
    (found, excess == 0)
}

/// Whose guarantee is as deep as its largest request at an instant, with the bursts that count then.
fn deepest(terms: &PoolTerms, at: Timestamp) -> Vec<Deep<'_>> {
    let held = terms.allocations().iter();
    let rates = held.map(|(service, held)| (service, held, terms.plan_of_guarantee(service).at(at).rate));
    let guaranteed = rates.filter(|(.., rate)| *rate > TokensPerMinute::ZERO);
    let mut deep: Vec<_> = guaranteed
        .map(|(service, held, rate)| {
            let request_max = u128::from(held.request_max.get());
            let beyond = request_max.saturating_sub(within(rate, GUARANTEE_WINDOW));
            Deep { service, request_max, beyond }
        })
        .filter(|deep| deep.beyond > 0)
        .collect();
    deep.sort_by(|one, other| other.beyond.cmp(&one.beyond).then_with(|| one.service.cmp(other.service)));
    deep
}
