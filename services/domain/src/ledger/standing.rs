//! Where an allocation stands: what it could take now, and why not more.

use std::time::Duration;

use crate::amount::{Tokens, TokensPerMinute};
use crate::ids::ServiceId;
use crate::ledger::{Ledger, Terms, Totals};
use crate::policy::Burst;
use crate::time::Timestamp;

/// Where a guarantee stands at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Its rate: baseline and the bursts that count now.
    pub rate: TokensPerMinute,
    /// What could be taken at once.
    pub available: Tokens,
    /// How deep it is.
    pub depth: Tokens,
    /// How long until it is full if nothing is taken; none if never.
    pub full_after: Option<Duration>,
}

/// A standing and what explains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headroom {
    /// Where the guarantee stands.
    pub standing: Standing,
    /// What the service is entitled to, bursts not counted.
    pub terms: Terms,
    /// The bursts that count now.
    pub bursts: Vec<Burst>,
    /// How many holds are outstanding.
    pub holds: u64,
    /// Sums since the beginning.
    pub totals: Totals,
    /// What was used above what was held and is not refilled yet.
    pub debt: Tokens,
    /// What the pool holds.
    pub pool_level: Tokens,
    /// How much it can hold.
    pub pool_depth: Tokens,
    /// Its capacity.
    pub pool_capacity: TokensPerMinute,
}

impl Ledger {
    /// Where a service stands; none if it has no allocation.
    pub fn standing(&self, service: &ServiceId, now: Timestamp) -> Option<Standing> {
        let now = self.time(now);
        let account = self.accounts.get(service).filter(|account| account.terms.is_some())?;
        let segment = account.plan.at(now);
        let full_at = account.guarantee.full_at(&account.plan, now);
        Some(Standing {
            rate: segment.rate,
            available: account.level_at(now).available(),
            depth: segment.depth.available(),
            full_after: full_at.map(|at| at.since(now)),
        })
    }

    /// Where a service stands and why; none if it has no allocation.
    pub fn headroom(&self, service: &ServiceId, now: Timestamp) -> Option<Headroom> {
        let now = self.time(now);
        let standing = self.standing(service, now)?;
        let account = self.accounts.get(service)?;
        let bursts = self.terms.bursts_of(service).filter(|burst| burst.window.contains(now));
        Some(Headroom {
            standing,
            terms: account.terms?,
            bursts: bursts.cloned().collect(),
            holds: account.holds,
            totals: account.totals,
            debt: account.level_at(now).debt(),
            pool_level: self.pool_level_at(now).available(),
            pool_depth: self.plan.at(now).depth.available(),
            pool_capacity: self.terms.capacity(),
        })
    }
}
