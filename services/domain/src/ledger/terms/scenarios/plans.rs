//! How guarantees and borrowing refill.

use super::story::*;
use crate::bucket::Plan;
use crate::burst::Approval::{BestEffort, Guaranteed};
use crate::policy::Terms;

fn borrower(baseline: u64, ceiling: u64) -> Terms {
    Terms { ceiling: tpm(ceiling), ..guarantee(baseline, 1_000) }
}

#[test]
fn a_guarantee_is_ten_seconds_deep_or_its_largest_request() {
    given()
        .and(pool(600_000))
        .and(allocated("chat", guarantee(6_000, 3_000)))
        .deep("chat", 0, 3_000)
        .and(allocated("chat", guarantee(60_000, 3_000)))
        .deep("chat", 0, 10_000)
        .and(allocated("chat", guarantee(0, 3_000)))
        .deep("chat", 0, 0);
}

#[test]
fn a_guarantee_is_deeper_while_its_burst_lasts() {
    given()
        .and(pool(600_000))
        .and(allocated("chat", guarantee(0, 3_000)))
        .and(granted(burst("launch", "chat", 60_000, (10, 20)), Guaranteed))
        .deep("chat", 9, 0)
        .deep("chat", 10, 10_000)
        .deep("chat", 20, 0);
}

#[test]
fn what_may_be_borrowed_is_the_ceiling_less_the_baseline_and_a_minute_deep() {
    let story = given()
        .and(pool(60_000))
        .and(allocated("chat", borrower(6_000, 30_000)))
        .and(granted(burst("launch", "chat", 6_000, (10, 20)), BestEffort))
        .and(granted(burst("demo", "chat", 1_000, (10, 20)), Guaranteed))
        .borrowable("chat", 9, 24_000)
        .borrowable("chat", 10, 30_000)
        .borrowable("chat", 20, 24_000);
    let depth =
        |second| story.terms.plan_of_borrowing(&service("chat")).at(s(second)).depth.available().get();
    assert_eq!([9, 10, 20].map(depth), [24_000, 30_000, 24_000]);
}

#[test]
fn what_is_held_by_exception_lapses_and_bursts_do_not() {
    given()
        .and(pool(60_000))
        .and(allocated("chat", lapses(borrower(20_000, 30_000), 15, 5_000)))
        .and(granted(burst("launch", "chat", 6_000, (10, 20)), Guaranteed))
        .and(granted(burst("demo", "chat", 1_000, (10, 20)), BestEffort))
        .guaranteed("chat", 14, 26_000)
        .guaranteed("chat", 15, 11_000)
        .guaranteed("chat", 20, 5_000)
        .borrowable("chat", 14, 11_000)
        .borrowable("chat", 15, 1_000)
        .borrowable("chat", 20, 0);
}

#[test]
fn a_lapse_to_more_than_the_baseline_lowers_the_ceiling_only() {
    given()
        .and(pool(60_000))
        .and(allocated("chat", lapses(borrower(5_000, 30_000), 15, 20_000)))
        .guaranteed("chat", 15, 5_000)
        .borrowable("chat", 14, 25_000)
        .borrowable("chat", 15, 15_000);
}

#[test]
fn whoever_is_entitled_to_nothing_has_no_plan() {
    let story = given().and(pool(60_000));
    assert_eq!(story.terms.plan_of_guarantee(&service("chat")), Plan::none());
    assert_eq!(story.terms.plan_of_borrowing(&service("chat")), Plan::none());
    let pool = story.terms.plan_of_pool().at(s(0));
    assert_eq!((pool.rate.get(), pool.depth.available().get()), (60_000, 60_000));
}
