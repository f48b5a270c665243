//! What a retry promises, mostly by comparison with trying every nanosecond.

use proptest::prelude::*;

use super::*;
use crate::amount::{Tokens, TokensPerMinute};
use crate::bucket::Segment;
use crate::ledger::levels::model::{Model, ns, place, plans, rate, steps, units, worlds};

/// By then everything that happens in the small worlds has happened.
const SETTLED_NS: i64 = 1_500;

fn tokens(count: u64) -> Level {
    Level::from_tokens(Tokens::new(count))
}

fn s(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn flat(tokens_per_minute: u64, depth: u64) -> Plan {
    Plan::flat(TokensPerMinute::new(tokens_per_minute), tokens(depth))
}

/// Whether a draw fits, by the model's own arithmetic.
fn admits(model: &Model, number: usize, borrowing: &Borrowing, need: i128) -> bool {
    let borrowed = need - model.guarantee(number).clamp(0, need);
    let bucket = borrowing.bucket.level_at(borrowing.plan, ns(model.at)).units();
    let left = (model.spare() - borrowed) * 100;
    let leaves_the_threshold = left >= model.idle_spare() * i128::from(borrowing.threshold_percent);
    borrowed == 0 || (borrowed <= bucket && leaves_the_threshold)
}

/// Whether it fits, and would in a pool that nobody uses.
fn admits_whatever_comes_back(model: &Model, number: usize, borrowing: &Borrowing, need: i128) -> bool {
    let full = model.depth(number) + model.idle_spare();
    let kept = kept(units(model.idle_spare()), borrowing.threshold_percent).units();
    let is_covered = model.guarantee(number) >= need;
    admits(model, number, borrowing, need) && (is_covered || full - kept >= need)
}

/// A pool of 600 tokens a minute in which three services have all of it guaranteed, ten seconds deep, and everything
/// is used up; the first may borrow 600 a minute more.
fn used_up() -> (Levels, Bucket, Plan) {
    let mut levels = Levels::default();
    levels.set_pool(TokensPerMinute::new(600), tokens(600));
    for _ in 0..3 {
        let place = levels.add();
        levels.set_plan(place, flat(200, 30), None);
    }
    (levels, Bucket::new(tokens(600), s(0)), flat(600, 600))
}

#[test]
fn a_draw_takes_from_its_guarantee_first_and_borrows_the_rest() {
    let (mut levels, bucket, plan) = used_up();
    let borrowing = Borrowing { bucket: &bucket, plan: &plan, threshold_percent: 0 };
    levels.fill_pool();
    levels.put(place(0), tokens(30));
    let found = split(&levels, place(0), &borrowing, tokens(50));
    assert_eq!(found, Ok(Split { guaranteed: tokens(30), borrowed: tokens(20) }));
    let found = split(&levels, place(0), &borrowing, tokens(20));
    assert_eq!(found, Ok(Split { guaranteed: tokens(20), borrowed: Level::ZERO }));
    assert_eq!(borrowable(&levels, &borrowing), tokens(570));
}

#[test]
fn a_draw_is_short_of_its_ceiling_before_it_is_short_of_spare() {
    let (mut levels, bucket, plan) = used_up();
    let borrowing = Borrowing { bucket: &bucket, plan: &plan, threshold_percent: 50 };
    assert_eq!(split(&levels, place(0), &borrowing, tokens(601)), Err(Short::Borrow));
    assert_eq!(split(&levels, place(0), &borrowing, tokens(1)), Err(Short::Spare));
    levels.put_pool(tokens(300));
    let kept = tokens((600 - 90) / 2);
    assert_eq!(borrowable(&levels, &borrowing), tokens(300).minus(kept));
    assert!(split(&levels, place(0), &borrowing, tokens(45)).is_ok());
    assert_eq!(split(&levels, place(0), &borrowing, tokens(46)), Err(Short::Spare));
}

#[test]
fn a_guarantee_in_debt_gives_nothing_and_what_is_borrowed_does_not_repay_it() {
    let (mut levels, bucket, plan) = used_up();
    let borrowing = Borrowing { bucket: &bucket, plan: &plan, threshold_percent: 0 };
    levels.take(place(0), tokens(10));
    levels.put_pool(tokens(20));
    let found = split(&levels, place(0), &borrowing, tokens(20));
    assert_eq!(found, Ok(Split { guaranteed: Level::ZERO, borrowed: tokens(20) }));
}

#[test]
fn what_is_spare_only_when_others_are_full_is_waited_for() {
    let (levels, bucket, plan) = used_up();
    let borrowing = Borrowing { bucket: &bucket, plan: &plan, threshold_percent: 0 };
    // All three are full after 9 s; from then on the whole refill of the pool is spare.
    let first = first_admission(&levels, place(0), &borrowing, tokens(30 + 50));
    assert_eq!(first, First::At(s(9 + 5)));
}

#[test]
fn a_draw_that_may_not_borrow_waits_for_its_guarantee() {
    let (mut levels, _, _) = used_up();
    levels.fill_pool();
    let (bucket, plan) = (Bucket::new(Level::ZERO, s(0)), Plan::none());
    let borrowing = Borrowing { bucket: &bucket, plan: &plan, threshold_percent: 0 };
    assert_eq!(first_admission(&levels, place(0), &borrowing, tokens(10)), First::At(s(3)));
    assert_eq!(first_admission_from(&levels, place(0), &borrowing, tokens(10), s(60)), First::At(s(60)));
    assert_eq!(first_admission(&levels, place(0), &borrowing, tokens(31)), First::Never);
}

#[test]
fn a_draw_that_fits_only_before_others_refill_is_told_no_time() {
    let mut levels = Levels::default();
    levels.set_pool(TokensPerMinute::new(600), tokens(600));
    levels.fill_pool();
    let (borrower, other) = (levels.add(), levels.add());
    levels.set_plan(other, flat(600, 600), None);
    // The borrow bucket has 20 tokens after 20 s; what is spare falls from 600 to none within 60 s.
    let (bucket, plan) = (Bucket::new(Level::ZERO, s(0)), flat(60, 600));
    let borrowing = Borrowing { bucket: &bucket, plan: &plan, threshold_percent: 0 };
    assert!(admitted_at(&levels, borrower, &borrowing, tokens(20), s(20)));
    assert_eq!(first_admission(&levels, borrower, &borrowing, tokens(20)), First::Unknown);
    levels.put(other, tokens(600));
    assert!(!admitted_at(&levels, borrower, &borrowing, tokens(20), s(20)), "a slice was given back");
    assert_eq!(first_admission(&levels, borrower, &borrowing, tokens(20)), First::Never);
}

#[test]
fn a_draw_that_fits_only_within_somebodys_burst_or_after_it_is_told_so() {
    let mut levels = Levels::default();
    levels.set_pool(TokensPerMinute::new(600), tokens(100));
    levels.fill_pool();
    let (borrower, other) = (levels.add(), levels.add());
    let burst = [
        Segment { from: s(0), rate: TokensPerMinute::new(600), depth: tokens(100) },
        Segment { from: s(60), rate: TokensPerMinute::new(60), depth: tokens(10) },
    ];
    levels.set_plan(other, flat(60, 10).followed_by(burst), None);
    levels.put(other, tokens(100));
    let (bucket, plan) = (Bucket::new(tokens(600), s(0)), flat(600, 600));
    let borrowing = Borrowing { bucket: &bucket, plan: &plan, threshold_percent: 50 };
    assert_eq!(split(&levels, borrower, &borrowing, tokens(45)), Err(Short::Spare));
    assert_eq!(first_admission(&levels, borrower, &borrowing, tokens(45)), First::At(s(60)));
    assert_eq!(first_admission(&levels, borrower, &borrowing, tokens(46)), First::Never);
}

/// A pool of 3,600,000 tokens a minute that holds no more than is guaranteed: 3,000 services whose guarantees get full
/// one after another, every four milliseconds, and one that has other terms and nothing left.
fn a_queue_of_guarantees(plan: Plan) -> (Levels, Place) {
    let mut levels = Levels::default();
    levels.set_pool(TokensPerMinute::new(3_600_000), tokens(3_600_000));
    let asks = levels.add();
    levels.set_plan(asks, plan, None);
    for number in 1..=3_000 {
        let place = levels.add();
        levels.set_plan(place, flat(1_000, 200), None);
        levels.put(place, tokens(200));
        levels.take(place, Level::from_rate(TokensPerMinute::new(1_000), number * 4_000_000));
    }
    levels.put_pool(levels.guaranteed());
    (levels, asks)
}

fn admitted_at(levels: &Levels, place: Place, borrowing: &Borrowing, need: Level, at: Timestamp) -> bool {
    let mut levels = levels.clone();
    levels.advance(at);
    split(&levels, place, borrowing, need).is_ok()
}

#[test]
fn beyond_so_many_breakpoints_the_guarantees_own_time_is_the_answer() {
    let (levels, asks) = a_queue_of_guarantees(flat(600_000, 600_000));
    let (bucket, plan) = (Bucket::new(tokens(3_600_000), s(0)), flat(1, 3_600_000));
    let borrowing = Borrowing { bucket: &bucket, plan: &plan, threshold_percent: 100 };
    let found = first_admission(&levels, asks, &borrowing, tokens(100_000));
    assert_eq!(found, First::At(s(10)), "2,500 breakpoints come before");
}

#[test]
fn beyond_so_many_breakpoints_the_time_when_even_full_guarantees_leave_enough_is_the_answer() {
    let (levels, asks) = a_queue_of_guarantees(Plan::none());
    let (bucket, plan) = (Bucket::new(tokens(3_600_000), s(0)), flat(1, 3_600_000));
    let borrowing = Borrowing { bucket: &bucket, plan: &plan, threshold_percent: 0 };
    let admitted = |need, at| admitted_at(&levels, asks, &borrowing, tokens(need), at);
    let before = |at: Timestamp| ns(at.as_nanos() - 1);

    let exact = first_admission(&levels, asks, &borrowing, tokens(4_000)).at().unwrap();
    assert!(ns(360_000_000) < exact && exact < ns(400_000_000), "{exact}: 92 breakpoints come before");
    assert!(admitted(4_000, exact) && !admitted(4_000, before(exact)));

    let (need, full) = (200_000, 600_000);
    let missing = tokens(full + need).minus(levels.pool()).units();
    let found = first_admission(&levels, asks, &borrowing, tokens(need)).at().unwrap();
    assert_eq!(i128::from(found.as_nanos()), (missing + 3_599_999) / 3_600_000, "beyond 1,900 breakpoints");
    assert!(admitted(need, found));
    assert!(
        admitted(need, ns(found.as_nanos() * 95 / 100)) && !admitted(need, ns(found.as_nanos() * 90 / 100))
    );
}

#[test]
fn a_draw_that_an_idle_pool_would_not_admit_is_never_admitted_or_unknown() {
    let (mut levels, asks) = a_queue_of_guarantees(Plan::none());
    levels.set_pool(TokensPerMinute::new(3_600_000), tokens(600_000));
    let (bucket, plan) = (Bucket::new(tokens(3_600_000), s(0)), flat(1, 3_600_000));
    let borrowing = Borrowing { bucket: &bucket, plan: &plan, threshold_percent: 0 };
    let first = |need| first_admission(&levels, asks, &borrowing, tokens(need));
    assert!(admitted_at(&levels, asks, &borrowing, tokens(95_000), s(5)), "while guarantees refill");
    assert_eq!(first(95_000), First::Unknown);
    assert_eq!(first(310_000), First::Never, "others hold more than half of the pool already");
    assert_eq!(first(600_001), First::Never, "the pool is not so deep");
}

#[test]
fn what_cannot_be_had_costs_no_more_steps_in_a_pool_of_thousands() {
    let (mut levels, asks) = a_queue_of_guarantees(Plan::none());
    levels.set_pool(TokensPerMinute::new(3_600_000), tokens(600_000));
    let (bucket, plan) = (Bucket::new(tokens(3_600_000), s(0)), flat(1, 3_600_000));
    let borrowing = Borrowing { bucket: &bucket, plan: &plan, threshold_percent: 0 };
    let steps = |levels: &Levels, need| {
        Forecast::count_crossings();
        let found = first_admission(levels, asks, &borrowing, tokens(need));
        (found, Forecast::count_crossings())
    };
    assert_eq!(steps(&levels, 95_000), (First::Unknown, 0));
    assert_eq!(steps(&levels, 310_000), (First::Never, 0));
    // Where somebody's burst ends some day, more may be had then.
    let burst = [Segment { from: s(86_400), rate: TokensPerMinute::new(1_000), depth: tokens(100) }];
    levels.set_plan(place(1), flat(1_000, 200).followed_by(burst), None);
    assert_eq!(steps(&levels, 95_000), (First::Unknown, BREAKPOINTS_MAX));
    for number in 2..=3_000 {
        let missing = tokens(200).minus(levels.guarantee(place(number)));
        levels.put(place(number), missing);
        levels.take(place(number), tokens(100));
    }
    assert_eq!(steps(&levels, 95_000), (First::Unknown, BREAKPOINTS_MAX), "all get full at once");
}

proptest! {
    #[test]
    fn the_first_admission_is_the_first_nanosecond_that_admits(
        (mut levels, mut model) in worlds(),
        steps in steps(),
        (bucket, plan) in (-40_i128..60, plans()),
        need in 0_i128..120,
        threshold_percent in prop_oneof![Just(0_u8), 1..100_u8],
        later in prop_oneof![2 => Just(0_i64), 1 => 0_i64..200],
    ) {
        for (wait, step) in steps {
            model.advance(model.at + wait);
            levels.advance(ns(model.at));
            step.apply(&mut levels, &mut model);
        }
        let bucket = Bucket::new(units(bucket), levels.at());
        let borrowing = Borrowing { bucket: &bucket, plan: &plan, threshold_percent };
        let now = split(&levels, place(0), &borrowing, units(need));
        prop_assert_eq!(now.is_ok(), admits(&model, 0, &borrowing, need));
        let from = model.at + later;
        let found = first_admission_from(&levels, place(0), &borrowing, units(need), ns(from));
        model.advance(from);
        let mut ever = false;
        let mut passes = false;
        while !passes && model.at < from + SETTLED_NS {
            ever |= admits(&model, 0, &borrowing, need);
            passes = admits_whatever_comes_back(&model, 0, &borrowing, need);
            model.advance(model.at + i64::from(!passes));
        }
        prop_assert_eq!(found.at(), passes.then_some(ns(model.at)));
        prop_assert!(found != First::Never || !ever);
        if let First::At(found) = found {
            levels.advance(found);
            prop_assert!(split(&levels, place(0), &borrowing, units(need)).is_ok());
        }
    }

    #[test]
    fn what_is_answered_without_looking_at_all_breakpoints_is_true(
        (mut levels, mut model) in worlds(),
        steps in steps(),
        (bucket, plan) in (-40_i128..60, plans()),
        need in 1_i128..120,
        threshold_percent in prop_oneof![Just(0_u8), 1..100_u8],
        breakpoints_max in 0_usize..3,
    ) {
        for (wait, step) in steps {
            model.advance(model.at + wait);
            levels.advance(ns(model.at));
            step.apply(&mut levels, &mut model);
        }
        let bucket = Bucket::new(units(bucket), levels.at());
        let borrowing = Borrowing { bucket: &bucket, plan: &plan, threshold_percent };
        let search = Search::new(&levels, place(0), &borrowing, units(need));
        let found = first_borrowed(&levels, &search, levels.at()..NEVER, breakpoints_max);
        let first = first_borrowed(&levels, &search, levels.at()..NEVER, usize::MAX);
        match found {
            First::At(found) => {
                prop_assert!(first.at().is_some_and(|first| first <= found));
                model.advance(found.as_nanos());
                prop_assert!(admits(&model, 0, &borrowing, need));
            }
            First::Never => prop_assert_eq!(first, First::Never),
            First::Unknown => {}
        }
    }

    #[test]
    fn at_the_rates_of_real_pools_a_retry_is_admitted_and_no_earlier_one_is(
        guarantees in prop::collection::vec((1_u64..1_000_000, 0_u64..170_000, prop::option::of(0_u64..1_000_000)), 1..12),
        (pool, taken) in (0_u64..3_000_000, 0_u64..12_000_000),
        (has, extra) in (-50_000_i128..1_000_000, 0_u64..500_000),
        need in 1_u64..400_000,
        threshold_percent in 0_u8..60,
        probes in prop::collection::vec(0_u32..10_000, 8),
    ) {
        let capacity = guarantees.iter().map(|(rate, ..)| rate).sum::<u64>() + pool;
        let mut levels = Levels::default();
        levels.advance(s(1_800_000_000));
        levels.set_pool(rate(capacity), tokens(capacity));
        for (baseline, level, lending) in guarantees {
            let place = levels.add();
            levels.set_plan(place, flat(baseline, baseline / 6 + 1), lending.map(rate));
            levels.put(place, tokens(level));
        }
        levels.put_pool(levels.guaranteed().plus(tokens(pool)).minus(tokens(taken).min(tokens(pool))));
        let bucket = Bucket::new(units(has * crate::bucket::UNITS_PER_TOKEN), levels.at());
        let plan = flat(extra, extra);
        let borrowing = Borrowing { bucket: &bucket, plan: &plan, threshold_percent };
        let found = first_admission(&levels, place(0), &borrowing, tokens(need)).at();
        let admits_at = |at: i64| {
            let mut levels = levels.clone();
            levels.advance(ns(at));
            split(&levels, place(0), &borrowing, tokens(need)).is_ok()
        };
        let start = levels.at().as_nanos();
        let end = found.unwrap_or(s(1_800_003_600)).as_nanos();
        prop_assert!(found.is_none() || admits_at(end));
        prop_assert!(end == start || !admits_at(end - 1));
        for probe in probes {
            let at = start + (end - start) / 10_000 * i64::from(probe);
            prop_assert!(at == end || !admits_at(at), "admitted {} ns earlier", end - at);
        }
    }
}
