//! What will be spare if nobody takes or puts anything, from breakpoint to breakpoint.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Levels;
use super::breakpoints::{Breakpoints, Node};
use super::stretch::NEVER;
use super::sums::{Guarantee, Sums};
use crate::bucket::Level;
use crate::time::Timestamp;

/// The pool's spare on its way into the future. Looks at an account only when its first breakpoint comes.
pub(in crate::ledger) struct Forecast<'a> {
    levels: &'a Levels,
    sums: Sums,
    coming: BinaryHeap<Reverse<(Timestamp, Coming)>>,
    /// The guarantees that have crossed a breakpoint and have another one to come.
    crossed: Vec<(usize, Guarantee)>,
}

/// Who has a breakpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Coming {
    /// The first of several accounts, none of which has crossed one.
    Untouched(Node),
    /// One that has, by its number in `crossed`.
    Crossed(usize),
}

impl<'a> Forecast<'a> {
    pub(in crate::ledger) fn new(levels: &'a Levels) -> Self {
        let mut forecast = Self { levels, sums: levels.sums, coming: BinaryHeap::new(), crossed: Vec::new() };
        forecast.expect(Breakpoints::all());
        forecast
    }

    /// The least that can be spare, all guarantees taken as full: at once to be had, and true until a plan changes, which
    /// is the second value. What is spare when they are full in truth.
    pub(in crate::ledger) fn least(levels: &'a Levels) -> (Self, Timestamp) {
        let sums = levels.sums.with_all_full();
        (Self { levels, sums, coming: BinaryHeap::new(), crossed: Vec::new() }, levels.edges.first())
    }

    fn expect(&mut self, node: Node) {
        let first = self.levels.breakpoints.first_of(node);
        if first < NEVER {
            self.coming.push(Reverse((first, Coming::Untouched(node))));
        }
    }

    /// How much is spare.
    pub(in crate::ledger) fn spare(&self) -> Level {
        self.sums.spare()
    }

    /// How much it grows by in a nanosecond, up to the next breakpoint.
    pub(in crate::ledger) fn spare_slope(&self) -> i128 {
        self.sums.spare_slope()
    }

    /// The spare that the pool would have if nobody used anything.
    pub(in crate::ledger) fn idle_spare(&self) -> Level {
        self.sums.idle_spare()
    }

    /// The most that can be spare up to the next breakpoint, however full the pool is: what guarantees hold they keep.
    pub(in crate::ledger) fn most(&self) -> Level {
        self.sums.pool_depth.minus(self.sums.guaranteed)
    }

    /// Whether no plan changes any more, so that guarantees never hold less than now.
    pub(in crate::ledger) fn has_no_edges(&self) -> bool {
        self.levels.edges.first() == NEVER
    }

    /// The next breakpoint: one of a guarantee, or the pool is full.
    pub(in crate::ledger) fn end(&self) -> Timestamp {
        self.guarantees_end().min(self.sums.pool_full_at())
    }

    fn guarantees_end(&self) -> Timestamp {
        self.coming.peek().map_or(NEVER, |Reverse((first, _))| *first)
    }

    /// Time passes up to an instant that is not after the next breakpoint. How many guarantees have one there; none, and the
    /// forecast ends here, if it is of more than that.
    #[must_use]
    pub(in crate::ledger) fn pass(&mut self, to: Timestamp, crossings_max: usize) -> Option<usize> {
        if to < self.guarantees_end() {
            self.sums.pass(to);
            return Some(0);
        }
        self.sums.approach(to);
        let mut crossings = 0;
        while self.guarantees_end() == to {
            if crossings == crossings_max {
                return None;
            }
            crossings += 1;
            if let Some(Reverse((_, coming))) = self.coming.pop() {
                self.cross(coming);
            }
        }
        self.sums.cap();
        Some(crossings)
    }

    fn cross(&mut self, coming: Coming) {
        #[cfg(test)]
        CROSSINGS.with(|crossings| crossings.set(crossings.get() + 1));
        let (index, mut guarantee) = match coming {
            Coming::Crossed(number) => self.crossed[number],
            Coming::Untouched(node) => {
                let index = self.first_account(node);
                (index, self.levels.guarantees[index])
            }
        };
        self.sums.cross(&mut guarantee, &self.levels.refills[index].plan);
        let end = guarantee.stretch.end();
        if end < NEVER {
            let number = self.keep(coming, index, guarantee);
            self.coming.push(Reverse((end, Coming::Crossed(number))));
        }
    }

    fn keep(&mut self, coming: Coming, index: usize, guarantee: Guarantee) -> usize {
        if let Coming::Crossed(number) = coming {
            self.crossed[number].1 = guarantee;
            return number;
        }
        self.crossed.push((index, guarantee));
        self.crossed.len() - 1
    }

    fn first_account(&mut self, node: Node) -> usize {
        let levels = self.levels;
        levels.breakpoints.account(node, |rest| self.expect(rest))
    }
}

#[cfg(test)]
thread_local! {
    static CROSSINGS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
impl Forecast<'_> {
    /// How many breakpoints of guarantees this thread has looked at since it was last asked.
    pub(in crate::ledger) fn count_crossings() -> usize {
        CROSSINGS.take()
    }
}
