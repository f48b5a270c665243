//! Why a pool says no. An answer, not an error.

use std::fmt;
use std::time::Duration;

use crate::amount::{RequestsPerMinute, Tokens, TokensPerMinute};
use crate::budget::BudgetLimit;
use crate::calendar::Utc;
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
    /// When somebody else's request ends, or when another id is used; nobody knows when that is.
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

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAllocation => f.write_str("the service has no allocation in the pool"),
            Self::RequestTooLarge { asked, request_max } => {
                write!(f, "{asked} tokens are more than the {request_max} that one request may take")
            }
            Self::CapacityUsed(used) => used.fmt(f),
            Self::BudgetUsed { budget, used, limit, asked, resets, retry } => {
                let (used, whole, anew) = (limit.shown(*used), limit.shown(limit.amount()), Utc(*resets));
                write!(f, "budget {budget} has {used} of {whole} used; it begins anew at {anew}")?;
                match retry {
                    Retry::At { .. } => Ok(()),
                    Retry::Never if *asked > limit.amount() => {
                        write!(f, ", and is less than the {} that were asked for", limit.shown(*asked))
                    }
                    other => passes(f, *other),
                }
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
            Self::CountedByCall { limit } => {
                write!(
                    f,
                    "its {} are limited, and slices do not count them: reserve for each call",
                    counted(*limit)
                )
            }
            Self::ReservationStale { reservation, minted } => write!(
                f,
                "reservation {reservation} was minted at {}, which is not within a quarter of an hour of now; mint a new one",
                Utc(*minted)
            ),
            Self::ReservationOver { reservation } => write!(
                f,
                "reservation {reservation} is over: what it held was settled or has gone back; mint a new one for another call"
            ),
            Self::ReservationForgotten { reservation, since } => write!(
                f,
                "reservation {reservation} may have been used before: so many came that only those minted since {} are \
                 remembered; mint a new one",
                Utc(*since)
            ),
            Self::ReservationOfAnother { reservation } => {
                write!(
                    f,
                    "reservation {reservation} is of another service or of another number of tokens; mint a new one"
                )
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

const fn counted(limit: Limit) -> &'static str {
    match limit {
        Limit::InFlight => "requests under way",
        _ => "requests a minute",
    }
}

fn passes(f: &mut fmt::Formatter<'_>, retry: Retry) -> fmt::Result {
    match retry {
        Retry::At { after, .. } => write!(f, "; it passes in {:.3} s", after.as_secs_f64()),
        Retry::Never => f.write_str("; it never passes, because nothing refills as much"),
        Retry::Unknown => f.write_str("; nobody knows when it passes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amount::Money;
    use crate::price::Currency;

    const DOLLAR: u64 = 1_000_000_000;

    /// What is said of a budget of 50 dollars, or of 50 tokens, of which a quarter is used.
    fn said(limit: BudgetLimit, asked: u64, retry: Retry) -> String {
        let (budget, used) = (BudgetId::try_new("monthly").unwrap(), limit.amount() / 4);
        Refusal::BudgetUsed { budget, used, limit, asked, resets: Timestamp::EPOCH, retry }.to_string()
    }

    #[test]
    fn a_budget_is_told_in_its_own_unit_and_why_it_never_suffices() {
        let dollars = BudgetLimit::Money(Money::new(50 * DOLLAR), Currency::try_new("USD").unwrap());
        let tokens = BudgetLimit::Tokens(Tokens::new(50));
        let now = Retry::at(Timestamp::EPOCH, Timestamp::EPOCH);
        assert_eq!(
            said(dollars, 45 * DOLLAR, now),
            "budget monthly has 12.50 USD of 50.00 USD used; it begins anew at 1970-01-01T00:00:00Z"
        );
        assert_eq!(
            said(tokens, 51, Retry::Never),
            "budget monthly has 12 tokens of 50 tokens used; it begins anew at 1970-01-01T00:00:00Z, and is less than \
             the 51 tokens that were asked for"
        );
        let elsewhere = said(dollars, 45 * DOLLAR, Retry::Never);
        assert!(elsewhere.ends_with("; it never passes, because nothing refills as much"), "{elsewhere}");
    }
}
