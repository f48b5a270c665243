//! What happened in a pool, in the past tense.

use crate::amount::{Tokens, TokensPerMinute};
use crate::authorship::Authorship;
use crate::ids::{BurstId, HoldId, ServiceId};
use crate::policy::{Allocation, Burst, Pool};
use crate::time::Timestamp;

/// What an allocation is entitled to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Terms {
    /// The guaranteed rate, bursts not counted.
    pub baseline: TokensPerMinute,
    /// The largest request it may make.
    pub request_max: Tokens,
}

impl From<&Allocation> for Terms {
    fn from(allocation: &Allocation) -> Self {
        Self { baseline: allocation.baseline, request_max: allocation.request_max }
    }
}

/// Everything that happens in a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Somebody changed what the pool is or who is entitled to what.
    Governed(Governed),
    /// Tokens moved.
    Moved(Movement),
}

impl Event {
    /// When it happened.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Governed(event) => event.by.at,
            Self::Moved(movement) => movement.at,
        }
    }
}

/// A decision about a pool and who took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Governed {
    /// Who decided, when and why.
    pub by: Authorship,
    /// What was decided.
    pub what: TermsChanged,
}

/// What was decided about a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TermsChanged {
    /// The pool is this from now on.
    PoolDefined(Pool),
    /// The pool is gone, and with it every allocation and burst. What is held can still be settled.
    PoolRemoved,
    /// The service is entitled to this from now on.
    AllocationSet {
        /// Who.
        service: ServiceId,
        /// To what.
        terms: Terms,
    },
    /// The service is entitled to nothing from now on. Its bursts are gone too; its debt is not.
    AllocationRemoved {
        /// Who.
        service: ServiceId,
    },
    /// The burst counts within its window, instead of an earlier one of the same name.
    BurstGranted(Burst),
    /// The burst counts no more.
    BurstRevoked {
        /// Which.
        burst: BurstId,
    },
}

/// Tokens of one hold moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// When, in the ledger's time, which never goes back.
    pub at: Timestamp,
    /// The hold.
    pub hold: HoldId,
    /// Whose.
    pub service: ServiceId,
    /// How.
    pub what: Moved,
}

/// How tokens moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// They are held for a call.
    Held {
        /// How many.
        tokens: Tokens,
    },
    /// The call is over and used this many.
    Settled {
        /// How many were used.
        used: Tokens,
        /// How many had been held; none if there was no hold, and all that was used is debt.
        held: Option<Tokens>,
    },
    /// The call was never made.
    Released {
        /// How many had been held; none if there was no hold, and its id may hold nothing any more.
        held: Option<Tokens>,
    },
}
