//! Why a pool says no. An answer, not an error.

use std::fmt;
use std::time::Duration;

use crate::amount::{Tokens, TokensPerMinute};
use crate::calendar::Utc;
use crate::ids::HoldId;
use crate::ledger::Shortage;
use crate::time::Timestamp;

/// Why a command was refused, by the limit that bound.
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
    /// The guarantee is used up for now.
    BaselineUsed {
        /// What was asked.
        asked: Tokens,
        /// What could be taken now.
        available: Tokens,
        /// What is owed.
        debt: Tokens,
        /// How fast it refills now: baseline and active bursts.
        rate: TokensPerMinute,
        /// The first instant at which the same would be admitted if nothing else arrives, and its distance from now;
        /// none if there is none.
        retry: Option<Retry>,
    },
    /// The pool has as many holds outstanding as it may. No time helps, only that some are settled or released.
    HoldsFull {
        /// How many.
        outstanding: usize,
    },
    /// The hold's id was minted too long ago, or too far ahead, to tell whether it was used before. A fresh one helps.
    HoldIdStale {
        /// The id.
        hold: HoldId,
    },
    /// The hold's id belongs to another service.
    HoldOfAnother {
        /// The id.
        hold: HoldId,
    },
    /// All guarantees together would not fit the pool.
    DoesNotFit(Shortage),
    /// The pool is not defined, so nobody can be entitled to anything in it.
    NoPool,
    /// A burst is on top of a baseline, and the service has none.
    BurstWithoutAllocation,
}

/// When to ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// At this instant.
    pub at: Timestamp,
    /// After this span.
    pub after: Duration,
}

impl Refusal {
    /// The limit's name, for metrics and events.
    pub const fn limit(&self) -> &'static str {
        match self {
            Self::NoAllocation => "no_allocation",
            Self::RequestTooLarge { .. } => "request_size",
            Self::BaselineUsed { .. } => "baseline",
            Self::HoldsFull { .. } => "holds",
            Self::HoldIdStale { .. } | Self::HoldOfAnother { .. } => "hold_id",
            Self::DoesNotFit(_) | Self::NoPool | Self::BurstWithoutAllocation => "terms",
        }
    }

    /// When the same would be admitted if nothing else arrives; none if waiting cannot help.
    pub const fn retry(&self) -> Option<Retry> {
        match self {
            Self::BaselineUsed { retry, .. } => *retry,
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
            Self::BaselineUsed { asked, available, debt, rate, retry } => {
                write!(f, "{asked} tokens were asked and {available} are available at {rate} a minute")?;
                if *debt > Tokens::ZERO {
                    write!(f, ", {debt} being owed")?;
                }
                match retry {
                    Some(retry) => write!(f, "; they pass in {:.3} s", retry.after.as_secs_f64()),
                    None => f.write_str("; they never pass, because nothing refills as much"),
                }
            }
            Self::HoldsFull { outstanding } => {
                write!(f, "{outstanding} holds are outstanding in the pool, which is the most there may be")
            }
            Self::HoldIdStale { hold } => {
                write!(f, "hold {hold} was not minted within a quarter of an hour of now; mint a new one")
            }
            Self::HoldOfAnother { hold } => write!(f, "hold {hold} belongs to another service"),
            Self::DoesNotFit(short) => short.fmt(f),
            Self::NoPool => f.write_str("the pool is not defined"),
            Self::BurstWithoutAllocation => {
                f.write_str("the service has no allocation in the pool to burst on top of")
            }
        }
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "guarantees exceed the pool")?;
        if self.rate > TokensPerMinute::ZERO {
            write!(f, " by {} tokens a minute", self.rate)?;
        }
        if self.depth > Tokens::ZERO {
            let and = if self.rate > TokensPerMinute::ZERO { " and" } else { "" };
            write!(f, "{and} by {} tokens that could be taken at once", self.depth)?;
        }
        write!(f, ", worst at {}", Utc(self.at))
    }
}
