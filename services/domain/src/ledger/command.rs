//! What a pool is asked to do.

use crate::amount::Tokens;
use crate::authorship::Authorship;
use crate::ids::{BurstId, HoldId, ServiceId};
use crate::ledger::Terms;
use crate::policy::{Burst, Pool};

/// Everything a pool can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Change what the pool is or who is entitled to what: all of it, or nothing if the whole would not fit.
    Change {
        /// Who decided and why. The time is the ledger's.
        by: Authorship,
        /// In this order.
        changes: Vec<Change>,
    },
    /// Hold tokens for a call.
    Reserve(Reserve),
    /// Replace a hold by what the call used.
    Settle(Settle),
    /// Give a hold back: the call was never made.
    Release(Release),
}

/// One change of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Make the pool this.
    DefinePool(Pool),
    /// Take the pool away, with its allocations and bursts.
    RemovePool,
    /// Entitle a service to this.
    SetAllocation {
        /// Who.
        service: ServiceId,
        /// To what.
        terms: Terms,
    },
    /// Entitle a service to nothing, and take its bursts away.
    RemoveAllocation {
        /// Who.
        service: ServiceId,
    },
    /// Let a burst count within its window, instead of an earlier one of the same name.
    GrantBurst(Burst),
    /// Let a burst count no more.
    RevokeBurst {
        /// Which.
        burst: BurstId,
    },
}

/// Hold tokens for a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserve {
    /// Minted by the caller as a UUIDv7; the same again is the same hold.
    pub hold: HoldId,
    /// Who.
    pub service: ServiceId,
    /// How many.
    pub tokens: Tokens,
}

/// Replace a hold by what the call used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settle {
    /// The hold.
    pub hold: HoldId,
    /// Who is charged if there never was a hold; otherwise whoever placed it.
    pub service: ServiceId,
    /// How many.
    pub used: Tokens,
}

/// Give a hold back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The hold.
    pub hold: HoldId,
    /// Who.
    pub service: ServiceId,
}
