//! Whether all guarantees together fit their pool, at every instant to come.
//!
//! Two sums may never exceed the pool's: the rates (what guarantees refill with) and the depths (what they may take at
//! once). Both change only where a burst begins or ends and where an allocation lapses, so those are the instants that
//! are weighed, once each and in order. A third, of requests a minute, is the same at all times, and is weighed where the
//! pool limits them.

use crate::amount::{RequestsPerMinute, Tokens, TokensPerMinute};
use crate::bucket::{Level, Segment};
use crate::ledger::PoolTerms;
use crate::ledger::terms::Steps;
use crate::time::Timestamp;

/// By how much guarantees exceed their pool, at the worst instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shortage {
    /// That instant.
    pub at: Timestamp,
    /// How much more is guaranteed a minute than the pool has.
    pub rate: TokensPerMinute,
    /// How many tokens more could be taken at once than the pool holds.
    pub depth: Tokens,
    /// How many requests a minute more are allocated than the pool has.
    pub requests: RequestsPerMinute,
    /// How many allocations state no requests a minute, though the pool limits them.
    pub requests_unstated: u64,
}

/// The worst instant from `now` on at which guarantees exceed the pool; none if they always fit.
///
/// Worst is the largest excess of rate, and where rates fit, of depth; of equal ones the first.
pub fn shortage(terms: &PoolTerms, now: Timestamp) -> Option<Shortage> {
    let capacity = Sum::of(terms.plan_of_pool().at(now));
    let mut sum = Sum::default();
    let mut edges = Vec::new();
    for (service, held) in terms.allocations() {
        sum = sum.plus(weigh(&terms.guarantee(service, held), now, &mut edges));
    }
    edges.sort_unstable_by_key(|(at, _)| *at);
    let mut worst = (sum.excess(capacity), now);
    for same in edges.chunk_by(|(one, _), (next, _)| one == next) {
        sum = same.iter().fold(sum, |sum, (_, step)| sum.plus(*step));
        let excess = sum.excess(capacity);
        if excess > worst.0 {
            worst = (excess, same[0].0);
        }
    }
    let ((rate, depth), at) = worst;
    let (requests, requests_unstated) = excess_requests(terms);
    let found = Shortage { at, rate, depth, requests, requests_unstated };
    (found != Shortage { at, ..Shortage::default() }).then_some(found)
}

/// What a guarantee is now. What it becomes later is added to the edges.
fn weigh(guarantee: &Steps, now: Timestamp, edges: &mut Vec<(Timestamp, Sum)>) -> Sum {
    let begun = guarantee.later.partition_point(|segment| segment.from <= now);
    let (past, to_come) = guarantee.later.split_at(begun);
    let first = past.last().map_or(Sum::new(guarantee.before), |segment| Sum::of(*segment));
    let mut before = first;
    for segment in to_come {
        let after = Sum::of(*segment);
        edges.push((segment.from, after.minus(before)));
        before = after;
    }
    first
}

fn excess_requests(terms: &PoolTerms) -> (RequestsPerMinute, u64) {
    let Some(limit) = terms.pool().and_then(|pool| pool.requests) else {
        return (RequestsPerMinute::ZERO, 0);
    };
    let stated: RequestsPerMinute = terms.allocations().values().filter_map(|held| held.requests).sum();
    let unstated = terms.allocations().values().filter(|held| held.requests.is_none()).count();
    (stated.saturating_sub(limit), u64::try_from(unstated).unwrap_or(u64::MAX))
}

/// Rates and depths together, or how they change.
#[derive(Clone, Copy, Default)]
struct Sum {
    rate: i128,
    depth: Level,
}

impl Sum {
    fn new((rate, depth): (TokensPerMinute, Level)) -> Self {
        Self { rate: i128::from(rate.get()), depth }
    }

    fn of(segment: Segment) -> Self {
        Self::new((segment.rate, segment.depth))
    }

    fn plus(self, other: Self) -> Self {
        Self { rate: self.rate + other.rate, depth: self.depth.plus(other.depth) }
    }

    fn minus(self, other: Self) -> Self {
        Self { rate: self.rate - other.rate, depth: self.depth.minus(other.depth) }
    }

    fn excess(self, capacity: Self) -> (TokensPerMinute, Tokens) {
        let rate = u64::try_from((self.rate - capacity.rate).max(0)).unwrap_or(u64::MAX);
        (TokensPerMinute::new(rate), capacity.depth.minus(self.depth).debt())
    }
}
