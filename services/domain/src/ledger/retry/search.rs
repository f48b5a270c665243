//! The search for the first instant at which a draw can be borrowed, from stretch to stretch.

use std::ops::Range;

use super::line::{Line, first_in_both};
use super::{Borrowing, First, kept};
use crate::bucket::{Level, Plan};
use crate::ledger::levels::{Forecast, Levels, Place, Stretch};
use crate::time::Timestamp;

/// A bucket from now on, and how it refills after that.
#[derive(Clone)]
struct Planned<'a> {
    stretch: Stretch,
    plan: &'a Plan,
}

/// A draw whose time is sought, and the two buckets of its own.
#[derive(Clone)]
pub(super) struct Search<'a> {
    need: Level,
    threshold_percent: u8,
    guarantee: Planned<'a>,
    borrow: Planned<'a>,
    at: Timestamp,
}

impl<'a> Search<'a> {
    pub(super) fn new(levels: &'a Levels, place: Place, borrowing: &Borrowing<'a>, need: Level) -> Self {
        let at = levels.at();
        let level = borrowing.bucket.level_at(borrowing.plan, at);
        Self {
            need,
            threshold_percent: borrowing.threshold_percent,
            guarantee: Planned { stretch: *levels.stretch(place), plan: levels.plan(place) },
            borrow: Planned { stretch: Stretch::new(borrowing.plan, level, at), plan: borrowing.plan },
            at,
        }
    }

    /// The first instant of a half-open span at which the two buckets suffice, whatever is spare.
    pub(super) fn first_with_own(mut self, span: Range<Timestamp>) -> Option<Timestamp> {
        while self.at < span.end {
            let end = self.own_end().min(span.end);
            let found = self.solve(None, span.start..end);
            if found.is_some() {
                return found;
            }
            self.pass(end);
        }
        None
    }

    /// The first instant of a half-open span at which what is spare suffices too, and would as well in an idle pool: then
    /// slices that are given back in between, which fill guarantees, make no difference. Never if at no instant of the span
    /// the pool can have so much beside what others hold already; unknown if it can for a while, or if so many breakpoints
    /// of guarantees come before. Besides these only the pool gets full, once between any two of them, and the two buckets
    /// have theirs, a few for every burst.
    pub(super) fn first(
        mut self,
        mut forecast: Forecast,
        span: Range<Timestamp>,
        breakpoints_max: usize,
    ) -> First {
        let (mut left, mut fleeting) = (breakpoints_max, false);
        loop {
            let end = self.own_end().min(forecast.end()).min(span.end);
            let found = self.solve(Some(&forecast), span.start..end);
            let fits_idle = self.beside(forecast.idle_spare(), &forecast) >= self.need;
            if let Some(at) = found.filter(|_| fits_idle) {
                return First::At(at);
            }
            fleeting |= self.beside(forecast.most(), &forecast) >= self.need;
            let is_known = end >= span.end || (!fits_idle && forecast.has_no_edges());
            if is_known && !fleeting {
                return First::Never;
            }
            let crossings = if is_known { None } else { forecast.pass(end, left) };
            let Some(crossings) = crossings else { return First::Unknown };
            left -= crossings;
            self.pass(end);
        }
    }

    /// So much spare and a full guarantee, less what must be left.
    fn beside(&self, spare: Level, forecast: &Forecast) -> Level {
        let kept = kept(forecast.idle_spare(), self.threshold_percent);
        self.guarantee.stretch.depth().plus(spare).minus(kept)
    }

    /// The next breakpoint of the two buckets.
    fn own_end(&self) -> Timestamp {
        self.guarantee.stretch.end().min(self.borrow.stretch.end())
    }

    fn pass(&mut self, to: Timestamp) {
        for Planned { stretch, plan } in [&mut self.guarantee, &mut self.borrow] {
            if stretch.end() == to {
                stretch.cross(plan);
            }
        }
        self.at = to;
    }

    /// The first instant that suffices, of a span that ends within this stretch.
    fn solve(&self, forecast: Option<&Forecast>, span: Range<Timestamp>) -> Option<Timestamp> {
        if span.is_empty() {
            return None;
        }
        let has = Line::available(&self.guarantee.stretch, self.at);
        let may_borrow = has.plus(Line::level(&self.borrow.stretch, self.at)).at_least(self.need.units());
        let is_spare = forecast.map_or(0..i128::MAX, |forecast| self.spare_suffices(has, forecast));
        first_in_both(&may_borrow, &is_spare, self.at, span)
    }

    fn spare_suffices(&self, has: Line, forecast: &Forecast) -> Range<i128> {
        let lendable = forecast.spare().minus(kept(forecast.idle_spare(), self.threshold_percent));
        let spare = Line { value: lendable.units(), slope: forecast.spare_slope() };
        has.plus(spare).at_least(self.need.units())
    }
}
