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

    /// The most that can be spare from here on: all that the pool can hold beside what guarantees hold already. None where a
    /// plan will change, and guarantees may hold less again.
    pub(in crate::ledger) fn most(&self) -> Option<Level> {
        (self.levels.edges.first() == NEVER).then(|| self.sums.pool_depth.minus(self.sums.guaranteed))
    }

    /// The next breakpoint: one of a guarantee, or the pool is full.
    pub(in crate::ledger) fn end(&self) -> Timestamp {
        self.guarantees_end().min(self.sums.pool_full_at())
    }

    fn guarantees_end(&self) -> Timestamp {
        self.coming.peek().map_or(NEVER, |Reverse((first, _))| *first)
    }

    /// Time passes up to an instant that is not after the next breakpoint.
    pub(in crate::ledger) fn pass(&mut self, to: Timestamp) {
        #[cfg(test)]
        STEPS.with(|steps| steps.set(steps.get() + 1));
        if to < self.guarantees_end() {
            return self.sums.pass(to);
        }
        self.sums.approach(to);
        while self.guarantees_end() == to {
            if let Some(Reverse((_, coming))) = self.coming.pop() {
                self.cross(coming);
            }
        }
        self.sums.cap();
    }

    fn cross(&mut self, coming: Coming) {
        let (index, mut guarantee) = match coming {
            Coming::Crossed(number) => self.crossed[number],
            Coming::Untouched(node) => {
                let index = self.first_account(node);
                (index, self.levels.guarantees[index])
            }
        };
        self.sums.cross(&mut guarantee, &self.levels.terms[index].plan);
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
    static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
impl Forecast<'_> {
    /// How many steps this thread has taken since it was last asked.
    pub(in crate::ledger) fn count_steps() -> usize {
        STEPS.take()
    }
}
