//! Why a pool says no. An answer, not an error.

use std::fmt;
use std::time::Duration;

use crate::amount::{RequestsPerMinute, Tokens, TokensPerMinute};
use crate::budget::BudgetLimit;
use crate::calendar::Utc;
use crate::ids::{BudgetId, ReservationId};
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
            Self::BudgetUsed { budget, used, limit, asked, resets, retry } => {
                let (used, whole, anew) = (limit.shown(*used), limit.shown(limit.amount()), Utc(*resets));
                write!(f, "budget {budget} has {used} of {whole} used; it begins anew at {anew}")?;
                match retry {
                    Some(_) => Ok(()),
                    None if *asked > limit.amount() => {
                        write!(f, ", and is less than the {} that were asked for", limit.shown(*asked))
                    }
                    None => passes(f, None),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amount::Money;
    use crate::price::Currency;

    const DOLLAR: u64 = 1_000_000_000;

    /// What is said of a budget of 50 dollars, or of 50 tokens, of which a quarter is used.
    fn said(limit: BudgetLimit, asked: u64, retry: Option<Retry>) -> String {
        let (budget, used) = (BudgetId::try_new("monthly").unwrap(), limit.amount() / 4);
        Refusal::BudgetUsed { budget, used, limit, asked, resets: Timestamp::EPOCH, retry }.to_string()
    }

    #[test]
    fn a_budget_is_told_in_its_own_unit_and_why_it_never_suffices() {
        let dollars = BudgetLimit::Money(Money::new(50 * DOLLAR), Currency::try_new("USD").unwrap());
        let tokens = BudgetLimit::Tokens(Tokens::new(50));
        let now = Some(Retry::at(Timestamp::EPOCH, Timestamp::EPOCH));
        assert_eq!(
            said(dollars, 45 * DOLLAR, now),
            "budget monthly has 12.50 USD of 50.00 USD used; it begins anew at 1970-01-01T00:00:00Z"
        );
        assert_eq!(
            said(tokens, 51, None),
            "budget monthly has 12 tokens of 50 tokens used; it begins anew at 1970-01-01T00:00:00Z, and is less than \
             the 51 tokens that were asked for"
        );
        let elsewhere = said(dollars, 45 * DOLLAR, None);
        assert!(elsewhere.ends_with("; it never passes, because nothing refills as much"), "{elsewhere}");
    }
}
