//! Whose turn it is: allocations in an order that is the same in every run.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// How long an order is before it begins anew.
const LENGTH: usize = 1 << 18;
/// The exponent of the skewed order: the first of 10,000 has an eighth of all requests, the first hundred have half.
const ZIPF: f64 = 1.0;

/// An endless list of allocations, by number.
pub(super) struct Order {
    numbers: Vec<u32>,
    next: usize,
}

impl Order {
    /// All of them equally often.
    pub(super) fn even(allocations: usize) -> Self {
        let mut dice = StdRng::seed_from_u64(1);
        let last = u32::try_from(allocations).expect("they are few") - 1;
        Self { numbers: (0..LENGTH).map(|_| dice.random_range(0..=last)).collect(), next: 0 }
    }

    /// A few of them most of the time.
    pub(super) fn skewed(allocations: usize) -> Self {
        let mut sum = 0.0;
        let mut sums = Vec::new();
        for rank in 1..=u32::try_from(allocations).expect("they are few") {
            sum += f64::from(rank).powf(-ZIPF);
            sums.push(sum);
        }
        let mut dice = StdRng::seed_from_u64(1);
        let pick = |_| {
            let below = dice.random_range(0.0..sum);
            u32::try_from(sums.partition_point(|sum| *sum <= below)).expect("they are few")
        };
        Self { numbers: (0..LENGTH).map(pick).collect(), next: 0 }
    }

    /// The next.
    pub(super) fn draw(&mut self) -> usize {
        self.next = (self.next + 1) % LENGTH;
        self.numbers[self.next] as usize
    }
}
