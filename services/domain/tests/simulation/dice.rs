//! Dice: everything that happens by chance in a run comes from its seed, and nothing else does.

use std::ops::Range;
use std::time::Duration;

/// A stream of numbers that a seed determines.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// SplitMix64 (Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, 2014).
    const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) const fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.roll() % (range.end - range.start)
    }

    /// A place in a list of that length.
    pub(crate) fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.within(0..length as u64)).expect("it is less than a length")
    }

    pub(crate) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.place(list.len())]
    }

    pub(crate) const fn percent(&mut self, percent: u64) -> bool {
        self.within(0..100) < percent
    }

    pub(crate) const fn one_in(&mut self, many: u64) -> bool {
        self.within(0..many) == 0
    }

    /// So many milliseconds, to the microsecond.
    pub(crate) const fn ms(&mut self, range: Range<u64>) -> Duration {
        Duration::from_micros(self.within(range.start * 1_000..range.end * 1_000))
    }
}
