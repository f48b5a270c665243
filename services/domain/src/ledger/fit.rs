//! Whether all guarantees together fit their pool, at every instant to come.
//!
//! Two sums may never exceed the pool's: the rates (what guarantees refill with) and the depths (what they may take at
//! once). Both change only at the edges of bursts, so those are the instants that are weighed.

use std::collections::{BTreeMap, BTreeSet};

use crate::amount::{Tokens, TokensPerMinute};
use crate::bucket::{Level, Plan, Segment};
use crate::ids::ServiceId;
use crate::ledger::PoolTerms;
use crate::time::Timestamp;

/// By how much guarantees exceed their pool, at the worst instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortage {
    /// That instant.
    pub at: Timestamp,
    /// How much more is guaranteed a minute than the pool has.
    pub rate: TokensPerMinute,
    /// How many tokens more could be taken at once than the pool holds.
    pub depth: Tokens,
}

/// The worst instant from `now` on at which guarantees exceed the pool; none if they always fit.
///
/// Worst is the largest excess of rate, and where rates fit, of depth; of equal ones the first.
pub fn shortage(terms: &PoolTerms, now: Timestamp) -> Option<Shortage> {
    let plans: BTreeMap<&ServiceId, Plan> =
        terms.allocations().keys().map(|service| (service, terms.plan_of(service))).collect();
    let pool = terms.plan_of_pool().at(now);
    let mut sums = Sums::default();
    for plan in plans.values() {
        sums.add(plan.at(now));
    }
    let mut worst = sums.excess(pool, now);
    for (at, services) in edges(terms, now) {
        for plan in services.iter().filter_map(|service| plans.get(service)) {
            sums.replace(plan.at(just_before(at)), plan.at(at));
        }
        worst = worse(worst, sums.excess(pool, at));
    }
    worst
}

/// The instants to come at which a burst begins or ends, and whose.
fn edges(terms: &PoolTerms, now: Timestamp) -> BTreeMap<Timestamp, BTreeSet<&ServiceId>> {
    let mut edges: BTreeMap<Timestamp, BTreeSet<&ServiceId>> = BTreeMap::new();
    for burst in terms.bursts().values() {
        for at in [burst.window.start(), burst.window.end()].into_iter().filter(|at| *at > now) {
            edges.entry(at).or_default().insert(&burst.service);
        }
    }
    edges
}

fn just_before(at: Timestamp) -> Timestamp {
    Timestamp::from_nanos(at.as_nanos().saturating_sub(1))
}

fn worse(one: Option<Shortage>, other: Option<Shortage>) -> Option<Shortage> {
    match (one, other) {
        (Some(one), Some(other)) if (other.rate, other.depth) > (one.rate, one.depth) => Some(other),
        (None, other) => other,
        (one, _) => one,
    }
}

#[derive(Default)]
struct Sums {
    rate: i128,
    depth: Level,
}

impl Sums {
    fn add(&mut self, segment: Segment) {
        self.rate += i128::from(segment.rate.get());
        self.depth = self.depth.plus(segment.depth);
    }

    fn replace(&mut self, old: Segment, new: Segment) {
        self.rate -= i128::from(old.rate.get());
        self.depth = self.depth.minus(old.depth);
        self.add(new);
    }

    fn excess(&self, pool: Segment, at: Timestamp) -> Option<Shortage> {
        let rate = (self.rate - i128::from(pool.rate.get())).max(0);
        let rate = TokensPerMinute::new(u64::try_from(rate).unwrap_or(u64::MAX));
        let depth = pool.depth.minus(self.depth).debt();
        (rate > TokensPerMinute::ZERO || depth > Tokens::ZERO).then_some(Shortage { at, rate, depth })
    }
}
