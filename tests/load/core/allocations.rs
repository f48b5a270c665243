//! What a reservation and its settle allocate: nothing, where they are answered from what is in hand.

use std::time::Duration;

use weir_tests::load::desk::{DeskAtWork, pool_of, terms};

const ALLOCATIONS: usize = 10_000;
/// How much time passes at the desk from pair to pair.
const APART: Duration = Duration::from_micros(1);
/// The most that a desk with a million live holds and their allocations may take.
const BYTES_MAX: u64 = 1 << 30;

/// A pair of some allocation.
fn pair(work: &mut DeskAtWork, number: usize) {
    let hold = work.reserve(number, 10).expect("there is plenty");
    assert!(work.settle(number, hold, 6));
}

/// What is allocated by so many pairs that make nothing but their settles known, of so many allocations in turn. The room
/// that the desk makes when it looks after itself, ten times a second, is not theirs.
fn allocated_from_hand(work: &mut DeskAtWork, pairs: usize, allocations: usize) -> u64 {
    let mut allocated = 0;
    let mut from_hand = 0;
    for number in 0..pairs {
        work.pass(APART);
        let before = work.events();
        let measured = allocation_counter::measure(|| pair(work, number % allocations));
        if work.events() == before + 1 {
            from_hand += 1;
            allocated += measured.count_total;
        }
    }
    assert!(from_hand > pairs * 9 / 10, "only {from_hand} of {pairs} are from hand");
    allocated
}

#[test]
fn a_pair_that_is_answered_from_hand_allocates_nothing() {
    for budgets in [0, 2] {
        let mut work = pool_of(ALLOCATIONS, 2, &terms(10_000_000_000, budgets));
        for number in 0..600_000 {
            work.pass(APART);
            pair(&mut work, number % 100);
        }
        assert_eq!(allocated_from_hand(&mut work, 100_000, 100), 0);
    }
}

#[test]
fn a_million_live_holds_of_ten_thousand_allocations_take_less_than_a_gibibyte() {
    let measured = allocation_counter::measure(|| {
        let mut work = pool_of(ALLOCATIONS, 2, &terms(10_000_000_000, 0));
        for number in 0..1_000_000 {
            work.pass(Duration::from_micros(40));
            work.reserve(number % ALLOCATIONS, 10).unwrap();
        }
        assert_eq!(work.desk.holds(), 1_000_000);
    });
    assert!(measured.bytes_max < BYTES_MAX, "{} bytes", measured.bytes_max);
}
