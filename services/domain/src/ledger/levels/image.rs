//! Levels as plain values, for snapshots.

use super::Levels;
use crate::amount::TokensPerMinute;
use crate::bucket::{Level, Plan};
use crate::time::Timestamp;

/// All levels of a pool at an instant, and what they follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelsImage {
    /// That instant.
    pub at: Timestamp,
    /// How fast the pool refills.
    pub pool_rate: TokensPerMinute,
    /// How much it can hold.
    pub pool_depth: Level,
    /// What it holds.
    pub pool: Level,
    /// Its accounts, in order of their places.
    pub accounts: Vec<GuaranteeImage>,
}

/// One account's guarantee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuaranteeImage {
    /// What it holds; negative while in debt.
    pub level: Level,
    /// How it refills.
    pub plan: Plan,
    /// How much of its overflow others may have, as a rate; none means all.
    pub lending: Option<TokensPerMinute>,
}

impl Levels {
    /// The levels as they are now.
    pub fn image(&self) -> LevelsImage {
        let account = |place| GuaranteeImage {
            level: self.guarantee(place),
            plan: self.plan(place).clone(),
            lending: self.lending(place),
        };
        LevelsImage {
            at: self.at(),
            pool_rate: self.pool_rate(),
            pool_depth: self.pool_depth(),
            pool: self.pool(),
            accounts: self.places().map(account).collect(),
        }
    }

    /// The levels that an image is of. A level above its depth is capped.
    pub fn from_image(image: LevelsImage) -> Self {
        let mut levels = Self::default();
        levels.advance(image.at);
        levels.set_pool(image.pool_rate, image.pool_depth);
        levels.put_pool(image.pool);
        for account in image.accounts {
            let place = levels.add();
            levels.set_plan(place, account.plan, account.lending);
            levels.put(place, account.level);
        }
        levels
    }
}
