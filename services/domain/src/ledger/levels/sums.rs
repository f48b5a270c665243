//! The pool and the sums over its guarantees, which are linear between two breakpoints of anybody.

use super::stretch::{NEVER, Phase, Stretch, reached, span_ns};
use crate::amount::TokensPerMinute;
use crate::bucket::{Level, Plan};
use crate::time::Timestamp;

/// A guarantee between two of its breakpoints, and what it does with its overflow. As long as a line of a processor's
/// cache, and aligned to one, because going from one guarantee to another is most of what a breakpoint costs.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Guarantee {
    pub(super) stretch: Stretch,
    /// How much of its overflow others may have, as a rate.
    pub(super) lending: TokensPerMinute,
}

impl Guarantee {
    /// How much of a nanosecond's overflow nobody has.
    fn withheld(&self, overflow: Level) -> Level {
        overflow.minus(Level::from_rate(self.lending, 1)).max(Level::ZERO)
    }
}

/// The pool's bucket and what all guarantees are together, at an instant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sums {
    pub(super) at: Timestamp,
    pub(super) pool: Level,
    pub(super) pool_depth: Level,
    pub(super) pool_rate: TokensPerMinute,
    /// What all guarantees hold, debts not counted.
    pub(super) guaranteed: Level,
    /// How deep they are.
    pub(super) depths: Level,
    /// How fast what they hold grows, in units a nanosecond.
    filling: i128,
    /// How much of what overflows them nobody has, in the same unit.
    withheld: i128,
    /// How much that would be if all of them were full.
    withheld_max: i128,
}

impl Default for Sums {
    fn default() -> Self {
        Self {
            at: Timestamp::EPOCH,
            pool: Level::ZERO,
            pool_depth: Level::ZERO,
            pool_rate: TokensPerMinute::ZERO,
            guaranteed: Level::ZERO,
            depths: Level::ZERO,
            filling: 0,
            withheld: 0,
            withheld_max: 0,
        }
    }
}

impl Sums {
    /// Counts a guarantee as it is now.
    pub(super) fn include(&mut self, guarantee: &Guarantee) {
        self.count(guarantee, 1);
    }

    /// Counts it no more. To be done before it is changed.
    pub(super) fn exclude(&mut self, guarantee: &Guarantee) {
        self.count(guarantee, -1);
    }

    fn count(&mut self, Guarantee { stretch, lending }: &Guarantee, sign: i128) {
        let signed = |level: Level| Level::from_units(sign * level.units());
        let withheld = sign * i128::from(stretch.rate().saturating_sub(*lending).get());
        self.depths = self.depths.plus(signed(stretch.depth()));
        self.withheld_max += withheld;
        match stretch.phase() {
            Phase::Debt => {}
            Phase::Filling => {
                self.guaranteed = self.guaranteed.plus(signed(stretch.level_at(self.at)));
                self.filling += sign * i128::from(stretch.rate().get());
            }
            Phase::Full => {
                self.guaranteed = self.guaranteed.plus(signed(stretch.depth()));
                self.withheld += withheld;
            }
        }
    }

    /// The same with all guarantees full, and the pool's level as it is.
    pub(super) fn with_all_full(&self) -> Self {
        Self { guaranteed: self.depths, filling: 0, withheld: self.withheld_max, ..*self }
    }

    /// What the pool holds beyond all guarantees; negative in deficit.
    pub(super) fn spare(&self) -> Level {
        self.pool.minus(self.guaranteed)
    }

    /// The spare that the pool has when nobody uses anything.
    pub(super) fn idle_spare(&self) -> Level {
        self.pool_depth.minus(self.depths).max(Level::ZERO)
    }

    /// What the pool gets in a nanosecond.
    fn refill(&self) -> i128 {
        (i128::from(self.pool_rate.get()) - self.withheld).max(0)
    }

    /// How much the spare grows by in a nanosecond; negative where guarantees refill at the cost of it.
    pub(super) fn spare_slope(&self) -> i128 {
        let refill = if self.pool < self.pool_depth { self.refill() } else { 0 };
        refill - self.filling
    }

    /// When the pool gets full, if nothing else happens; never if it is.
    pub(super) fn pool_full_at(&self) -> Timestamp {
        if self.pool < self.pool_depth {
            reached(self.pool_depth.minus(self.pool), self.refill(), self.at)
        } else {
            NEVER
        }
    }

    /// Time passes up to an instant before the next breakpoint of any guarantee.
    pub(super) fn pass(&mut self, to: Timestamp) {
        self.flow(span_ns(self.at, to));
        self.at = to;
        self.cap();
    }

    /// Time passes up to the next breakpoint of a guarantee. Those that have one then are to cross it, and then the
    /// pool is capped: what they withhold of this nanosecond never gets there.
    pub(super) fn approach(&mut self, breakpoint: Timestamp) {
        self.pass(Timestamp::from_nanos(breakpoint.as_nanos() - 1));
        self.flow(1);
        self.at = breakpoint;
    }

    /// A guarantee goes on beyond its breakpoint, which is now.
    pub(super) fn cross(&mut self, guarantee: &mut Guarantee, plan: &Plan) {
        self.exclude(guarantee);
        let overflow = guarantee.stretch.cross(plan);
        self.pool = self.pool.minus(guarantee.withheld(overflow));
        self.include(guarantee);
    }

    /// What the pool cannot hold is lost.
    pub(super) fn cap(&mut self) {
        self.pool = self.pool.min(self.pool_depth);
    }

    fn flow(&mut self, span_ns: i128) {
        self.pool = self.pool.plus(product(self.refill(), span_ns));
        self.guaranteed = self.guaranteed.plus(product(self.filling, span_ns));
    }
}

/// What a rate in units a nanosecond comes to. Nearly all rates and spans are short, and then the multiplication is too.
fn product(rate: i128, span_ns: i128) -> Level {
    Level::from_units(match (i64::try_from(rate), i64::try_from(span_ns)) {
        (Ok(rate), Ok(span_ns)) => i128::from(rate) * i128::from(span_ns),
        _ => rate.saturating_mul(span_ns),
    })
}
