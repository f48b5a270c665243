//! Numbers of a policy that are sound and make no sense: rates that no provider sells, requests that nothing ever admits.

use crate::amount::{RequestsPerMinute, TokensPerMinute};
use crate::burst::BURST_EXTRA_MAX;
use crate::ids::{PoolId, ServiceId};
use crate::ledger::POOL_WINDOW;
use crate::policy::allocations::{place_of_allocation, place_of_request_max};
use crate::policy::problems::Findings;
use crate::policy::warnings::depth_of;
use crate::policy::{Policy, Pool, Terms, within};
use crate::time::Timestamp;

/// More tokens a minute than this are a slip, such as tokens of a month: some thousand times what the largest deployments
/// serve together. No burst may add more, either.
const SENSIBLE_RATE_MAX: TokensPerMinute = BURST_EXTRA_MAX;
/// So are more requests a minute, were each of one token only.
const SENSIBLE_REQUESTS_MAX: RequestsPerMinute = RequestsPerMinute::new(SENSIBLE_RATE_MAX.get());

/// Warns of rates beyond sense.
pub(super) fn warn_of_rates(policy: &Policy, found: &mut Findings) {
    for pool in &policy.pools {
        let place = format!("pool {}", pool.id);
        warn_of_rate(&place, "tokens_per_minute", pool.capacity, found);
        warn_of_requests(&place, pool.requests, found);
    }
    for service in &policy.services {
        for held in &service.allocations {
            let place = place_of_allocation(&service.id, &held.pool);
            warn_of_rate(&place, "baseline", held.terms.baseline, found);
            // A ceiling that is not stated is the baseline.
            if held.terms.ceiling != held.terms.baseline {
                warn_of_rate(&place, "ceiling", held.terms.ceiling, found);
            }
            warn_of_requests(&place, held.terms.requests, found);
        }
    }
}

fn warn_of_rate(place: &str, field: &str, rate: TokensPerMinute, found: &mut Findings) {
    if rate > SENSIBLE_RATE_MAX {
        let message = format!(
            "{field} is {rate} tokens a minute, and more than {SENSIBLE_RATE_MAX} is a slip as a rule; is it of a minute?"
        );
        found.add(format!("{place}, {field}"), message);
    }
}

fn warn_of_requests(place: &str, rate: Option<RequestsPerMinute>, found: &mut Findings) {
    if let Some(rate) = rate.filter(|rate| *rate > SENSIBLE_REQUESTS_MAX) {
        let message = format!(
            "requests_per_minute is {rate}, and more than {SENSIBLE_REQUESTS_MAX} is a slip as a rule; is it of a minute?"
        );
        found.add(format!("{place}, requests_per_minute"), message);
    }
}

/// Warns of largest requests that could only be borrowed, and that nothing ever leaves so much for.
///
/// With a baseline they are guaranteed, or do not fit, which is a problem. Without one it is no promise that breaks: what is
/// larger is refused, and told that it never passes. A burst makes a guarantee as deep as the largest request, or lets borrow
/// more: while one is in the policy that is not over, nothing is said.
pub(super) fn warn_of_requests_never_admitted(policy: &Policy, now: Timestamp, found: &mut Findings) {
    for pool in &policy.pools {
        let kept: u128 = of_pool(policy, &pool.id).map(|(_, terms)| depth_of(terms)).sum();
        for (service, terms) in of_pool(policy, &pool.id) {
            let most = most_borrowed(pool, terms, kept);
            // Who may never borrow lives by bursts alone, which are as deep as the largest request.
            let may_borrow = terms.baseline == TokensPerMinute::ZERO && terms.ceiling > TokensPerMinute::ZERO;
            let only_borrows = may_borrow && !has_burst(policy, service, &pool.id, now);
            if only_borrows && u128::from(terms.request_max.get()) > most {
                let message = format!(
                    "request_max is {}, and without a baseline {most} tokens at most can be borrowed at once: larger \
                     requests are refused, bursts aside; lower it, or state a baseline",
                    terms.request_max
                );
                found.add(place_of_request_max(service, &pool.id), message);
            }
        }
    }
}

fn has_burst(policy: &Policy, service: &ServiceId, pool: &PoolId, now: Timestamp) -> bool {
    let mut bursts = policy.bursts.iter().map(|granted| &granted.burst);
    bursts.any(|burst| burst.service == *service && burst.pool == *pool && burst.window.end() > now)
}

fn of_pool<'a>(policy: &'a Policy, pool: &'a PoolId) -> impl Iterator<Item = (&'a ServiceId, &'a Terms)> {
    policy.services.iter().flat_map(move |service| {
        let held = service.allocations.iter().filter(move |held| held.pool == *pool);
        held.map(|held| (&service.id, &held.terms))
    })
}

/// A minute of its ceiling, or what an idle pool leaves beside so much that is kept for guarantees, if that is less.
fn most_borrowed(pool: &Pool, terms: &Terms, kept: u128) -> u128 {
    let spare = within(pool.capacity, POOL_WINDOW).saturating_sub(kept);
    let percent = u128::from(100_u8.saturating_sub(pool.thresholds.of(terms.priority)));
    (spare * percent / 100).min(within(terms.ceiling, POOL_WINDOW))
}
