//! A quantity that is linear over a stretch of time, and when it is enough.

use std::ops::Range;

use crate::ledger::levels::{NEVER, Phase, Stretch, quotient_up};
use crate::time::Timestamp;

/// So many units at an instant, and so many more every nanosecond.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) value: i128,
    pub(super) slope: i128,
}

impl Line {
    /// A bucket's level.
    pub(super) fn level(stretch: &Stretch, at: Timestamp) -> Self {
        Self { value: stretch.level_at(at).units(), slope: stretch.slope().get().into() }
    }

    /// What can be taken of it without debt.
    pub(super) fn available(stretch: &Stretch, at: Timestamp) -> Self {
        match stretch.phase() {
            Phase::Debt => Self { value: 0, slope: 0 },
            Phase::Filling | Phase::Full => Self::level(stretch, at),
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self { value: self.value.saturating_add(other.value), slope: self.slope.saturating_add(other.slope) }
    }

    /// The nanoseconds from now on in which it is at least so much, the end excluded; empty if there are none.
    pub(super) fn at_least(self, need: i128) -> Range<i128> {
        let missing = need.saturating_sub(self.value);
        match (missing <= 0, self.slope) {
            (true, 0..) => 0..i128::MAX,
            (true, _) => 0..(-missing / -self.slope).saturating_add(1),
            (false, 1..) => quotient_up(missing, self.slope)..i128::MAX,
            (false, _) => 0..0,
        }
    }
}

/// The first instant of a half-open span that both ranges hold, counted in nanoseconds from `at`.
pub(super) fn first_in_both(
    one: &Range<i128>,
    other: &Range<i128>,
    at: Timestamp,
    span: Range<Timestamp>,
) -> Option<Timestamp> {
    let zero = i128::from(at.as_nanos());
    let first = (i128::from(span.start.as_nanos()) - zero).max(one.start).max(other.start);
    let end = one.end.min(other.end);
    let found = i64::try_from(first + zero).map_or(NEVER, Timestamp::from_nanos);
    (first < end && found < span.end).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_at_least_so_much_exactly_where_it_is() {
        let values = || -12..12_i128;
        for (value, slope, need) in values()
            .flat_map(|value| values().map(move |slope| (value, slope)))
            .flat_map(|(value, slope)| values().map(move |need| (value, slope, need)))
        {
            let range = Line { value, slope }.at_least(need);
            for at in 0..30 {
                let is = value + slope * at >= need;
                assert_eq!(range.contains(&at), is, "{value} + {slope} * {at} >= {need}");
            }
        }
    }
}
