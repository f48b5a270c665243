//! One service's account in a pool: its guarantee bucket and what it held, used and gave back.

use crate::amount::Tokens;
use crate::bucket::{Bucket, Level, Plan};
use crate::ledger::Terms;
use crate::time::Timestamp;

/// Sums since the beginning of the journal. `drawn + overdrawn = settled + held + returned`, to the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Taken from the bucket for holds.
    pub drawn: Tokens,
    /// Taken from the bucket for use above a hold: the debt movements.
    pub overdrawn: Tokens,
    /// Used, as settled.
    pub settled: Tokens,
    /// In holds now.
    pub held: Tokens,
    /// Given back: the unused part of settled holds, and released holds.
    pub returned: Tokens,
}

/// An account. Outlives its allocation, because what is held can still be settled and debt is not forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What the service is entitled to; none if it has no allocation.
    pub(super) terms: Option<Terms>,
    /// How the guarantee refills.
    pub(super) plan: Plan,
    /// The guarantee.
    pub(super) guarantee: Bucket,
    pub(super) totals: Totals,
    /// How many holds are outstanding.
    pub(super) holds: u64,
}

impl Account {
    pub(super) fn new() -> Self {
        Self {
            terms: None,
            plan: Plan::none(),
            guarantee: Bucket::new(Level::ZERO, Timestamp::EPOCH),
            totals: Totals::default(),
            holds: 0,
        }
    }

    /// What the service is entitled to, bursts not counted; none if it has no allocation.
    pub fn terms(&self) -> Option<Terms> {
        self.terms
    }

    /// How its guarantee refills.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Sums since the beginning.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// How many holds are outstanding.
    pub fn holds(&self) -> u64 {
        self.holds
    }

    /// The guarantee's level at an instant.
    pub fn level_at(&self, now: Timestamp) -> Level {
        self.guarantee.level_at(&self.plan, now)
    }
}
