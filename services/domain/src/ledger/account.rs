//! One service's account in a pool: what it may borrow, its budgets, and what it drew, used and gave back. Its guarantee's
//! level stands in [`super::levels`], with everybody's.

use crate::amount::Tokens;
use crate::bucket::{Bucket, Level, Plan};
use crate::budget::BudgetState;
use crate::ids::ServiceId;
use crate::ledger::Quantity;
use crate::ledger::retry::Borrowing;
use crate::ledger::slice::Charged;
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
    /// Of what was overdrawn: owed no more, by adjustment, and not repaid by refill.
    pub forgiven: Tokens,
}

/// An account. Outlives its allocation, because what is held can still be settled and debt is not forgotten. What every settle
/// changes comes first, in two lines of a processor's cache.
#[derive(Debug, Clone, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Account {
    pub(super) service: ServiceId,
    pub(super) budgets: Vec<BudgetState>,
    /// In slices now; as `totals.outstanding`, with money.
    pub(super) outstanding: Quantity,
    /// The part of it that is in lapsed slices. Budgets have counted that as spent when it lapsed.
    pub(super) in_lapsed: Quantity,
    /// How many of its slices have lapsed.
    pub(super) lapses: u64,
    pub(super) totals: Totals,
    /// What the service is entitled to; none if it has no allocation.
    pub(super) terms: Option<Terms>,
    /// What it may borrow.
    pub(super) borrow: Bucket,
    /// How that refills.
    pub(super) borrow_plan: Plan,
    /// What it could borrow had it never done so: not all of its depth where a burst has begun.
    pub(super) unborrowed: Bucket,
}

impl Account {
    pub(super) fn new(service: ServiceId) -> Self {
        Self {
            service,
            terms: None,
            borrow: Bucket::new(Level::ZERO, Timestamp::EPOCH),
            borrow_plan: Plan::none(),
            unborrowed: Bucket::new(Level::ZERO, Timestamp::EPOCH),
            budgets: Vec::new(),
            outstanding: Quantity::ZERO,
            in_lapsed: Quantity::ZERO,
            lapses: 0,
            totals: Totals::default(),
        }
    }

    /// Asks memory for all that every settle changes, at once.
    pub(crate) fn touch(&self) {
        std::hint::black_box((self.outstanding.tokens, self.totals.settled));
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

    /// Borrowed and not refilled yet.
    pub fn borrowed_at(&self, now: Timestamp) -> Level {
        let left = self.borrow_level_at(now).max(Level::ZERO);
        self.unborrowed.level_at(&self.borrow_plan, now).minus(left).max(Level::ZERO)
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
    pub fn outstanding_unlapsed(&self) -> Quantity {
        self.outstanding.less(self.in_lapsed)
    }

    /// Sums since the beginning.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    pub(super) fn borrowing(&self, threshold_percent: u8) -> Borrowing<'_> {
        Borrowing { bucket: &self.borrow, plan: &self.borrow_plan, threshold_percent }
    }

    /// A hold is replaced by what was used; its slice was the how-manieth to lapse, or did not.
    pub(super) fn settle(&mut self, used: Quantity, charged: Charged, lapse_number: u64) {
        let Charged { covered, refund, .. } = charged;
        let back = refund.quantity();
        self.totals.settled += used.tokens;
        self.totals.returned += back.tokens;
        self.no_longer_outstanding(covered.plus(back));
        if lapse_number == 0 {
            return self.budgets.iter_mut().for_each(|budget| budget.settle(used));
        }
        self.in_lapsed = self.in_lapsed.less(covered.plus(back));
        let beyond = used.less(covered);
        self.budgets.iter_mut().for_each(|budget| budget.settle_late(lapse_number, beyond, back));
    }

    /// What is left of a slice counts as spent. The how-manieth slice it is to do so.
    pub(super) fn lapse(&mut self, rest: Quantity) -> u64 {
        self.lapses += 1;
        self.in_lapsed = self.in_lapsed.plus(rest);
        self.budgets.iter_mut().for_each(|budget| budget.settle(rest));
        self.lapses
    }

    /// Takes away from what is outstanding.
    pub(super) fn no_longer_outstanding(&mut self, part: Quantity) {
        self.outstanding = self.outstanding.less(part);
        self.totals.outstanding = self.totals.outstanding.saturating_sub(part.tokens);
    }
}
