//! How far a budget is used in its period.
//!
//! Amounts are in the budget's own unit: tokens, or nano-units of money. What is drawn and not settled yet is kept by the
//! account and given as an argument, so that it outlives a period's end: it counts in the period in which it is settled.

use crate::budget::{Budget, BudgetKind, BudgetLimit, Told};
use crate::ledger::Quantity;
use crate::time::{Timestamp, Window};

/// A budget and what was settled in its period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetState {
    /// The budget as it was decided last.
    pub budget: Budget,
    /// The period that is counted; none before anything was.
    pub period: Option<Window>,
    /// What was settled in it.
    pub settled: u64,
    /// Of which thresholds somebody was told in it.
    pub told: Told,
    /// How many of the account's slices had lapsed when it was opened: what those counted for is not in it.
    pub lapses_before: u64,
}

impl BudgetState {
    /// A budget of which nothing is used, and no period begun.
    pub const fn new(budget: Budget) -> Self {
        Self { budget, period: None, settled: 0, told: Told::NONE, lapses_before: 0 }
    }

    /// The same budget as it is decided now. What was settled is kept if the name, the period and the unit are still the
    /// same. A threshold that somebody was told of counts as told unless the new limit is so much higher that what was
    /// settled does not reach it.
    #[must_use]
    pub fn redefine(self, budget: Budget) -> Self {
        if self.budget == budget {
            return self;
        }
        if !counts_the_same(&self.budget, &budget) {
            return Self::new(budget);
        }
        let told = self.told;
        let mut redefined = Self { budget, ..self };
        let is_so = |percent: &u8| redefined.reaches(*percent, redefined.settled);
        redefined.told = told.iter().filter(is_so).collect();
        redefined
    }

    /// How much it is.
    pub const fn limit(&self) -> u64 {
        self.budget.limit.amount()
    }

    /// The part of a quantity that counts here.
    pub const fn part(&self, quantity: Quantity) -> u64 {
        match self.budget.limit {
            BudgetLimit::Tokens(_) => quantity.tokens.get(),
            BudgetLimit::Money(..) => quantity.money.get(),
        }
    }

    /// The period that must be opened before anything is counted at an instant; none while the current one lasts.
    pub fn opens(&self, now: Timestamp) -> Option<Window> {
        self.lasting(now).is_none().then(|| self.period_at(now))
    }

    /// The period that counts at an instant, whether or not it was opened.
    pub fn period_at(&self, now: Timestamp) -> Window {
        self.lasting(now).unwrap_or_else(|| self.budget.period.holding(now, self.budget.zone))
    }

    fn lasting(&self, now: Timestamp) -> Option<Window> {
        self.period.filter(|period| now < period.end())
    }

    /// Begins a period when so many slices have lapsed: nothing is settled in it, and nobody was told of anything.
    pub fn open(&mut self, period: Window, lapses_before: u64) {
        *self = Self { period: Some(period), lapses_before, ..Self::new(self.budget.clone()) };
    }

    /// Counts what was used.
    pub const fn settle(&mut self, used: Quantity) {
        self.settled = self.settled.saturating_add(self.part(used));
    }

    /// Counts what was used beyond a hold whose slice had lapsed as the how-manieth, and no more what comes back of it: if
    /// the lapse counted in this period, and not in one before.
    pub fn settle_late(&mut self, lapse_number: u64, beyond: Quantity, back: Quantity) {
        self.settle(beyond);
        if self.period.is_some() && lapse_number > self.lapses_before {
            self.settled = self.settled.saturating_sub(self.part(back));
        }
    }

    /// What is used of it: settled, or drawn and not settled yet.
    pub const fn used(&self, drawn: Quantity) -> u64 {
        self.settled.saturating_add(self.part(drawn))
    }

    /// What is left of it.
    pub const fn room(&self, drawn: Quantity) -> u64 {
        self.limit().saturating_sub(self.used(drawn))
    }

    /// What is used of it at an instant, whether or not its period was opened.
    pub fn used_at(&self, now: Timestamp, drawn: Quantity) -> u64 {
        if self.lasting(now).is_some() { self.used(drawn) } else { self.part(drawn) }
    }

    /// What is left of it at an instant, whether or not its period was opened.
    pub fn room_at(&self, now: Timestamp, drawn: Quantity) -> u64 {
        self.limit().saturating_sub(self.used_at(now, drawn))
    }

    /// The thresholds that its use reaches and nobody was told of, rising.
    pub fn reached(&self, drawn: Quantity) -> impl Iterator<Item = u8> {
        let used = self.used(drawn);
        let thresholds = self.budget.thresholds.iter().copied();
        thresholds.filter(move |percent| !self.told.contains(*percent) && self.reaches(*percent, used))
    }

    /// Remembers that somebody was told of a threshold.
    pub const fn told(&mut self, percent: u8) {
        self.told.insert(percent);
    }

    /// Whether requests are refused when it is used up.
    pub fn refuses(&self) -> bool {
        self.budget.kind == BudgetKind::Hard
    }

    /// Nothing used reaches nothing, not even of a budget of nothing.
    fn reaches(&self, percent: u8, used: u64) -> bool {
        used > 0 && u128::from(used) * 100 >= u128::from(self.limit()) * u128::from(percent)
    }
}

fn counts_the_same(one: &Budget, other: &Budget) -> bool {
    let same_unit = match (one.limit, other.limit) {
        (BudgetLimit::Tokens(_), BudgetLimit::Tokens(_)) => true,
        (BudgetLimit::Money(_, one), BudgetLimit::Money(_, other)) => one == other,
        _ => false,
    };
    same_unit && one.id == other.id && one.period == other.period && one.zone == other.zone
}

#[cfg(test)]
mod tests;
