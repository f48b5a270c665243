//! What a pool is and who is entitled to what in it: the part of a ledger that people decide.
//!
//! Turns allocations and bursts into plans of refill, and checks that all guarantees together fit the pool at every
//! instant to come. Moves no tokens.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::amount::{Tokens, TokensPerMinute};
use crate::bucket::{Level, Plan, Segment};
use crate::ids::{BurstId, ServiceId};
use crate::ledger::{Change, Terms, TermsChanged};
use crate::policy::{Burst, Pool};
use crate::time::Timestamp;

/// How long an unused guarantee accumulates: the depth of a guarantee is its rate over this span.
pub const GUARANTEE_WINDOW: Duration = Duration::from_secs(10);
/// How long an unused pool accumulates: one minute, the window in which upstreams count.
pub const POOL_WINDOW: Duration = Duration::from_mins(1);

/// What was decided about a pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PoolTerms {
    pool: Option<Pool>,
    allocations: BTreeMap<ServiceId, Terms>,
    bursts: BTreeMap<BurstId, Burst>,
}

impl PoolTerms {
    /// What the pool is; none before it is defined and after it is removed.
    pub fn pool(&self) -> Option<&Pool> {
        self.pool.as_ref()
    }

    /// Who is entitled to what, bursts not counted.
    pub fn allocations(&self) -> &BTreeMap<ServiceId, Terms> {
        &self.allocations
    }

    /// All bursts, over ones included.
    pub fn bursts(&self) -> &BTreeMap<BurstId, Burst> {
        &self.bursts
    }

    /// The pool's capacity; zero while it is not defined.
    pub fn capacity(&self) -> TokensPerMinute {
        self.pool.as_ref().map_or(TokensPerMinute::ZERO, |pool| pool.capacity)
    }

    /// What a change would bring; none if it is so already.
    pub fn difference(&self, change: &Change) -> Option<TermsChanged> {
        match change {
            Change::DefinePool(pool) => {
                (self.pool.as_ref() != Some(pool)).then(|| TermsChanged::PoolDefined(pool.clone()))
            }
            Change::RemovePool => self.pool.is_some().then_some(TermsChanged::PoolRemoved),
            Change::SetAllocation { service, terms } => (self.allocations.get(service) != Some(terms))
                .then(|| TermsChanged::AllocationSet { service: service.clone(), terms: *terms }),
            Change::RemoveAllocation { service } => self
                .allocations
                .contains_key(service)
                .then(|| TermsChanged::AllocationRemoved { service: service.clone() }),
            Change::GrantBurst(burst) => {
                (self.bursts.get(&burst.id) != Some(burst)).then(|| TermsChanged::BurstGranted(burst.clone()))
            }
            Change::RevokeBurst { burst } => {
                self.bursts.contains_key(burst).then(|| TermsChanged::BurstRevoked { burst: burst.clone() })
            }
        }
    }

    /// Makes a decision so.
    pub fn evolve(&mut self, what: &TermsChanged) {
        match what {
            TermsChanged::PoolDefined(pool) => self.pool = Some(pool.clone()),
            TermsChanged::PoolRemoved => *self = Self::default(),
            TermsChanged::AllocationSet { service, terms } => {
                self.allocations.insert(service.clone(), *terms);
            }
            TermsChanged::AllocationRemoved { service } => {
                self.allocations.remove(service);
                self.bursts.retain(|_, burst| burst.service != *service);
            }
            TermsChanged::BurstGranted(burst) => {
                self.bursts.insert(burst.id.clone(), burst.clone());
            }
            TermsChanged::BurstRevoked { burst } => {
                self.bursts.remove(burst);
            }
        }
    }

    /// The bursts of a service, over ones included.
    pub fn bursts_of(&self, service: &ServiceId) -> impl Iterator<Item = &Burst> {
        self.bursts.values().filter(move |burst| burst.service == *service)
    }

    /// How the pool refills: at its capacity, a minute deep.
    pub fn plan_of_pool(&self) -> Plan {
        Plan::flat(self.capacity(), over(self.capacity(), POOL_WINDOW))
    }

    /// How a service's guarantee refills: its baseline and, within their windows, its bursts.
    pub fn plan_of(&self, service: &ServiceId) -> Plan {
        let Some(terms) = self.allocations.get(service) else { return Plan::none() };
        let bursts: Vec<&Burst> = self.bursts_of(service).collect();
        let mut edges: Vec<Timestamp> =
            bursts.iter().flat_map(|burst| [burst.window.start(), burst.window.end()]).collect();
        edges.sort_unstable();
        edges.dedup();
        let segment = |from| {
            let rate = terms.baseline + active(&bursts, from);
            Segment { from, rate, depth: depth(rate, terms.request_max) }
        };
        Plan::flat(terms.baseline, depth(terms.baseline, terms.request_max))
            .followed_by(edges.into_iter().map(segment))
    }
}

fn active(bursts: &[&Burst], at: Timestamp) -> TokensPerMinute {
    bursts.iter().filter(|burst| burst.window.contains(at)).map(|burst| burst.extra).sum()
}

/// How deep a guarantee is: its window, or its largest request if that is more. Nothing is guaranteed at no rate.
fn depth(rate: TokensPerMinute, request_max: Tokens) -> Level {
    if rate == TokensPerMinute::ZERO {
        return Level::ZERO;
    }
    over(rate, GUARANTEE_WINDOW).max(Level::from_tokens(request_max))
}

fn over(rate: TokensPerMinute, window: Duration) -> Level {
    Level::from_rate(rate, i128::try_from(window.as_nanos()).unwrap_or(i128::MAX))
}
