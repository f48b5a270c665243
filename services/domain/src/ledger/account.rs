//! One service's account in a pool: what it may borrow, its budgets, and what it drew, used and gave back. Its guarantee's
//! level stands in [`super::levels`], with everybody's.

use crate::amount::Tokens;
use crate::bucket::{Bucket, Level, Plan};
use crate::budget::BudgetState;
use crate::ids::ServiceId;
use crate::ledger::Quantity;
use crate::ledger::retry::Borrowing;
use crate::policy::Terms;
use crate::time::Timestamp;

/// Sums since the beginning of the journal.
///
/// `drawn + overdrawn = settled + outstanding + returned + lapsed`, to the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Taken from the buckets for slices.
    pub drawn: Tokens,
    /// Taken from the buckets for use above a hold: the debt movements.
    pub overdrawn: Tokens,
    /// Used, as settled.
    pub settled: Tokens,
    /// In slices now: held, or not handed out yet.
    pub outstanding: Tokens,
    /// Given back: what was not handed out of slices, and the unused part of settled holds.
    pub returned: Tokens,
    /// Counted as spent for good: what was left of lapsed slices when they were forgotten.
    pub lapsed: Tokens,
}

/// An account. Outlives its allocation, because what is held can still be settled and debt is not forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub(super) service: ServiceId,
    /// What the service is entitled to; none if it has no allocation.
    pub(super) terms: Option<Terms>,
    /// What it may borrow.
    pub(super) borrow: Bucket,
    /// How that refills.
    pub(super) borrow_plan: Plan,
    pub(super) budgets: Vec<BudgetState>,
    /// In slices now; as `totals.outstanding`, with money.
    pub(super) outstanding: Quantity,
    /// The part of it that is in lapsed slices. Budgets have counted that as spent when it lapsed.
    pub(super) lapsed: Quantity,
    pub(super) totals: Totals,
}

impl Account {
    pub(super) fn new(service: ServiceId) -> Self {
        Self {
            service,
            terms: None,
            borrow: Bucket::new(Level::ZERO, Timestamp::EPOCH),
            borrow_plan: Plan::none(),
            budgets: Vec::new(),
            outstanding: Quantity::ZERO,
            lapsed: Quantity::ZERO,
            totals: Totals::default(),
        }
    }

    /// Whose account it is.
    pub fn service(&self) -> &ServiceId {
        &self.service
    }

    /// What the service is entitled to, bursts not counted; none if it has no allocation.
    pub fn terms(&self) -> Option<&Terms> {
        self.terms.as_ref()
    }

    /// What it may still borrow at an instant, spare permitting.
    pub fn borrow_level_at(&self, now: Timestamp) -> Level {
        self.borrow.level_at(&self.borrow_plan, now)
    }

    /// How what it may borrow refills.
    pub fn borrow_plan(&self) -> &Plan {
        &self.borrow_plan
    }

    /// Its budgets.
    pub fn budgets(&self) -> &[BudgetState] {
        &self.budgets
    }

    /// In slices now.
    pub fn outstanding(&self) -> Quantity {
        self.outstanding
    }

    /// What budgets count beside what was settled: in slices now, lapsed ones apart.
    pub fn drawn(&self) -> Quantity {
        self.outstanding.less(self.lapsed)
    }

    /// Sums since the beginning.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    pub(super) fn borrowing(&self, threshold_percent: u8) -> Borrowing<'_> {
        Borrowing { bucket: &self.borrow, plan: &self.borrow_plan, threshold_percent }
    }

    /// Takes away from what is outstanding.
    pub(super) fn no_longer_outstanding(&mut self, part: Quantity) {
        self.outstanding = self.outstanding.less(part);
        self.totals.outstanding = self.totals.outstanding.saturating_sub(part.tokens);
    }
}
