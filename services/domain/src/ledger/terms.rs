//! What a pool is and who is entitled to what in it: the part of a ledger that people decide.
//!
//! Keeps what was decided, says what a change would bring, and turns it into plans of refill. Whether a change may be
//! made is decided in [`crate::ledger::decide_change`]; whether guarantees fit is weighed in [`crate::ledger::shortage`].
//! Moves no tokens.

mod plans;
#[cfg(test)]
mod scenarios;

pub(in crate::ledger) use plans::Steps;
pub use plans::{GUARANTEE_WINDOW, POOL_WINDOW};

use std::collections::{BTreeMap, BTreeSet};

use crate::amount::TokensPerMinute;
use crate::authorship::Authorship;
use crate::burst::{BurstRecord, Verdict};
use crate::ids::{BurstId, ServiceId};
use crate::ledger::{Change, Governed, TermsChanged};
use crate::policy::{Pool, Terms};
use crate::time::Timestamp;

/// What was decided about a pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PoolTerms {
    pool: Option<Pool>,
    allocations: BTreeMap<ServiceId, Terms>,
    bursts: BTreeMap<BurstId, BurstRecord>,
    /// The bursts of each service that has or had one, by name.
    bursts_of: BTreeMap<ServiceId, BTreeSet<BurstId>>,
    version: u64,
}

impl PoolTerms {
    /// What was decided, from its parts: a snapshot's.
    pub fn from_parts(
        pool: Option<Pool>,
        allocations: BTreeMap<ServiceId, Terms>,
        bursts: impl IntoIterator<Item = BurstRecord>,
        version: u64,
    ) -> Self {
        let mut terms = Self { pool, allocations, version, ..Self::default() };
        bursts.into_iter().for_each(|record| terms.record(record));
        terms
    }

    /// What the pool is; none before it is defined and after it is removed.
    pub fn pool(&self) -> Option<&Pool> {
        self.pool.as_ref()
    }

    /// Who is entitled to what, bursts not counted.
    pub fn allocations(&self) -> &BTreeMap<ServiceId, Terms> {
        &self.allocations
    }

    /// All bursts since the pool was defined, whatever became of them.
    pub fn bursts(&self) -> &BTreeMap<BurstId, BurstRecord> {
        &self.bursts
    }

    /// The bursts of a service, whatever became of them.
    pub fn bursts_of(&self, service: &ServiceId) -> impl Iterator<Item = &BurstRecord> {
        self.bursts_of.get(service).into_iter().flatten().filter_map(|burst| self.bursts.get(burst))
    }

    /// How many decisions were made about the pool. Goes on when it is removed.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The pool's capacity; zero while it is not defined.
    pub fn capacity(&self) -> TokensPerMinute {
        self.pool.as_ref().map_or(TokensPerMinute::ZERO, |pool| pool.capacity)
    }

    /// Whether the same is decided, after however many decisions.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.pool == other.pool && self.allocations == other.allocations && self.bursts == other.bursts
    }

    /// What a change would bring; none if it is so already, or is about a burst that is not known.
    pub fn difference(&self, change: &Change) -> Option<TermsChanged> {
        match change {
            Change::DefinePool(pool) => {
                (self.pool.as_ref() != Some(pool)).then(|| TermsChanged::PoolDefined(pool.clone()))
            }
            Change::RemovePool => self.pool.is_some().then_some(TermsChanged::PoolRemoved),
            Change::SetAllocation { service, terms } => (self.allocations.get(service) != Some(terms))
                .then(|| TermsChanged::AllocationSet { service: service.clone(), terms: terms.clone() }),
            Change::RemoveAllocation { service } => self
                .allocations
                .contains_key(service)
                .then(|| TermsChanged::AllocationRemoved { service: service.clone() }),
            _ => self.difference_of_burst(change),
        }
    }

    fn difference_of_burst(&self, change: &Change) -> Option<TermsChanged> {
        let known = |burst: &BurstId| self.bursts.get(burst);
        match change {
            Change::GrantBurst(granted) => {
                let so = known(&granted.burst.id).and_then(BurstRecord::grant);
                (so.as_ref() != Some(granted)).then(|| TermsChanged::BurstGranted(granted.clone()))
            }
            Change::RequestBurst(burst) => {
                let so = known(&burst.id).is_some_and(|record| record.burst == *burst);
                (!so).then(|| TermsChanged::BurstRequested(burst.clone()))
            }
            Change::ApproveBurst { burst, approval } => known(burst)
                .filter(|record| record.approval() != Some(*approval))
                .map(|_| TermsChanged::BurstApproved { burst: burst.clone(), approval: *approval }),
            Change::DenyBurst { burst } => known(burst)
                .filter(|record| !matches!(record.verdict, Verdict::Denied { .. }))
                .map(|_| TermsChanged::BurstDenied { burst: burst.clone() }),
            Change::RevokeBurst { burst } => known(burst)
                .filter(|record| !matches!(record.verdict, Verdict::Revoked { .. }))
                .map(|_| TermsChanged::BurstRevoked { burst: burst.clone() }),
            Change::ExtendBurst { burst, end } => known(burst)
                .filter(|record| record.burst.window.end() != *end)
                .map(|_| TermsChanged::BurstExtended { burst: burst.clone(), end: *end }),
            Change::DefinePool(_)
            | Change::RemovePool
            | Change::SetAllocation { .. }
            | Change::RemoveAllocation { .. } => None,
        }
    }

    /// Makes a decision so.
    pub fn evolve(&mut self, governed: &Governed) {
        let Governed { by, what } = governed;
        self.version += 1;
        match what {
            TermsChanged::PoolDefined(pool) => self.pool = Some(pool.clone()),
            TermsChanged::PoolRemoved => *self = Self { version: self.version, ..Self::default() },
            TermsChanged::AllocationSet { service, terms } => {
                self.allocations.insert(service.clone(), terms.clone());
            }
            TermsChanged::AllocationRemoved { service } => self.remove_allocation(service, by),
            TermsChanged::BurstGranted(granted) => self.record(BurstRecord::granted(granted)),
            TermsChanged::BurstRequested(burst) => self.record(BurstRecord::requested(burst)),
            TermsChanged::BurstApproved { burst, approval } => {
                let verdict = Verdict::Approved { approval: *approval, approver: by.author.clone() };
                self.judge(burst, verdict);
            }
            TermsChanged::BurstDenied { burst } => {
                self.judge(burst, Verdict::Denied { by: by.author.clone(), reason: by.reason.clone() });
            }
            TermsChanged::BurstRevoked { burst } => self.judge(burst, revoked(by)),
            TermsChanged::BurstExtended { burst, end } => self.extend(burst, *end),
        }
    }

    fn record(&mut self, record: BurstRecord) {
        let (id, service) = (record.burst.id.clone(), record.burst.service.clone());
        let before = self.bursts.insert(id.clone(), record);
        if let Some(before) = before.filter(|before| before.burst.service != service)
            && let Some(bursts) = self.bursts_of.get_mut(&before.burst.service)
        {
            bursts.remove(&id);
            if bursts.is_empty() {
                self.bursts_of.remove(&before.burst.service);
            }
        }
        self.bursts_of.entry(service).or_default().insert(id);
    }

    fn judge(&mut self, burst: &BurstId, verdict: Verdict) {
        if let Some(record) = self.bursts.get_mut(burst) {
            record.verdict = verdict;
        }
    }

    fn extend(&mut self, burst: &BurstId, end: Timestamp) {
        if let Some(record) = self.bursts.get_mut(burst) {
            record.extend(end);
        }
    }

    /// What is left of the service's bursts is revoked with its allocation, and does not come back with another.
    fn remove_allocation(&mut self, service: &ServiceId, by: &Authorship) {
        self.allocations.remove(service);
        for burst in self.bursts_of.get(service).into_iter().flatten() {
            if let Some(record) = self.bursts.get_mut(burst).filter(|record| record.phase(by.at).is_open()) {
                record.verdict = revoked(by);
            }
        }
    }
}

fn revoked(by: &Authorship) -> Verdict {
    Verdict::Revoked { by: by.author.clone(), reason: by.reason.clone(), at: by.at }
}
