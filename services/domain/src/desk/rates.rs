//! What an allocation is entitled to now, as rates that add up: its baseline, the bursts in force, and what follows from both.

use crate::amount::TokensPerMinute;
use crate::burst::{Approval, BurstRecord};
use crate::desk::Desk;
use crate::ledger::levels::Place;
use crate::policy::Terms;

/// The rates of an allocation at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Its baseline.
    pub baseline: TokensPerMinute,
    /// What bursts add to it now.
    pub guaranteed_bursts: TokensPerMinute,
    /// What bursts add now to what it may borrow.
    pub best_effort_bursts: TokensPerMinute,
    /// The guarantee: baseline and guaranteed bursts.
    pub guarantee: TokensPerMinute,
    /// The most it may reach by borrowing, all bursts in force.
    pub ceiling: TokensPerMinute,
    /// The most that others may borrow of its guarantee as it is now.
    pub lending_max: TokensPerMinute,
    /// What others may borrow of it now: nothing while it is not full.
    pub lent: TokensPerMinute,
}

impl Desk {
    /// The rates now, of terms as they stand and the bursts that count.
    pub(super) fn rates(&self, place: Place, terms: &Terms, bursts: &[BurstRecord]) -> Rates {
        let (levels, now) = (self.ledger.levels(), self.ledger.at());
        let guarantee = levels.plan(place).at(now).rate;
        let borrow = self.ledger.account_at(place).borrow_plan().at(now).rate;
        let of = |approval| -> TokensPerMinute {
            let granted = bursts.iter().filter(|record| record.approval() == Some(approval));
            granted.map(|record| record.burst.extra).sum()
        };
        Rates {
            baseline: terms.baseline,
            guaranteed_bursts: of(Approval::Guaranteed),
            best_effort_bursts: of(Approval::BestEffort),
            guarantee,
            ceiling: guarantee.saturating_add(borrow),
            lending_max: terms.lending.unwrap_or(guarantee).min(guarantee),
            lent: levels.lent(place),
        }
    }
}
