//! The search for the first instant at which a draw can be borrowed, from stretch to stretch.

use std::ops::Range;

use super::line::{Line, first_in_both};
use super::{Borrowing, First, kept};
use crate::bucket::{Level, Plan};
use crate::ledger::levels::{Forecast, Levels, Place, Stretch};
use crate::time::Timestamp;

/// A draw whose time is sought, and the two buckets of its own.
#[derive(Clone)]
pub(super) struct Search<'a> {
    need: Level,
    threshold_percent: u8,
    guarantee: (Stretch, &'a Plan),
    borrow: (Stretch, &'a Plan),
    at: Timestamp,
}

impl<'a> Search<'a> {
    pub(super) fn new(levels: &'a Levels, place: Place, borrowing: &Borrowing<'a>, need: Level) -> Self {
        let at = levels.at();
        let borrow = Stretch::new(borrowing.plan, borrowing.bucket.level_at(borrowing.plan, at), at);
        Self {
            need,
            threshold_percent: borrowing.threshold_percent,
            guarantee: (*levels.stretch(place), levels.plan(place)),
            borrow: (borrow, borrowing.plan),
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

    /// The first instant of a half-open span at which what is spare suffices too; never if there is none in it, and unknown
    /// if so many breakpoints come before.
    pub(super) fn first(
        mut self,
        mut forecast: Forecast,
        span: Range<Timestamp>,
        breakpoints_max: usize,
    ) -> First {
        for _ in 0..=breakpoints_max {
            let end = self.own_end().min(forecast.end()).min(span.end);
            if let Some(at) = self.solve(Some(&forecast), span.start..end) {
                return First::At(at);
            }
            if end >= span.end || self.is_beyond(&forecast) {
                return First::Never;
            }
            forecast.pass(end);
            self.pass(end);
        }
        First::Unknown
    }

    /// Whether the pool cannot have so much, because others hold too much of it already.
    fn is_beyond(&self, forecast: &Forecast) -> bool {
        let Some(most) = forecast.most() else { return false };
        let kept = kept(forecast.idle_spare(), self.threshold_percent);
        self.guarantee.0.depth().plus(most).minus(kept) < self.need
    }

    /// The next breakpoint of the two buckets.
    fn own_end(&self) -> Timestamp {
        self.guarantee.0.end().min(self.borrow.0.end())
    }

    fn pass(&mut self, to: Timestamp) {
        for (stretch, plan) in [&mut self.guarantee, &mut self.borrow] {
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
        let has = Line::available(&self.guarantee.0, self.at);
        let may_borrow = has.plus(Line::level(&self.borrow.0, self.at)).at_least(self.need.units());
        let is_spare = forecast.map_or(0..i128::MAX, |forecast| self.spare_suffices(has, forecast));
        first_in_both(&may_borrow, &is_spare, self.at, span)
    }

    fn spare_suffices(&self, has: Line, forecast: &Forecast) -> Range<i128> {
        let lendable = forecast.spare().minus(kept(forecast.idle_spare(), self.threshold_percent));
        let spare = Line { value: lendable.units(), slope: forecast.spare_slope() };
        has.plus(spare).at_least(self.need.units())
    }
}
