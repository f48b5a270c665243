//! What may be drawn now, and when a draw that does not fit now will fit.
//!
//! A draw takes from its guarantee what that has; the rest is borrowed, within the borrow bucket and within what is spare
//! less the threshold. A draw that the guarantee covers alone never looks at the pool or at anybody else. Everything
//! counts in [`Level`] units, so that between two breakpoints all conditions are linear and are solved, not guessed.

mod line;
mod search;
#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::bucket::{Bucket, Level, Plan};
use crate::ledger::levels::{Forecast, Levels, NEVER, Place, quotient_up};
use crate::time::Timestamp;
use search::Search;

/// How many breakpoints are looked at where a later instant is known to be sure: a small part of a millisecond. What
/// comes beyond them is seldom much earlier than that instant.
const BREAKPOINTS_MAX: usize = 1_024;

/// What a draw has beyond its guarantee.
#[derive(Debug, Clone, Copy)]
pub(super) struct Borrowing<'a> {
    /// What it may borrow. Known not later than the levels are.
    pub(super) bucket: &'a Bucket,
    /// How that refills.
    pub(super) plan: &'a Plan,
    /// How much of an idle pool's spare it must leave.
    pub(super) threshold_percent: u8,
}

/// How a draw is made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Split {
    /// What its guarantee has of it.
    pub(super) guaranteed: Level,
    /// The rest.
    pub(super) borrowed: Level,
}

/// Why what the guarantee lacks cannot be borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Short {
    /// The borrow bucket has not so much.
    Borrow,
    /// It has, but others leave too little.
    Spare,
}

/// How a draw would be made up now.
pub(super) fn split(
    levels: &Levels,
    place: Place,
    borrowing: &Borrowing,
    need: Level,
) -> Result<Split, Short> {
    let need = need.max(Level::ZERO);
    let guaranteed = levels.guarantee(place).max(Level::ZERO).min(need);
    let borrowed = need.minus(guaranteed);
    if borrowed > Level::ZERO {
        if borrowed > borrowing.bucket.level_at(borrowing.plan, levels.at()) {
            return Err(Short::Borrow);
        }
        if borrowed > lendable(levels, borrowing.threshold_percent) {
            return Err(Short::Spare);
        }
    }
    Ok(Split { guaranteed, borrowed })
}

/// The most that could be borrowed now, wherever the guarantee stands.
pub(super) fn borrowable(levels: &Levels, borrowing: &Borrowing) -> Level {
    let has = borrowing.bucket.level_at(borrowing.plan, levels.at());
    has.min(lendable(levels, borrowing.threshold_percent)).max(Level::ZERO)
}

/// What is spare beyond a threshold.
fn lendable(levels: &Levels, threshold_percent: u8) -> Level {
    levels.spare().minus(kept(levels.idle_spare(), threshold_percent))
}

/// What a borrower must leave of the spare, rounded up.
pub(super) fn kept(idle_spare: Level, threshold_percent: u8) -> Level {
    Level::from_units(quotient_up(idle_spare.units().saturating_mul(threshold_percent.into()), 100))
}

/// The first instant from now on at which the draw fits, if nothing is taken or put by anybody; none if never.
pub(super) fn first_admission(
    levels: &Levels,
    place: Place,
    borrowing: &Borrowing,
    need: Level,
) -> Option<Timestamp> {
    first_admission_from(levels, place, borrowing, need, levels.at())
}

/// The same from a later instant on.
///
/// Exact to the nanosecond within [`BREAKPOINTS_MAX`] breakpoints. If there are more, the answer is the first instant at
/// which the guarantee covers the draw, or at which what is spare suffices even if all guarantees were full, whichever
/// comes first: it is true. Only for a draw that no idle pool would admit all breakpoints are looked at; that costs time
/// in proportion to the guarantees that are not full.
pub(super) fn first_admission_from(
    levels: &Levels,
    place: Place,
    borrowing: &Borrowing,
    need: Level,
    from: Timestamp,
) -> Option<Timestamp> {
    let from = from.max(levels.at());
    if need <= Level::ZERO {
        return Some(from);
    }
    let own = Bucket::new(levels.guarantee(place), levels.at());
    let covered = own.first_at_least(levels.plan(place), need, from).unwrap_or(NEVER);
    let search = Search::new(levels, place, borrowing, need);
    let found = search.clone().first_with_own(from..covered);
    let found = found.map_or(covered, |from| first_borrowed(levels, &search, from..covered, BREAKPOINTS_MAX));
    (found < NEVER).then_some(found)
}

/// The first instant of a span at which the draw fits, or its end; a later one at which it does if there are more
/// breakpoints than that and such an instant is known.
fn first_borrowed(
    levels: &Levels,
    search: &Search,
    span: Range<Timestamp>,
    breakpoints_max: usize,
) -> Timestamp {
    let (least, until) = Forecast::least(levels);
    let sure = search.clone().first(least, span.start..span.end.min(until), breakpoints_max);
    let sure = sure.unwrap_or(span.end);
    let breakpoints_max = if sure < NEVER { breakpoints_max } else { usize::MAX };
    search.clone().first(Forecast::new(levels), span.start..sure, breakpoints_max).unwrap_or(sure)
}
