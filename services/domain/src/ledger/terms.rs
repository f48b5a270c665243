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
use crate::ledger::{Change, ChangeRefused, Governed, TermsChanged};
use crate::policy::{Pool, Terms};
use crate::time::Timestamp;

/// Bursts of one allocation that somebody must decide on, that are coming, or that count: one a day for two months. Each is
/// two edges of the allocation's plan, which are weighed with every decision that may raise a guarantee.
pub const BURSTS_OPEN_MAX: usize = 64;
/// Bursts that a pool remembers, whatever became of them: 64 allocations with as many as they may have, in 2 MB. Of more
/// the first to have ended is forgotten, and with it that its name was used. One that could still count is not.
pub const BURSTS_KEPT_MAX: usize = 4_096;

/// What was decided about a pool.
#[derive(Debug, Clone, Default)]
pub struct PoolTerms {
    pool: Option<Pool>,
    allocations: BTreeMap<ServiceId, Terms>,
    bursts: BTreeMap<BurstId, BurstRecord>,
    /// The bursts of each service that were open when its bursts were last decided on: all that may count from then on.
    open_of: BTreeMap<ServiceId, BTreeSet<BurstId>>,
    version: u64,
}

/// Terms are equal if the same is decided after as many decisions; how they came about does not matter.
impl PartialEq for PoolTerms {
    fn eq(&self, other: &Self) -> bool {
        self.version == other.version && self.is_same_as(other)
    }
}

impl Eq for PoolTerms {}

impl PoolTerms {
    /// What was decided, from its parts: a snapshot's.
    pub fn from_parts(
        pool: Option<Pool>,
        allocations: BTreeMap<ServiceId, Terms>,
        bursts: impl IntoIterator<Item = BurstRecord>,
        version: u64,
    ) -> Self {
        let mut terms = Self { pool, allocations, version, ..Self::default() };
        for record in bursts {
            terms.list(&record);
            terms.bursts.insert(record.burst.id.clone(), record);
        }
        terms
    }

    /// The same for whoever looks back: bursts that are over are weighed where they counted.
    #[must_use]
    pub fn with_past(&self) -> Self {
        let bursts = self.bursts.values().cloned();
        Self::from_parts(self.pool.clone(), self.allocations.clone(), bursts, self.version)
    }

    /// What the pool is; none before it is defined and after it is removed.
    pub fn pool(&self) -> Option<&Pool> {
        self.pool.as_ref()
    }

    /// Who is entitled to what, bursts not counted.
    pub fn allocations(&self) -> &BTreeMap<ServiceId, Terms> {
        &self.allocations
    }

    /// The last [`BURSTS_KEPT_MAX`] bursts since the pool was defined, whatever became of them.
    pub fn bursts(&self) -> &BTreeMap<BurstId, BurstRecord> {
        &self.bursts
    }

    /// The bursts of a service that may count from the last decision about them on. Others may be among them.
    pub fn bursts_of(&self, service: &ServiceId) -> impl Iterator<Item = &BurstRecord> {
        self.open_of.get(service).into_iter().flatten().filter_map(|burst| self.bursts.get(burst))
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
            // What is owed terms do not know: whoever asks looks at the ledger first.
            Change::ForgiveDebt { version, .. } => {
                (self.version == *version).then(|| TermsChanged::from(change.clone()))
            }
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
            | Change::RemoveAllocation { .. }
            | Change::ForgiveDebt { .. } => None,
        }
    }

    /// Makes a decision so.
    pub fn evolve(&mut self, governed: &Governed) {
        let Governed { by, what } = governed;
        self.version += 1;
        match what {
            TermsChanged::PoolDefined(pool) => self.pool = Some(pool.clone()),
            TermsChanged::DebtForgiven { .. } => {}
            TermsChanged::PoolRemoved => *self = Self { version: self.version, ..Self::default() },
            TermsChanged::AllocationSet { service, terms } => {
                self.allocations.insert(service.clone(), terms.clone());
                self.unlist_over(service, by.at);
            }
            TermsChanged::AllocationRemoved { service } => self.remove_allocation(service, by),
            TermsChanged::BurstGranted(granted) => {
                self.record(BurstRecord::granted(granted, &by.reason), by.at);
            }
            TermsChanged::BurstRequested(burst) => self.record(BurstRecord::requested(burst), by.at),
            TermsChanged::BurstApproved { burst, approval } => {
                let (approver, reason) = (by.author.clone(), by.reason.clone());
                let verdict = Verdict::Approved { approval: *approval, approver, reason };
                self.judge(burst, verdict, by.at);
            }
            TermsChanged::BurstDenied { burst } => {
                let (author, reason) = (by.author.clone(), by.reason.clone());
                self.judge(burst, Verdict::Denied { by: author, reason }, by.at);
            }
            TermsChanged::BurstRevoked { burst } => self.judge(burst, revoked(by), by.at),
            TermsChanged::BurstExtended { burst, end } => {
                self.alter(burst, by.at, |record| record.extend(*end));
            }
        }
    }

    fn record(&mut self, record: BurstRecord, now: Timestamp) {
        if let Some(before) = self.forget(&record.burst.id) {
            self.unlist_over(&before.burst.service, now);
        }
        self.unlist_over(&record.burst.service, now);
        self.list(&record);
        self.bursts.insert(record.burst.id.clone(), record);
        if self.bursts.len() > BURSTS_KEPT_MAX {
            let ended = self.ended(now).min_by_key(|record| (record.burst.window.end(), &record.burst.id));
            if let Some(first) = ended.map(|record| record.burst.id.clone()) {
                self.forget(&first);
            }
        }
    }

    fn forget(&mut self, burst: &BurstId) -> Option<BurstRecord> {
        let record = self.bursts.remove(burst)?;
        if let Some(open) = self.open_of.get_mut(&record.burst.service) {
            open.remove(burst);
        }
        Some(record)
    }

    fn list(&mut self, record: &BurstRecord) {
        let open = self.open_of.entry(record.burst.service.clone()).or_default();
        open.insert(record.burst.id.clone());
    }

    /// What is over does not count again, unless it is granted anew.
    fn unlist_over(&mut self, service: &ServiceId, now: Timestamp) {
        let Some(open) = self.open_of.get_mut(service) else { return };
        open.retain(|burst| self.bursts.get(burst).is_some_and(|record| record.phase(now).is_open()));
        if open.is_empty() {
            self.open_of.remove(service);
        }
    }

    /// The bursts that can never count again: their windows have ended.
    fn ended(&self, now: Timestamp) -> impl Iterator<Item = &BurstRecord> {
        self.bursts.values().filter(move |record| record.burst.window.end() <= now)
    }

    /// Why a service can have no further burst; none if it can.
    pub(in crate::ledger) fn full_of_bursts(
        &self,
        service: &ServiceId,
        now: Timestamp,
    ) -> Option<ChangeRefused> {
        let open = self.bursts_of(service).filter(|record| record.phase(now).is_open()).count();
        if open >= BURSTS_OPEN_MAX {
            return Some(ChangeRefused::TooManyBursts { service: service.clone(), open });
        }
        let kept = self.bursts.len();
        let full = kept >= BURSTS_KEPT_MAX && self.ended(now).next().is_none();
        full.then_some(ChangeRefused::BurstsFull { kept })
    }

    fn judge(&mut self, burst: &BurstId, verdict: Verdict, now: Timestamp) {
        self.alter(burst, now, |record| record.verdict = verdict);
    }

    fn alter(&mut self, burst: &BurstId, now: Timestamp, how: impl FnOnce(&mut BurstRecord)) {
        if let Some(record) = self.bursts.get_mut(burst) {
            how(record);
            let record = record.clone();
            self.list(&record);
            self.unlist_over(&record.burst.service, now);
        }
    }

    /// What is left of the service's bursts is revoked with its allocation, and does not come back with another.
    fn remove_allocation(&mut self, service: &ServiceId, by: &Authorship) {
        self.allocations.remove(service);
        for burst in self.open_of.get(service).into_iter().flatten() {
            if let Some(record) = self.bursts.get_mut(burst).filter(|record| record.phase(by.at).is_open()) {
                record.verdict = revoked(by);
            }
        }
        self.open_of.remove(service);
    }
}

fn revoked(by: &Authorship) -> Verdict {
    Verdict::Revoked { by: by.author.clone(), reason: by.reason.clone(), at: by.at }
}
