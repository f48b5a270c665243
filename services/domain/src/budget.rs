//! Budgets: what an allocation may use in a calendar period, in tokens or in money.
//!
//! A budget is one more limit of an admission. Its periods begin and end at midnights of its time zone; their edges are
//! computed once, in [`crate::calendar`], and kept in the event that opens a period. What counts against it is what was
//! settled in the period and what is drawn and not settled yet.

mod state;
mod told;

pub use state::BudgetState;
pub use told::Told;

use crate::amount::{Decimal, Money, Tokens};
use crate::calendar::{Period, Zone};
use crate::ids::BudgetId;
use crate::price::Currency;

/// The highest percentage of a soft budget at which somebody is told: twice the budget. Beyond that it is the budget that is
/// wrong. A hard budget ends at 100.
pub const THRESHOLD_MAX_PERCENT: u8 = 200;

/// A budget as it was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Its name within the allocation.
    pub id: BudgetId,
    /// How much.
    pub limit: BudgetLimit,
    /// For how long.
    pub period: Period,
    /// Whose midnights begin and end it.
    pub zone: Zone,
    /// What happens when it is used up.
    pub kind: BudgetKind,
    /// At which percentages of use somebody is told, once a period each, in rising order.
    pub thresholds: Vec<u8>,
}

/// How much a budget is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BudgetLimit {
    /// So many tokens.
    Tokens(Tokens),
    /// So much money, by the price book. Without a price for a model, its use costs nothing here.
    Money(Money, Currency),
}

impl BudgetLimit {
    /// How much it is in its own unit: tokens, or nano-units of money.
    pub const fn amount(self) -> u64 {
        match self {
            Self::Tokens(tokens) => tokens.get(),
            Self::Money(money, _) => money.get(),
        }
    }

    /// The currency of one in money.
    pub const fn currency(self) -> Option<Currency> {
        match self {
            Self::Tokens(_) => None,
            Self::Money(_, currency) => Some(currency),
        }
    }

    /// An amount in its unit as people read it: `1200 tokens`, `12.50 USD`.
    pub fn shown(self, amount: u64) -> String {
        match self {
            Self::Tokens(_) => format!("{amount} tokens"),
            Self::Money(_, currency) => format!("{} {}", Decimal(Money::new(amount)), currency.as_str()),
        }
    }
}

/// What happens when a budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum BudgetKind {
    /// Requests are refused until the next period.
    #[default]
    Hard,
    /// Somebody is told.
    Soft,
}

impl BudgetKind {
    /// The highest percentage at which somebody can be told.
    pub const fn threshold_max_percent(self) -> u8 {
        match self {
            Self::Hard => 100,
            Self::Soft => THRESHOLD_MAX_PERCENT,
        }
    }
}
