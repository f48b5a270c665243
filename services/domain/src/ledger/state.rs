//! The ledger's state and what can be read from it.

use std::collections::HashMap;

use crate::bucket::{Bucket, Level, Plan};
use crate::ids::ServiceId;
use crate::ledger::{Account, Holds, PoolTerms};
use crate::time::Timestamp;

/// All that is known of one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    pub(super) terms: PoolTerms,
    /// Whether the pool was ever defined: it begins full, once.
    pub(super) opened: bool,
    pub(super) plan: Plan,
    pub(super) pool: Bucket,
    pub(super) accounts: HashMap<ServiceId, Account>,
    pub(super) holds: Holds,
    /// The time of the last event. The ledger's time is never before it.
    pub(super) at: Timestamp,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            terms: PoolTerms::default(),
            opened: false,
            plan: Plan::none(),
            pool: Bucket::new(Level::ZERO, Timestamp::EPOCH),
            accounts: HashMap::new(),
            holds: Holds::default(),
            at: Timestamp::EPOCH,
        }
    }
}

impl Ledger {
    /// The ledger's time: `now`, or the time of the last event if a clock went back.
    pub fn time(&self, now: Timestamp) -> Timestamp {
        now.max(self.at)
    }

    /// What was decided about the pool.
    pub fn terms(&self) -> &PoolTerms {
        &self.terms
    }

    /// A service's account; none if it never had one.
    pub fn account(&self, service: &ServiceId) -> Option<&Account> {
        self.accounts.get(service)
    }

    /// All accounts, in no order.
    pub fn accounts(&self) -> impl Iterator<Item = (&ServiceId, &Account)> {
        self.accounts.iter()
    }

    /// All holds.
    pub fn holds(&self) -> &Holds {
        &self.holds
    }

    /// How the pool refills.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The pool's level at an instant.
    pub fn pool_level_at(&self, now: Timestamp) -> Level {
        self.pool.level_at(&self.plan, self.time(now))
    }

    /// What the pool holds beyond every guarantee at an instant; negative if debt has eaten into guarantees.
    ///
    /// Costs time in proportion to the number of accounts; no reservation needs it.
    pub fn spare_at(&self, now: Timestamp) -> Level {
        let now = self.time(now);
        let guaranteed = self
            .accounts
            .values()
            .map(|account| account.level_at(now).max(Level::ZERO))
            .fold(Level::ZERO, Level::plus);
        self.pool_level_at(now).minus(guaranteed)
    }

    /// By how much the pool falls short of its guarantees at an instant. Only debt can bring this about.
    pub fn deficit_at(&self, now: Timestamp) -> Level {
        Level::ZERO.minus(self.spare_at(now)).max(Level::ZERO)
    }
}
