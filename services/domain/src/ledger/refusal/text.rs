//! Refusals as sentences: the limit, how far it is used, and when the same passes.

use std::fmt;

use super::{Bound, CapacityUsed, Refusal, Retry};
use crate::amount::Tokens;
use crate::calendar::Utc;
use crate::ledger::Limit;

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
                write!(f, "as many requests were made as {limit} a minute let through at once")?;
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
    use crate::budget::BudgetLimit;
    use crate::ids::BudgetId;
    use crate::price::Currency;
    use crate::time::Timestamp;

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
