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

/// How many breakpoints of guarantees are looked at: some 50 µs, which is what the call costs that asks. More, and whoever asks again and
/// again for what is not to be had would keep the pool from all others.
const BREAKPOINTS_MAX: usize = 128;

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
pub(super) fn lendable(levels: &Levels, threshold_percent: u8) -> Level {
    levels.spare().minus(kept(levels.idle_spare(), threshold_percent))
}

/// What a borrower must leave of the spare, rounded up.
pub(super) fn kept(idle_spare: Level, threshold_percent: u8) -> Level {
    Level::from_units(quotient_up(idle_spare.units().saturating_mul(threshold_percent.into()), 100))
}

/// When a draw fits, if nothing is taken or put by anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    /// From this instant on, or for a while from it.
    At(Timestamp),
    /// At no time.
    Never,
    /// Not soon. To know more would cost too much.
    Unknown,
}

impl First {
    /// The instant; none if there is none, or none is known.
    pub(super) const fn at(self) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(at),
            Self::Never | Self::Unknown => None,
        }
    }
}

/// When a draw fits, from now on.
pub(super) fn first_admission(levels: &Levels, place: Place, borrowing: &Borrowing, need: Level) -> First {
    first_admission_from(levels, place, borrowing, need, levels.at())
}

/// The same from a later instant on.
///
/// Exact to the nanosecond within [`BREAKPOINTS_MAX`] breakpoints. If there are more, the answer is the first instant at
/// which the guarantee covers the draw, or at which what is spare suffices even if all guarantees were full, whichever
/// comes first: it is true. A draw that no idle pool would admit may fit while others have not refilled; nobody is told so,
/// since slices that are given back fill them sooner: it is never, if the pool cannot have so much beside what others hold
/// already, or else unknown.
pub(super) fn first_admission_from(
    levels: &Levels,
    place: Place,
    borrowing: &Borrowing,
    need: Level,
    from: Timestamp,
) -> First {
    let from = from.max(levels.at());
    if need <= Level::ZERO {
        return First::At(from);
    }
    let own = Bucket::new(levels.guarantee(place), levels.at());
    let covered = own.first_at_least(levels.plan(place), need, from).unwrap_or(NEVER);
    let search = Search::new(levels, place, borrowing, need);
    let own_suffice =
        if need > levels.pool_depth() { None } else { search.clone().first_with_own(from..covered) };
    match own_suffice {
        Some(from) => first_borrowed(levels, &search, from..covered, BREAKPOINTS_MAX),
        None if covered < NEVER => First::At(covered),
        None => First::Never,
    }
}

/// The first instant of a span at which the draw fits, or its end; a later one at which it does if there are more
/// breakpoints than that and such an instant is known.
fn first_borrowed(levels: &Levels, search: &Search, span: Range<Timestamp>, breakpoints_max: usize) -> First {
    let (least, until) = Forecast::least(levels);
    let sure = search.clone().first(least, span.start..span.end.min(until), breakpoints_max);
    let sure = sure.at().unwrap_or(span.end);
    match search.clone().first(Forecast::new(levels), span.start..sure, breakpoints_max) {
        First::Never | First::Unknown if sure < NEVER => First::At(sure),
        found => found,
    }
}
