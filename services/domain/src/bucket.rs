//! A bucket of tokens in exact integers: its level is piecewise linear in time and may be negative.
//!
//! A [`Plan`] says at what rate the bucket refills and how deep it is, now and at every later edge (a burst that
//! begins or ends), so that levels are right at any instant with nobody calling in between.

use crate::amount::{Tokens, TokensPerMinute};
use crate::time::Timestamp;

/// Units in a token: the nanoseconds of a minute. A rate of `r` tokens a minute adds `r` units a nanosecond.
pub const UNITS_PER_TOKEN: i128 = 60_000_000_000;

/// An amount in a bucket, in token·nanoseconds a minute. Negative while in debt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Level(i128);

impl Level {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// That many whole tokens.
    pub fn from_tokens(tokens: Tokens) -> Self {
        Self(i128::from(tokens.get()) * UNITS_PER_TOKEN)
    }

    /// What a rate brings in a span of nanoseconds. Saturates beyond 2^127, which is 10^11 tokens for each of 10^16.
    pub fn from_rate(rate: TokensPerMinute, span_ns: i128) -> Self {
        Self(i128::from(rate.get()).saturating_mul(span_ns))
    }

    /// That many units.
    pub const fn from_units(units: i128) -> Self {
        Self(units)
    }

    /// The units.
    pub const fn units(self) -> i128 {
        self.0
    }

    /// Whole tokens that can be taken, rounded down; none while in debt.
    pub fn available(self) -> Tokens {
        Tokens::new(u64::try_from(self.0.max(0) / UNITS_PER_TOKEN).unwrap_or(u64::MAX))
    }

    /// Whole tokens below zero, rounded up; none if there is no debt.
    pub fn debt(self) -> Tokens {
        let below = self.0.min(0).unsigned_abs();
        Tokens::new(u64::try_from(below.div_ceil(UNITS_PER_TOKEN.unsigned_abs())).unwrap_or(u64::MAX))
    }

    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, which may be negative.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// How a bucket refills from an instant on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// The first instant at which it does.
    pub from: Timestamp,
    /// How fast.
    pub rate: TokensPerMinute,
    /// Up to where.
    pub depth: Level,
}

/// How a bucket refills, for all time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan(Vec<Segment>);

const BEGINNING: Timestamp = Timestamp::from_nanos(i64::MIN);

impl Plan {
    /// The same for all time.
    pub fn flat(rate: TokensPerMinute, depth: Level) -> Self {
        Self(vec![Segment { from: BEGINNING, rate, depth }])
    }

    /// No refill and no depth.
    pub fn none() -> Self {
        Self::flat(TokensPerMinute::ZERO, Level::ZERO)
    }

    /// Flat up to the first of some later segments, which are in order of time.
    #[must_use]
    pub fn followed_by(mut self, later: impl IntoIterator<Item = Segment>) -> Self {
        self.0.extend(later);
        self
    }

    /// The segment that holds an instant.
    pub fn at(&self, at: Timestamp) -> Segment {
        self.0[self.place(at)]
    }

    /// Its segments in order of time; the first begins before all time.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// The first edge after an instant; none if all that follows is the same.
    pub fn edge_after(&self, at: Timestamp) -> Option<Timestamp> {
        self.0.get(self.place(at) + 1).map(|next| next.from)
    }

    /// What it refills from an instant on before it first stands still; none if it never does.
    pub fn refill_from(&self, at: Timestamp) -> Option<Level> {
        let mut refill = Level::ZERO;
        for (segment, end) in self.from(at) {
            if segment.rate == TokensPerMinute::ZERO {
                return Some(refill);
            }
            refill = refill.plus(Level::from_rate(segment.rate, span_ns(segment.from.max(at), end?)));
        }
        None
    }

    fn place(&self, at: Timestamp) -> usize {
        self.0.partition_point(|segment| segment.from <= at).saturating_sub(1)
    }

    /// The segments from an instant on, each with its end; the last has none.
    fn from(&self, at: Timestamp) -> impl Iterator<Item = (Segment, Option<Timestamp>)> {
        let place = self.place(at);
        let ends = self.0[place + 1..].iter().map(|next| Some(next.from)).chain([None]);
        self.0[place..].iter().copied().zip(ends)
    }
}

/// A level and the instant at which it was so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    level: Level,
    at: Timestamp,
}

impl Bucket {
    /// A bucket that holds this much at this instant.
    pub const fn new(level: Level, at: Timestamp) -> Self {
        Self { level, at }
    }

    /// The last level that is known.
    pub const fn level(&self) -> Level {
        self.level
    }

    /// The instant at which it held the level that is known.
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// How much it holds at an instant; the past is as the last known instant was.
    pub fn level_at(&self, plan: &Plan, now: Timestamp) -> Level {
        let now = now.max(self.at);
        let mut level = self.level;
        for (segment, end) in plan.from(self.at) {
            let from = segment.from.max(self.at);
            level = filled(level, segment, span_ns(from, end.map_or(now, |end| end.min(now))));
            if end.is_none_or(|end| now < end) {
                break;
            }
        }
        level
    }

    /// Brings the level up to an instant.
    pub fn advance(&mut self, plan: &Plan, now: Timestamp) {
        self.level = self.level_at(plan, now);
        self.at = self.at.max(now);
    }

    /// Takes an amount, below zero if need be.
    pub fn take(&mut self, plan: &Plan, amount: Level, now: Timestamp) {
        self.advance(plan, now);
        self.level = self.level.minus(amount);
    }

    /// Puts an amount back; what does not fit is lost.
    pub fn put(&mut self, plan: &Plan, amount: Level, now: Timestamp) {
        self.advance(plan, now);
        self.level = self.level.plus(amount).min(plan.at(self.at).depth);
    }

    /// The first instant from `now` on at which the bucket holds at least `need`, if nothing is taken; none if never.
    ///
    /// Exact to the nanosecond. Levels fall where the depth does, so this may be an instant that does not last.
    pub fn first_at_least(&self, plan: &Plan, need: Level, now: Timestamp) -> Option<Timestamp> {
        let now = now.max(self.at);
        let mut level = self.level_at(plan, now);
        for (segment, end) in plan.from(now) {
            let from = segment.from.max(now);
            level = level.min(segment.depth);
            if level >= need {
                return Some(from);
            }
            if let Some(at) = reached(level, segment, need, from).filter(|at| end.is_none_or(|end| *at < end))
            {
                return Some(at);
            }
            level = filled(level, segment, end.map_or(0, |end| span_ns(from, end)));
        }
        None
    }

    /// The first instant from `now` on at which the bucket is full, if nothing is taken; none if never.
    pub fn full_at(&self, plan: &Plan, now: Timestamp) -> Option<Timestamp> {
        let now = now.max(self.at);
        let mut level = self.level_at(plan, now);
        for (segment, end) in plan.from(now) {
            let from = segment.from.max(now);
            if level >= segment.depth {
                return Some(from);
            }
            let full = reached(level, segment, segment.depth, from);
            if let Some(at) = full.filter(|at| end.is_none_or(|end| *at < end)) {
                return Some(at);
            }
            level = filled(level, segment, end.map_or(0, |end| span_ns(from, end)));
        }
        None
    }
}

fn span_ns(from: Timestamp, to: Timestamp) -> i128 {
    (i128::from(to.as_nanos()) - i128::from(from.as_nanos())).max(0)
}

/// The level after a span within one segment.
fn filled(level: Level, segment: Segment, span_ns: i128) -> Level {
    level.plus(Level::from_rate(segment.rate, span_ns)).min(segment.depth)
}

/// When a level that is too low reaches `need`, the segment lasting for ever.
fn reached(level: Level, segment: Segment, need: Level, from: Timestamp) -> Option<Timestamp> {
    let rate = i128::from(segment.rate.get());
    if need > segment.depth || rate == 0 {
        return None;
    }
    let missing = need.minus(level).units();
    let wait_ns = (missing + rate - 1) / rate;
    i64::try_from(i128::from(from.as_nanos()) + wait_ns).ok().map(Timestamp::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tokens(count: u64) -> Level {
        Level::from_tokens(Tokens::new(count))
    }

    fn flat(rate: u64, depth: u64) -> Plan {
        Plan::flat(TokensPerMinute::new(rate), tokens(depth))
    }

    fn segment(from_s: i64, rate: u64, depth: u64) -> Segment {
        Segment { from: s(from_s), rate: TokensPerMinute::new(rate), depth: tokens(depth) }
    }

    fn s(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn a_minute_brings_exactly_the_rate() {
        let bucket = Bucket::new(Level::ZERO, s(0));
        assert_eq!(bucket.level_at(&flat(7, 100), s(60)), tokens(7));
        assert_eq!(bucket.level_at(&flat(7, 100), s(30)).available(), Tokens::new(3));
    }

    #[test]
    fn a_bucket_is_never_deeper_than_its_depth_and_debt_has_no_floor() {
        let mut bucket = Bucket::new(tokens(5), s(0));
        bucket.put(&flat(1, 10), tokens(100), s(0));
        assert_eq!(bucket.level_at(&flat(1, 10), s(0)), tokens(10));
        bucket.take(&flat(1, 10), tokens(1_000), s(0));
        assert_eq!(bucket.level_at(&flat(1, 10), s(0)).debt(), Tokens::new(990));
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing_and_takes_nothing() {
        let mut bucket = Bucket::new(Level::ZERO, s(60));
        bucket.advance(&flat(60, 100), s(0));
        assert_eq!(bucket, Bucket::new(Level::ZERO, s(60)));
    }

    #[test]
    fn a_burst_fills_faster_while_it_lasts_and_its_depth_ends_with_it() {
        let plan = flat(60, 10).followed_by([segment(10, 600, 100), segment(20, 60, 10)]);
        let bucket = Bucket::new(Level::ZERO, s(0));
        assert_eq!(bucket.level_at(&plan, s(10)), tokens(10));
        assert_eq!(bucket.level_at(&plan, s(15)), tokens(60));
        assert_eq!(
            bucket.level_at(&plan, Timestamp::from_nanos(s(20).as_nanos() - 1)).available(),
            Tokens::new(100)
        );
        assert_eq!(bucket.level_at(&plan, s(20)), tokens(10));
    }

    #[test]
    fn a_request_that_fits_only_within_a_burst_is_told_so() {
        let plan = flat(60, 10).followed_by([segment(10, 600, 100), segment(20, 60, 10)]);
        let bucket = Bucket::new(Level::ZERO, s(0));
        assert_eq!(bucket.first_at_least(&plan, tokens(50), s(0)), Some(s(14)));
        assert_eq!(bucket.first_at_least(&plan, tokens(50), s(20)), None);
        assert_eq!(bucket.first_at_least(&plan, tokens(101), s(0)), None);
    }

    fn plans() -> impl Strategy<Value = Plan> {
        let part = (1_i64..20, 0_u64..1_000, 0_u64..50);
        (0_u64..100, 0_u64..50, prop::collection::vec(part, 0..4)).prop_map(|(rate, depth, parts)| {
            let mut from = 0;
            let later = parts.into_iter().map(|(after, rate, depth)| {
                from += after;
                segment(from, rate, depth)
            });
            flat(rate, depth).followed_by(later.collect::<Vec<_>>())
        })
    }

    proptest! {
        #[test]
        fn the_way_to_an_instant_does_not_matter(plan in plans(), start in -20_i64..20, stops in prop::collection::vec(0_i64..60, 0..6)) {
            let direct = Bucket::new(Level(i128::from(start) * UNITS_PER_TOKEN), s(0));
            let mut stepped = direct;
            let mut stops = stops;
            stops.sort_unstable();
            for stop in stops {
                stepped.advance(&plan, s(stop));
            }
            prop_assert_eq!(stepped.level_at(&plan, s(60)), direct.level_at(&plan, s(60)));
        }

        #[test]
        fn the_first_instant_that_suffices_is_the_first(plan in plans(), start in -20_i64..20, need in 0_u64..60, now in 0_i64..40) {
            let bucket = Bucket::new(Level(i128::from(start) * UNITS_PER_TOKEN), s(0));
            let found = bucket.first_at_least(&plan, tokens(need), s(now));
            if let Some(at) = found {
                prop_assert!(bucket.level_at(&plan, at) >= tokens(need));
                if at > s(now) {
                    let before = Timestamp::from_nanos(at.as_nanos() - 1);
                    prop_assert!(bucket.level_at(&plan, before) < tokens(need));
                }
            }
            let until = found.map_or(s(4_000), |at| Timestamp::from_nanos(at.as_nanos() - 1));
            for probe in (now..4_000).step_by(13) {
                if s(probe) <= until {
                    prop_assert!(bucket.level_at(&plan, s(probe)) < tokens(need), "at {} s", probe);
                }
            }
        }

        #[test]
        fn a_bucket_that_says_it_is_full_is_full(plan in plans(), start in -20_i64..20, now in 0_i64..40) {
            let bucket = Bucket::new(Level(i128::from(start) * UNITS_PER_TOKEN), s(0));
            if let Some(at) = bucket.full_at(&plan, s(now)) {
                prop_assert_eq!(bucket.level_at(&plan, at), plan.at(at).depth);
            }
        }
    }
}
