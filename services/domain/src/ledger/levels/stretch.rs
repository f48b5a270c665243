//! A bucket's level between two breakpoints, where it is linear.
//!
//! Time is whole nanoseconds: a level reaches a mark at the first of them at which it is there or above it, and what
//! is above the bucket's depth then overflows.

use crate::amount::TokensPerMinute;
use crate::bucket::{Level, Plan};
use crate::time::Timestamp;

/// Later than everything that happens: the breakpoint of what has none.
pub(in crate::ledger) const NEVER: Timestamp = Timestamp::from_nanos(i64::MAX);

/// What a level does with its refill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum Phase {
    /// It pays back what it owes.
    Debt,
    /// It keeps it.
    Filling,
    /// All of it overflows.
    Full,
}

/// A level from an instant on, up to its next breakpoint.
#[derive(Debug, Clone, Copy)]
pub(in crate::ledger) struct Stretch {
    level: Level,
    since: Timestamp,
    rate: TokensPerMinute,
    depth: Level,
    /// When the plan changes.
    edge: Timestamp,
}

impl Stretch {
    /// From this level on, capped to the depth that the plan has then.
    pub(in crate::ledger) fn new(plan: &Plan, level: Level, at: Timestamp) -> Self {
        let segment = plan.at(at);
        Self {
            level: level.min(segment.depth),
            since: at,
            rate: segment.rate,
            depth: segment.depth,
            edge: plan.edge_after(at).unwrap_or(NEVER),
        }
    }

    pub(in crate::ledger) const fn rate(&self) -> TokensPerMinute {
        self.rate
    }

    pub(in crate::ledger) const fn depth(&self) -> Level {
        self.depth
    }

    /// When the plan changes next.
    pub(in crate::ledger) const fn edge(&self) -> Timestamp {
        self.edge
    }

    pub(in crate::ledger) fn phase(&self) -> Phase {
        if self.level >= self.depth {
            Phase::Full
        } else if self.level < Level::ZERO {
            Phase::Debt
        } else {
            Phase::Filling
        }
    }

    /// How many units a nanosecond it rises by.
    pub(in crate::ledger) fn slope(&self) -> TokensPerMinute {
        if self.phase() == Phase::Full { TokensPerMinute::ZERO } else { self.rate }
    }

    /// The level at an instant that is not after the end.
    pub(in crate::ledger) fn level_at(&self, at: Timestamp) -> Level {
        self.level.plus(Level::from_rate(self.slope(), span_ns(self.since, at)))
    }

    /// The next breakpoint: out of debt, full, or the plan changes.
    pub(in crate::ledger) fn end(&self) -> Timestamp {
        let mark = match self.phase() {
            Phase::Full => return self.edge,
            Phase::Debt => Level::ZERO,
            Phase::Filling => self.depth,
        };
        reached(mark.minus(self.level), self.rate.get().into(), self.since).min(self.edge)
    }

    /// Starts anew at an instant that is not after the end, from a level capped to the depth.
    pub(in crate::ledger) fn set(&mut self, level: Level, at: Timestamp) {
        self.level = level.min(self.depth);
        self.since = at;
    }

    /// Goes on beyond its end. Gives what overflowed in the last nanosecond of a stretch that was not full before.
    pub(in crate::ledger) fn cross(&mut self, plan: &Plan) -> Level {
        let end = self.end();
        let level = self.level_at(end);
        self.set(level, end);
        let overflow = level.minus(self.level);
        if end == self.edge {
            *self = Self::new(plan, self.level, end);
        }
        overflow
    }
}

/// Nanoseconds between two instants in order.
pub(in crate::ledger) fn span_ns(from: Timestamp, to: Timestamp) -> i128 {
    i128::from(to.as_nanos()) - i128::from(from.as_nanos())
}

/// The first nanosecond by which so much has come in since an instant.
pub(in crate::ledger) fn reached(missing: Level, rate: i128, since: Timestamp) -> Timestamp {
    if rate <= 0 {
        return NEVER;
    }
    let at = quotient_up(missing.units(), rate) + i128::from(since.as_nanos());
    i64::try_from(at).map_or(NEVER, Timestamp::from_nanos)
}

/// Rounded up, of numbers that are not negative. Nearly all are short, and then the division is too.
pub(in crate::ledger) fn quotient_up(dividend: i128, divisor: i128) -> i128 {
    match (u64::try_from(dividend), u64::try_from(divisor)) {
        (Ok(dividend), Ok(divisor)) => i128::from(dividend.div_ceil(divisor)),
        _ => (dividend - 1).div_euclid(divisor) + 1,
    }
}
