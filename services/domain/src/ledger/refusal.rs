//! Why a pool says no. An answer, not an error.

mod text;

use std::time::Duration;

use crate::amount::{RequestsPerMinute, Tokens, TokensPerMinute};
use crate::budget::BudgetLimit;
use crate::ids::{BudgetId, ReservationId};
use crate::ledger::Limit;
use crate::time::Timestamp;

/// Why a reservation was refused, by the limit that bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The service is entitled to nothing in this pool.
    NoAllocation,
    /// The request is larger than the largest that the allocation may make.
    RequestTooLarge {
        /// What was asked.
        asked: Tokens,
        /// What may be asked.
        request_max: Tokens,
    },
    /// What the allocation has, and what it may borrow now, do not suffice.
    CapacityUsed(CapacityUsed),
    /// A budget has not so much left in its period.
    BudgetUsed {
        /// Which.
        budget: BudgetId,
        /// How much of it is settled or drawn, in tokens or in nano-units of money as the budget is.
        used: u64,
        /// How much it is.
        limit: BudgetLimit,
        /// How much of it was asked for, in the same unit.
        asked: u64,
        /// When the next period begins.
        resets: Timestamp,
        /// When the same would be admitted if nothing else arrives: at the latest, since a hold that is settled for less
        /// makes room sooner.
        retry: Retry,
    },
    /// So many requests a minute were made.
    RequestsUsed {
        /// How many it may make.
        limit: RequestsPerMinute,
        /// When one more is admitted if nothing else arrives.
        retry: Retry,
    },
    /// So many requests are under way. No time helps by itself, only that one of them ends.
    InFlight {
        /// How many may be.
        max: u32,
    },
    /// The pool has as many holds outstanding as it may. No time helps, only that some are settled or released.
    HoldsFull {
        /// How many.
        outstanding: usize,
    },
    /// The allocation limits how many requests there are, which only calls can be counted against: it hands out no slices.
    CountedByCall {
        /// Which limit.
        limit: Limit,
    },
    /// The reservation's id was minted too long ago, or too far ahead, to tell whether it was used before. A fresh one helps.
    ReservationStale {
        /// The id.
        reservation: ReservationId,
        /// When it was minted, by its caller's clock.
        minted: Timestamp,
    },
    /// What the reservation held was settled or has gone back: to say that it is admitted would let a call pass for which
    /// nothing is held.
    ReservationOver {
        /// The id.
        reservation: ReservationId,
    },
    /// So many reservations came that nobody remembers whether this one did. A fresh one helps.
    ReservationForgotten {
        /// The id.
        reservation: ReservationId,
        /// What was minted from this instant on is remembered.
        since: Timestamp,
    },
    /// The reservation's id belongs to another service, or to another amount.
    ReservationOfAnother {
        /// The id.
        reservation: ReservationId,
    },
}

/// How far an allocation's tokens are used, when they do not suffice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapacityUsed {
    /// Which of them bound.
    pub bound: Bound,
    /// What was asked.
    pub asked: Tokens,
    /// What the guarantee has now.
    pub guaranteed: Tokens,
    /// What could be borrowed now.
    pub borrowable: Tokens,
    /// What is owed.
    pub debt: Tokens,
    /// How fast the guarantee refills now: baseline and active bursts.
    pub rate: TokensPerMinute,
    /// The first instant at which the same would be admitted if nothing else arrives.
    pub retry: Retry,
}

/// Which part of an allocation's capacity bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bound {
    /// The guarantee is used up, and the allocation may not borrow.
    Baseline,
    /// The guarantee is used up, and so is what the allocation may borrow: its ceiling.
    Ceiling,
    /// The guarantee is used up, and others leave too little to borrow.
    Spare {
        /// By how many tokens the pool falls short of its guarantees; while it does nobody borrows.
        deficit: Tokens,
        /// What must stay for services of higher priority.
        threshold: Tokens,
    },
}

/// When the same would be admitted, if nothing else arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// At an instant.
    At {
        /// Which.
        at: Timestamp,
        /// How far away it is.
        after: Duration,
    },
    /// Never: nothing that comes by itself makes room for it.
    Never,
    /// When somebody else's request ends, or while others leave more than they do in an idle pool, or when another id is
    /// used; nobody knows when that is.
    Unknown,
}

impl Retry {
    /// At an instant, seen from now.
    pub fn at(at: Timestamp, now: Timestamp) -> Self {
        Self::At { at, after: at.since(now) }
    }

    /// At an instant, if there is one.
    pub fn at_or_never(at: Option<Timestamp>, now: Timestamp) -> Self {
        at.map_or(Self::Never, |at| Self::at(at, now))
    }

    /// The instant, if it is known.
    pub const fn instant(self) -> Option<Timestamp> {
        match self {
            Self::At { at, .. } => Some(at),
            Self::Never | Self::Unknown => None,
        }
    }

    /// How far away the instant is, if it is known.
    pub const fn after(self) -> Option<Duration> {
        match self {
            Self::At { after, .. } => Some(after),
            Self::Never | Self::Unknown => None,
        }
    }
}

impl Refusal {
    /// The limit that bound.
    pub const fn limit(&self) -> Limit {
        match self {
            Self::NoAllocation => Limit::NoAllocation,
            Self::RequestTooLarge { .. } => Limit::RequestSize,
            Self::CapacityUsed(used) => match used.bound {
                Bound::Baseline => Limit::Baseline,
                Bound::Ceiling => Limit::Ceiling,
                Bound::Spare { .. } => Limit::Spare,
            },
            Self::BudgetUsed { .. } => Limit::Budget,
            Self::RequestsUsed { .. } => Limit::Requests,
            Self::InFlight { .. } => Limit::InFlight,
            Self::HoldsFull { .. } => Limit::Holds,
            Self::CountedByCall { limit } => *limit,
            Self::ReservationStale { .. } => Limit::ReservationStale,
            Self::ReservationOver { .. } => Limit::ReservationOver,
            Self::ReservationForgotten { .. } => Limit::ReservationForgotten,
            Self::ReservationOfAnother { .. } => Limit::ReservationOfAnother,
        }
    }

    /// When the same would be admitted if nothing else arrives.
    pub const fn retry(&self) -> Retry {
        match self {
            Self::CapacityUsed(CapacityUsed { retry, .. })
            | Self::BudgetUsed { retry, .. }
            | Self::RequestsUsed { retry, .. } => *retry,
            Self::NoAllocation | Self::RequestTooLarge { .. } | Self::CountedByCall { .. } => Retry::Never,
            Self::InFlight { .. }
            | Self::HoldsFull { .. }
            | Self::ReservationStale { .. }
            | Self::ReservationOver { .. }
            | Self::ReservationForgotten { .. }
            | Self::ReservationOfAnother { .. } => Retry::Unknown,
        }
    }
}
