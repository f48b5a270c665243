//! Why a pool says no. An answer, not an error.

use std::fmt;
use std::time::Duration;

use crate::amount::{Money, RequestsPerMinute, Tokens, TokensPerMinute};
use crate::calendar::Utc;
use crate::ids::{BudgetId, BurstId, ReservationId, ServiceId};
use crate::ledger::Shortage;
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
        /// How much it is, in the same unit.
        limit: u64,
        /// When the next period begins.
        resets: Timestamp,
        /// When the same would be admitted if nothing else arrives: at the latest, since a hold that is settled for less
        /// makes room sooner. None if it never is, for instance as more than the whole budget.
        retry: Option<Retry>,
    },
    /// So many requests a minute were made.
    RequestsUsed {
        /// How many it may make.
        limit: RequestsPerMinute,
        /// When one more is admitted if nothing else arrives.
        retry: Option<Retry>,
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
    /// The reservation's id was minted too long ago, or too far ahead, to tell whether it was used before. A fresh one helps.
    ReservationStale {
        /// The id.
        reservation: ReservationId,
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
    /// The first instant at which the same would be admitted if nothing else arrives; none if there is none.
    pub retry: Option<Retry>,
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

/// When to ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// At this instant.
    pub at: Timestamp,
    /// After this span.
    pub after: Duration,
}

impl Retry {
    /// At an instant, seen from now.
    pub fn at(at: Timestamp, now: Timestamp) -> Self {
        Self { at, after: at.since(now) }
    }
}

/// Every name that [`Refusal::limit`] gives.
const LIMITS: [&str; 10] = [
    "no_allocation",
    "request_size",
    "baseline",
    "ceiling",
    "spare",
    "budget",
    "requests",
    "in_flight",
    "holds",
    "reservation_id",
];

impl Refusal {
    /// The limit's name, for metrics and events.
    pub const fn limit(&self) -> &'static str {
        match self {
            Self::NoAllocation => "no_allocation",
            Self::RequestTooLarge { .. } => "request_size",
            Self::CapacityUsed(used) => match used.bound {
                Bound::Baseline => "baseline",
                Bound::Ceiling => "ceiling",
                Bound::Spare { .. } => "spare",
            },
            Self::BudgetUsed { .. } => "budget",
            Self::RequestsUsed { .. } => "requests",
            Self::InFlight { .. } => "in_flight",
            Self::HoldsFull { .. } => "holds",
            Self::ReservationStale { .. } | Self::ReservationOfAnother { .. } => "reservation_id",
        }
    }

    /// The name of a limit as [`Self::limit`] gives it, from a text that says the same; none if no limit has that name.
    pub fn limit_from_name(name: &str) -> Option<&'static str> {
        LIMITS.into_iter().find(|limit| *limit == name)
    }

    /// When the same would be admitted if nothing else arrives; none if waiting cannot help.
    pub const fn retry(&self) -> Option<Retry> {
        match self {
            Self::CapacityUsed(CapacityUsed { retry, .. })
            | Self::BudgetUsed { retry, .. }
            | Self::RequestsUsed { retry, .. } => *retry,
            _ => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAllocation => f.write_str("the service has no allocation in the pool"),
            Self::RequestTooLarge { asked, request_max } => {
                write!(f, "{asked} tokens are more than the {request_max} that one request may take")
            }
            Self::CapacityUsed(used) => used.fmt(f),
            Self::BudgetUsed { budget, used, limit, resets, retry } => {
                write!(f, "budget {budget} has {used} of {limit} used; it begins anew at {}", Utc(*resets))?;
                if retry.is_none() { f.write_str(", and is less than what was asked") } else { Ok(()) }
            }
            Self::RequestsUsed { limit, retry } => {
                write!(f, "the {limit} requests a minute are used")?;
                passes(f, *retry)
            }
            Self::InFlight { max } => {
                write!(f, "{max} requests are under way, which is the most there may be at once")
            }
            Self::HoldsFull { outstanding } => {
                write!(f, "{outstanding} holds are outstanding in the pool, which is the most there may be")
            }
            Self::ReservationStale { reservation } => write!(
                f,
                "reservation {reservation} was not minted within a quarter of an hour of now; mint a new one"
            ),
            Self::ReservationOfAnother { reservation } => {
                write!(f, "reservation {reservation} is another's; mint a new one")
            }
        }
    }
}

impl fmt::Display for CapacityUsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bound, asked, guaranteed, borrowable, debt, rate, retry } = self;
        write!(f, "{asked} tokens were asked; the guarantee has {guaranteed} at {rate} a minute")?;
        match bound {
            Bound::Baseline => f.write_str(", and nothing may be borrowed")?,
            Bound::Ceiling => write!(f, ", and the ceiling leaves {borrowable} to borrow")?,
            Bound::Spare { deficit, threshold } => {
                write!(f, ", and others leave {borrowable} to borrow")?;
                if *deficit > Tokens::ZERO {
                    write!(f, ", {deficit} being owed to guarantees")?;
                } else if *threshold > Tokens::ZERO {
                    write!(f, ", {threshold} being kept for higher priorities")?;
                }
            }
        }
        if *debt > Tokens::ZERO {
            write!(f, "; {debt} are owed")?;
        }
        passes(f, *retry)
    }
}

fn passes(f: &mut fmt::Formatter<'_>, retry: Option<Retry>) -> fmt::Result {
    match retry {
        Some(retry) => write!(f, "; it passes in {:.3} s", retry.after.as_secs_f64()),
        None => f.write_str("; it never passes, because nothing refills as much"),
    }
}

/// Why a change of a pool is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRefused {
    /// All guarantees together would not fit the pool.
    #[error("{0}")]
    DoesNotFit(Shortage),
    /// The pool is not defined, so nobody can be entitled to anything in it.
    #[error("the pool is not defined")]
    NoPool,
    /// A burst is on top of a baseline, and the service has none.
    #[error("the service has no allocation in the pool to burst on top of")]
    BurstWithoutAllocation,
    /// Another burst has or had the name.
    #[error("a burst named {burst} exists or existed; choose another name")]
    BurstNameTaken {
        /// The name.
        burst: BurstId,
    },
    /// An allocation has as many bursts as it may.
    #[error(
        "service {service} has {open} bursts in the pool that are asked for, coming or active, which is the most; \
         deny or revoke one of them, or ask again when one has ended"
    )]
    TooManyBursts {
        /// Whose.
        service: ServiceId,
        /// How many.
        open: usize,
    },
    /// A pool remembers as many bursts as it can, and none of them has ended.
    #[error(
        "the pool has {kept} bursts whose windows have not ended, which is the most; ask again when one has"
    )]
    BurstsFull {
        /// How many.
        kept: usize,
    },
    /// There is no such burst.
    #[error("there is no burst named {burst} in the pool")]
    NoBurst {
        /// The name.
        burst: BurstId,
    },
    /// What was asked cannot be done to a burst that has come so far.
    #[error("burst {burst} is {phase}, so it cannot be {asked}")]
    BurstPhase {
        /// The name.
        burst: BurstId,
        /// Where it is in its life.
        phase: &'static str,
        /// What was asked.
        asked: &'static str,
    },
    /// A burst would end before it ends already, or before now.
    #[error("burst {burst} ends at {}; an extension must end later", Utc(*.end))]
    NotLater {
        /// The name.
        burst: BurstId,
        /// When it ends.
        end: Timestamp,
    },
    /// The pool has changed since whoever asks looked at it.
    #[error("the pool is at version {found}, not {expected}; look again and decide anew")]
    VersionMismatch {
        /// What was expected.
        expected: u64,
        /// What is.
        found: u64,
    },
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, rate, depth, requests, requests_unstated } = self;
        let excesses = [(rate.get(), "tokens a minute"), (depth.get(), "tokens at once")];
        let excesses: Vec<String> = excesses
            .iter()
            .filter(|(excess, _)| *excess > 0)
            .map(|(excess, unit)| format!("by {excess} {unit}"))
            .collect();
        let mut parts = Vec::new();
        if !excesses.is_empty() {
            parts.push(format!(
                "guarantees exceed the pool {}, worst at {}",
                excesses.join(" and "),
                Utc(*at)
            ));
        }
        if *requests > RequestsPerMinute::ZERO {
            parts.push(format!("requests a minute exceed the pool by {requests}"));
        }
        if *requests_unstated > 0 {
            parts.push(format!(
                "requests a minute, which the pool limits, are not stated by {requests_unstated} of its allocations"
            ));
        }
        f.write_str(&parts.join("; "))
    }
}

/// Money as people read it: `12.50`, to the nano-unit where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal(pub Money);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NANO: u64 = 1_000_000_000;
        let (whole, fraction) = (self.0.get() / NANO, format!("{:09}", self.0.get() % NANO));
        let fraction = fraction.trim_end_matches('0');
        write!(f, "{whole}.{fraction:0<2}")
    }
}
