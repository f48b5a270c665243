//! What a pool's ledger is asked to do.

use crate::amount::{Money, Tokens};
use crate::burst::{Approval, Burst, GrantedBurst};
use crate::ids::{BurstId, HoldId, NodeId, ReservationId, ServiceId, SliceId};
use crate::policy::{Pool, Terms};
use crate::time::Timestamp;

/// Tokens, and what they cost at most where money is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quantity {
    /// How many tokens.
    pub tokens: Tokens,
    /// What they cost; nothing where the allocation has no budget in money.
    pub money: Money,
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self { tokens: Tokens::ZERO, money: Money::ZERO };

    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { tokens: self.tokens + other.tokens, money: self.money + other.money }
    }

    /// The difference, of each part not less than nothing.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_sub(other.tokens),
            money: self.money.saturating_sub(other.money),
        }
    }

    /// Each part, or that of another where it is less.
    #[must_use]
    pub fn at_most(self, other: Self) -> Self {
        Self { tokens: self.tokens.min(other.tokens), money: self.money.min(other.money) }
    }

    /// Whether both parts are at least those of another.
    pub fn covers(self, other: Self) -> bool {
        self.tokens >= other.tokens && self.money >= other.money
    }
}

/// Draw a slice: tokens that its holder may hand out on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draw {
    /// Whose.
    pub service: ServiceId,
    /// Who will hand it out; none if it is the quota node itself.
    pub holder: Option<Holder>,
    /// What must be in it, or nothing is drawn.
    pub need: Quantity,
    /// What may be in it beyond that, if there is plenty.
    pub ahead: Quantity,
}

/// Who hands a slice out beside the quota node, and what for: so that whoever asks again gets the same, though a crash lies
/// in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Who.
    pub node: NodeId,
    /// Under which id it was asked for.
    pub reservation: ReservationId,
    /// Until when it may be handed out: until what let it be drawn is over, a burst for instance, and never longer than a
    /// node may keep a slice.
    pub hand_out_until: Timestamp,
}

/// Hand out no more from a slice, and return what is left of it: the ledger calls a slice that was returned sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal {
    /// Which.
    pub slice: SliceId,
    /// What was not handed out.
    pub free: Quantity,
    /// How many holds were.
    pub holds: u32,
}

/// Replace a hold by what the call used. Cannot be refused: it already happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settle {
    /// The hold.
    pub hold: HoldId,
    /// Who is charged if the hold's slice is not known here; otherwise whoever drew it.
    pub service: ServiceId,
    /// What was used: nothing if the call was never made.
    pub used: Quantity,
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
    /// Entitle a service to nothing, and end its bursts.
    RemoveAllocation {
        /// Who.
        service: ServiceId,
    },
    /// Let a burst count within its window, whatever was known of one of the same name: a policy says so.
    GrantBurst(GrantedBurst),
    /// Ask for a burst.
    RequestBurst(Burst),
    /// Say yes to a request.
    ApproveBurst {
        /// Which.
        burst: BurstId,
        /// How.
        approval: Approval,
    },
    /// Say no to a request. The reason is the decision's own.
    DenyBurst {
        /// Which.
        burst: BurstId,
    },
    /// Let a burst, asked for or approved, count no more.
    RevokeBurst {
        /// Which.
        burst: BurstId,
    },
    /// Let a service owe nothing any more: what was charged above its holds was not used, or is not to be repaid.
    ForgiveDebt {
        /// Who.
        service: ServiceId,
        /// The version of the pool for which that was decided: in another it changes nothing, so that what is owed later is
        /// not forgiven by a decision that comes again.
        version: u64,
    },
    /// Let a burst end later.
    ExtendBurst {
        /// Which.
        burst: BurstId,
        /// When.
        end: Timestamp,
    },
}
