//! What levels promise, mostly by comparison with the model that steps through every nanosecond.

use proptest::prelude::*;

use super::model::{Step, assert_same, ns, place, plans, steps, units, worlds};
use super::*;
use crate::amount::Tokens;
use crate::bucket::Segment;

fn tokens(count: u64) -> Level {
    Level::from_tokens(Tokens::new(count))
}

fn s(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn tpm(count: u64) -> TokensPerMinute {
    TokensPerMinute::new(count)
}

/// A full pool of 600 tokens a minute, a minute deep, with a full guarantee of 60 a minute, ten tokens deep.
fn pool_with_one(lending: Option<TokensPerMinute>) -> (Levels, Place) {
    let mut levels = Levels::default();
    levels.set_pool(tpm(600), tokens(600));
    levels.fill_pool();
    let place = levels.add();
    levels.set_plan(place, Plan::flat(tpm(60), tokens(10)), lending);
    levels.put(place, tokens(10));
    (levels, place)
}

#[test]
fn what_overflows_a_full_guarantee_is_spare() {
    let (mut levels, place) = pool_with_one(None);
    levels.take_pool(tokens(590));
    levels.advance(s(6));
    assert_eq!((levels.spare(), levels.lent(place)), (tokens(60), tpm(60)));
}

#[test]
fn a_lending_limit_keeps_the_rest_of_the_overflow_from_the_pool() {
    let (mut levels, place) = pool_with_one(Some(tpm(20)));
    levels.take_pool(tokens(590));
    levels.advance(s(6));
    assert_eq!((levels.spare(), levels.lent(place)), (tokens(56), tpm(20)));
    levels.take(place, tokens(5));
    levels.take_pool(tokens(5));
    assert_eq!(levels.lent(place), tpm(0));
    levels.advance(s(11));
    assert_eq!((levels.spare(), levels.full_at(place)), (tokens(56 + 45), Some(s(11))));
}

#[test]
fn what_a_guarantee_loses_when_its_burst_ends_is_spare() {
    let mut levels = Levels::default();
    levels.set_pool(tpm(600), tokens(600));
    levels.fill_pool();
    let burst = [
        Segment { from: s(10), rate: tpm(300), depth: tokens(50) },
        Segment { from: s(20), rate: tpm(60), depth: tokens(10) },
    ];
    let place = levels.add();
    levels.set_plan(place, Plan::flat(tpm(60), tokens(10)).followed_by(burst), None);
    levels.advance(s(10));
    assert_eq!((levels.guaranteed(), levels.next_edge(place)), (tokens(10), Some(s(20))));
    levels.advance(ns(s(20).as_nanos() - 1));
    assert_eq!((levels.guaranteed(), levels.idle_spare()), (tokens(50), tokens(550)));
    levels.advance(s(20));
    assert_eq!((levels.guaranteed(), levels.spare()), (tokens(10), tokens(590)));
    assert_eq!((levels.idle_spare(), levels.next_edge(place)), (tokens(590), None));
}

#[test]
fn a_debt_is_a_deficit_of_the_pool_until_it_is_refilled() {
    let (mut levels, place) = pool_with_one(None);
    levels.take_pool(tokens(590));
    levels.take(place, tokens(15));
    levels.take_pool(tokens(15));
    assert_eq!((levels.deficit(), levels.spare()), (tokens(5), units(0).minus(tokens(5))));
    levels.advance(ns(500_000_000));
    assert_eq!(levels.deficit(), Level::ZERO);
    levels.advance(s(5));
    assert_eq!((levels.guarantee(place), levels.guaranteed()), (Level::ZERO, Level::ZERO));
}

#[test]
fn a_clock_that_steps_back_changes_nothing() {
    let (mut levels, place) = pool_with_one(None);
    levels.take(place, tokens(5));
    levels.advance(s(3));
    let before = levels.clone();
    levels.advance(s(1));
    assert_eq!(levels, before);
    assert_eq!(levels.at(), s(3));
}

#[test]
fn the_end_of_time_is_reached_without_an_end_of_breakpoints() {
    let (mut levels, place) = pool_with_one(None);
    levels.take(place, tokens(5));
    levels.advance(ns(i64::MAX));
    assert_eq!(levels.guarantee(place), tokens(10));
    assert_eq!(levels.full_at(place), Some(levels.at()));
}

#[test]
fn a_pool_that_shrinks_keeps_what_fits() {
    let (mut levels, _) = pool_with_one(None);
    levels.set_pool(tpm(100), tokens(100));
    assert_eq!((levels.pool(), levels.pool_rate()), (tokens(100), tpm(100)));
    levels.put_pool(tokens(1));
    assert_eq!(levels.pool(), tokens(100));
}

#[test]
fn movements_take_no_memory() {
    let mut levels = Levels::default();
    levels.set_pool(tpm(1_000_000), tokens(1_000_000));
    levels.fill_pool();
    for _ in 0..1_000 {
        let place = levels.add();
        levels.set_plan(place, Plan::flat(tpm(1_000), tokens(150)), None);
    }
    let capacities = |levels: &Levels| {
        let breakpoints = [&levels.breakpoints, &levels.edges].map(Breakpoints::capacity);
        (levels.guarantees.capacity(), levels.refills.capacity(), breakpoints)
    };
    let before = capacities(&levels);
    for round in 0..20_000_u64 {
        let place = Place::new(u32::try_from(round * 7_919 % 1_000).unwrap());
        levels.advance(Timestamp::from_millis(i64::try_from(round * 3).unwrap()));
        levels.take(place, tokens(round % 200));
        levels.take_pool(tokens(round % 200));
        levels.put(place, tokens(round % 90));
        levels.put_pool(tokens(round % 90));
        assert!(levels.spare() <= levels.pool());
    }
    assert_eq!(capacities(&levels), before);
    assert_eq!(levels.guaranteed(), levels.guaranteed_recounted());
}

proptest! {
    #[test]
    fn levels_are_what_counting_every_nanosecond_gives(
        (mut levels, mut model) in worlds(),
        steps in steps(),
        rest in 0_i64..400,
    ) {
        for (wait, step) in steps {
            model.advance(model.at + wait);
            levels.advance(ns(model.at));
            assert_same(&levels, &model);
            step.apply(&mut levels, &mut model);
            assert_same(&levels, &model);
        }
        model.advance(model.at + rest);
        levels.advance(ns(model.at));
        assert_same(&levels, &model);
        let edges = levels.places().filter_map(|place| levels.next_edge(place));
        prop_assert_eq!(levels.edges.first(), edges.min().unwrap_or(NEVER));
    }

    #[test]
    fn the_way_to_an_instant_does_not_matter(
        (mut levels, mut model) in worlds(),
        steps in steps(),
        stops in prop::collection::vec(1_i64..80, 0..12),
    ) {
        for (wait, step) in steps {
            model.advance(model.at + wait);
            levels.advance(ns(model.at));
            step.apply(&mut levels, &mut model);
        }
        let mut stepped = levels.clone();
        let end = stops.iter().sum::<i64>();
        for stop in stops {
            stepped.advance(ns(stepped.at().as_nanos() + stop));
            prop_assert_eq!(&Levels::from_image(stepped.image()), &stepped);
            stepped = Levels::from_image(stepped.image());
        }
        levels.advance(ns(model.at + end));
        prop_assert_eq!(&stepped, &levels);
        prop_assert_eq!(stepped.guaranteed(), levels.guaranteed());
        prop_assert_eq!(stepped.idle_spare(), levels.idle_spare());
        stepped.advance(ns(stepped.at().as_nanos() + 500));
        levels.advance(stepped.at());
        prop_assert_eq!(&stepped, &levels);
        prop_assert_eq!(stepped.guaranteed(), levels.guaranteed());
    }

    #[test]
    fn only_debt_makes_the_pool_fall_short_of_its_guarantees(
        (mut levels, mut model) in worlds(),
        steps in steps(),
    ) {
        let mut debt = Level::ZERO;
        for (wait, step) in steps {
            levels.advance(ns(levels.at().as_nanos() + wait));
            model.advance(levels.at().as_nanos());
            prop_assert!(levels.deficit() <= debt);
            if let Step::Take(number, amount) = step {
                let has = levels.guarantee(place(number % model.accounts.len())).max(Level::ZERO);
                debt = debt.plus(units(amount).minus(has).max(Level::ZERO));
            }
            step.apply(&mut levels, &mut model);
            prop_assert!(levels.deficit() <= debt);
        }
    }

    #[test]
    fn a_guarantee_is_full_when_it_is_said_to_be(plan in plans(), level in -80_i128..60) {
        let mut levels = Levels::default();
        let place = levels.add();
        levels.set_plan(place, plan.clone(), None);
        levels.put(place, units(level.max(0)));
        levels.take(place, units(-level.min(0)));
        if let Some(at) = levels.full_at(place) {
            let mut before = levels.clone();
            before.advance(ns(at.as_nanos() - 1));
            prop_assert!(at == ns(0) || before.guarantee(place) < plan.at(before.at()).depth);
            levels.advance(at);
            prop_assert_eq!(levels.guarantee(place), plan.at(at).depth);
            prop_assert_eq!(levels.lent(place), plan.at(at).rate);
        } else {
            levels.advance(ns(2_000));
            prop_assert!(levels.guarantee(place) < plan.at(levels.at()).depth);
        }
    }

    #[test]
    fn the_first_breakpoint_is_the_first_of_all(sets in prop::collection::vec((0_usize..40, 0_i64..50), 1..80)) {
        let mut breakpoints = Breakpoints::default();
        let mut times: Vec<Timestamp> = Vec::new();
        for (account, at) in sets {
            if account >= times.len() {
                breakpoints.add();
                times.push(NEVER);
            }
            let account = account % times.len();
            times[account] = if at == 0 { NEVER } else { ns(at) };
            breakpoints.set(account, times[account]);
            prop_assert_eq!(Some(&breakpoints.first()), times.iter().min());
            prop_assert_eq!(times[breakpoints.first_account()], breakpoints.first());
        }
    }

    #[test]
    fn hours_at_the_rates_of_real_pools_are_counted_to_the_unit(
        takes in prop::collection::vec((0_u32..20, 0_u64..5_000_000, 0_i64..40_000_000_000), 1..60),
    ) {
        let (capacity, baseline) = (2_000_000_007, 99_999_989);
        let mut levels = Levels::default();
        levels.set_pool(tpm(capacity), tokens(capacity));
        let places: Vec<Place> = (0..20).map(|_| levels.add()).collect();
        let plan = Plan::flat(tpm(baseline), tokens(baseline / 6));
        for place in &places {
            levels.set_plan(*place, plan.clone(), None);
        }
        let mut buckets = [Bucket::new(Level::ZERO, Timestamp::EPOCH); 20];
        let (mut pool, pool_plan) =
            (Bucket::new(Level::ZERO, Timestamp::EPOCH), Plan::flat(tpm(capacity), tokens(capacity)));
        let mut now = 1_800_000_000_000_000_000;
        for (number, amount, wait) in takes {
            now += wait;
            let bucket = &mut buckets[usize::try_from(number).unwrap()];
            bucket.take(&plan, tokens(amount), ns(now));
            pool.take(&pool_plan, tokens(amount), ns(now));
            levels.advance(ns(now));
            levels.take(Place::new(number), tokens(amount));
            levels.take_pool(tokens(amount));
            let held = |bucket: &Bucket| bucket.level_at(&plan, ns(now)).max(Level::ZERO);
            prop_assert_eq!(levels.guaranteed(), buckets.iter().map(held).fold(Level::ZERO, Level::plus));
            prop_assert_eq!(levels.pool(), pool.level_at(&pool_plan, ns(now)));
        }
    }
}
