//! What happened in a pool, in the past tense.

use crate::amount::{Money, Requests, Tokens};
use crate::authorship::Authorship;
use crate::bucket::Level;
use crate::burst::{Approval, Burst, GrantedBurst};
use crate::ids::{BudgetId, BurstId, HoldId, ServiceId, SliceId};
use crate::ledger::{Holder, Limit, Quantity};
use crate::policy::{Pool, Terms};
use crate::time::{Timestamp, Window};

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
    /// A policy says that the burst counts within its window, whatever was known of one of the same name.
    BurstGranted(GrantedBurst),
    /// Somebody asks for the burst.
    BurstRequested(Burst),
    /// It counts within its window. The author is who said so.
    BurstApproved {
        /// Which.
        burst: BurstId,
        /// How.
        approval: Approval,
    },
    /// It never counts. The author is who said so, the reason is theirs.
    BurstDenied {
        /// Which.
        burst: BurstId,
    },
    /// It counts no more.
    BurstRevoked {
        /// Which.
        burst: BurstId,
    },
    /// An adjustment: the service owes nothing any more, and the pool has back what was owed.
    DebtForgiven {
        /// Who.
        service: ServiceId,
        /// The version of the pool for which that was decided.
        version: u64,
        /// How much it owed. Nothing as long as it is only intended: the desk knows, when it makes it so.
        tokens: Tokens,
    },
    /// It ends later.
    BurstExtended {
        /// Which.
        burst: BurstId,
        /// When.
        end: Timestamp,
    },
}

/// Tokens of one allocation moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// When, in the ledger's time, which never goes back.
    pub at: Timestamp,
    /// Whose.
    pub service: ServiceId,
    /// How.
    pub what: Moved,
}

/// How tokens moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moved {
    /// A slice was drawn: its tokens are taken from the buckets.
    Drawn(Drawn),
    /// A hold was replaced by what was used.
    Settled {
        /// Which; it says how many tokens it held.
        hold: HoldId,
        /// How much money it held.
        held: Money,
        /// What was used.
        used: Quantity,
        /// Whether a usage event tells of it too: not where whoever asked can only say how much was used.
        metered: bool,
    },
    /// Nothing more is handed out from a slice, and what was left of it is given back.
    Sealed {
        /// Which.
        slice: SliceId,
        /// What was left.
        free: Quantity,
        /// How many holds were handed out from it.
        holds: u32,
    },
    /// A slice's holder is gone without saying what it handed out: all of the slice counts as spent, until it is settled.
    Lapsed {
        /// Which.
        slice: SliceId,
    },
    /// A budget's period began.
    BudgetOpened {
        /// Which budget.
        budget: BudgetId,
        /// From when until when.
        period: Window,
    },
    /// A budget's use reached a threshold of its limit, for the first time in its period.
    ThresholdReached {
        /// Which budget.
        budget: BudgetId,
        /// Which threshold.
        percent: u8,
    },
    /// Requests that would have been refused passed, because the allocation is in shadow mode. Counted over a second.
    Shadowed {
        /// Which limit.
        limit: Limit,
        /// How many.
        requests: Requests,
        /// What they asked for.
        tokens: Tokens,
    },
}

/// A slice as it was drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// Its id.
    pub slice: SliceId,
    /// Who hands it out; none if it is the quota node itself.
    pub holder: Option<Holder>,
    /// How many tokens it has.
    pub tokens: Tokens,
    /// How much of them is borrowed; the rest is taken from the guarantee.
    pub borrowed: Level,
    /// How much of them no limit has room for, in shadow mode: taken from nothing before it is used, and then from the pool
    /// alone. So what a service in shadow mode asks for keeps nobody from borrowing, only what it uses does.
    pub unenforced: Level,
    /// What it may cost at most, counted against budgets in money.
    pub money: Money,
}
