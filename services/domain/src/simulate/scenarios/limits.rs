//! Guarantees, borrowing, bursts and the other limits.

use std::time::Duration;

use super::story::*;
use crate::amount::RequestsPerMinute;
use crate::burst::{Burst, GrantedBurst};
use crate::policy::sample::{self, id, pool, rate};
use crate::policy::{Enforcement, Policy, Terms};
use crate::simulate::{NOT_SERVED, WARM_UP};
use crate::time::Window;

#[test]
fn a_lower_baseline_shows_what_it_would_refuse_and_when() {
    let found = given(&policy([("chat", guarantee(6_000))]))
        .used(&usage("chat"))
        .when_simulated_under(&policy([("chat", guarantee(3_000))]));
    assert_eq!(refused(found.now("chat")), [], "6,000 a minute are what was used");
    assert_eq!(found.refused("chat"), [("baseline", 30)], "half of it is every other request");
    let chat = found.candidate("chat");
    assert_eq!((chat.asked, chat.refused), (amount(60, 60_000), amount(30, 30_000)));
    let by_baseline = chat.by_limit[0];
    assert_eq!(by_baseline.first, second(10));
    assert_eq!(by_baseline.longest_retry, Some(Duration::from_secs(10)), "half is there, half is missing");
    assert_eq!(chat.peak.unwrap().amount, amount(6, 6_000));
    assert_eq!(chat.entitled.unwrap().baseline, rate(3_000));
    let refused: u64 = chat.cells.iter().map(|cell| cell.refused.get()).sum();
    assert_eq!((chat.cells.len(), refused, chat.cells[0].refused.get()), (60, 30, 3));
}

#[test]
fn a_higher_baseline_refuses_nothing() {
    let found = given(&policy([("chat", guarantee(3_000))]))
        .used(&usage("chat"))
        .when_simulated_under(&policy([("chat", guarantee(9_000))]));
    assert_eq!(found.refused("chat"), []);
    assert_eq!(refused(found.now("chat")), [("baseline", 30)]);
}

#[test]
fn what_is_beyond_the_guarantee_is_counted_as_borrowed() {
    let found = given(&policy([("chat", guarantee(6_000))]))
        .used(&usage("chat"))
        .when_simulated_under(&policy([("chat", Terms { ceiling: rate(12_000), ..guarantee(3_000) })]));
    assert_eq!(found.refused("chat"), []);
    assert_eq!(found.borrowed("chat"), 59 * 500, "the first was covered, then half of each");
    assert_eq!(found.now("chat").borrowed.get(), 0);
    let borrowed: u64 = found.candidate("chat").cells.iter().map(|cell| cell.borrowed.get()).sum();
    assert_eq!(borrowed, 59 * 500);
    assert_eq!(found.0.pools[0].outcomes.candidate.borrowed.get(), 59 * 500);
}

#[test]
fn what_is_held_and_not_used_is_given_back_before_it_counts_as_borrowed() {
    let light = Usage { held: 1_000, used: 400, ..usage("chat") };
    let found = given(&policy([("chat", guarantee(6_000))]))
        .used(&light)
        .when_simulated_under(&policy([("chat", Terms { ceiling: rate(12_000), ..guarantee(3_000) })]));
    assert_eq!(found.refused("chat"), []);
    assert_eq!(found.borrowed("chat"), 0, "400 in ten seconds are less than the 500 that are guaranteed");
}

#[test]
fn a_request_asks_for_what_was_held_not_for_what_it_used() {
    let light = Usage { held: 1_000, used: 400, ..usage("chat") };
    let small = Terms { request_max: crate::amount::Tokens::new(900), ..guarantee(6_000) };
    let found = given(&policy([("chat", guarantee(6_000))]))
        .used(&light)
        .when_simulated_under(&policy([("chat", small)]));
    assert_eq!(found.refused("chat"), [("request_size", 60)]);
    assert_eq!(found.candidate("chat").by_limit[0].without_retry.get(), 60, "no waiting helps");
}

/// Burst `launch` of `chat`, of 3,000 a minute more.
fn with_burst(mut policy: Policy, from_s: i64, to_s: i64) -> Policy {
    let window = Window::try_new(second(from_s), second(to_s)).unwrap();
    let granted = sample::burst(3_000);
    policy.bursts.push(GrantedBurst { burst: Burst { window, ..granted.burst }, ..granted });
    policy
}

#[test]
fn a_burst_counts_only_within_its_window() {
    let candidate = with_burst(policy([("chat", guarantee(3_000))]), 200, 400);
    let found =
        given(&policy([("chat", guarantee(6_000))])).used(&usage("chat")).when_simulated_under(&candidate);
    assert_eq!(found.refused("chat"), [("baseline", 20)], "ten before it and ten after it");
    let cells = &found.candidate("chat").cells;
    let refused_in = |minute: usize| cells[minute].refused.get();
    assert_eq!([0, 2, 4, 5, 6, 7, 9].map(refused_in), [3, 3, 0, 0, 1, 3, 3]);
}

#[test]
fn a_burst_that_stands_goes_on_in_a_policy_that_leaves_it_out() {
    let stands = with_burst(policy([("chat", guarantee(3_000))]), 0, 3_600);
    let found =
        given(&stands).used(&usage("chat")).when_simulated_under(&policy([("chat", guarantee(3_000))]));
    assert_eq!((refused(found.now("chat")), found.refused("chat")), (vec![], vec![]));
}

#[test]
fn a_burst_that_is_over_and_fits_no_longer_is_told_not_refused() {
    let stands = with_burst(policy([("chat", guarantee(3_000))]), 0, 600);
    let found =
        given(&stands).used(&usage("chat")).when_simulated_under(&policy([("chat", guarantee(59_000))]));
    let pool = &found.0.pools[0].outcomes;
    assert_eq!(pool.now.shortage, None);
    let shortage = pool.candidate.shortage.unwrap();
    assert_eq!((shortage.at, shortage.rate), (second(0), rate(2_000)));
}

#[test]
fn whoever_has_no_allocation_is_refused_and_so_is_a_model_that_nobody_serves() {
    let given =
        given(&policy([("chat", guarantee(6_000)), ("search", guarantee(6_000))])).used(&usage("chat"));
    let found = given.when_simulated_under(&policy([("search", guarantee(6_000))]));
    assert_eq!(
        (found.refused("chat"), found.candidate("chat").entitled),
        (vec![("no_allocation", 60)], None)
    );
    let other = Policy { pools: vec![pool("gpt", 60_000, "gpt-5")], ..policy([("chat", guarantee(6_000))]) };
    assert_eq!(given.when_simulated_under(&other).refused("chat"), [(NOT_SERVED, 60)]);
}

#[test]
fn a_model_that_moves_takes_its_requests_to_its_new_pool() {
    let given = given(&policy([("chat", guarantee(6_000))])).used(&usage("chat"));
    let mut moved = policy([("chat", guarantee(6_000))]);
    moved.pools = vec![pool("other", 60_000, "gpt-4o")];
    moved.services[0].allocations[0].pool = id("other");
    let found = given.when_simulated_under(&moved);
    let of = |name: &str| found.0.allocations.iter().find(|found| found.pool.as_str() == name).unwrap();
    assert_eq!(
        (of("gpt").outcomes.now.asked, of("gpt").outcomes.candidate.asked),
        (amount(60, 60_000), amount(0, 0))
    );
    assert_eq!(
        (of("other").outcomes.candidate.asked, of("other").outcomes.candidate.refused),
        (amount(60, 60_000), amount(0, 0))
    );
    assert_eq!(found.0.pools.len(), 2);
}

#[test]
fn requests_a_minute_and_requests_under_way_are_limits_too() {
    let given = given(&policy([("chat", guarantee(6_000))])).used(&Usage { lasting_s: 25, ..usage("chat") });
    let few = Terms { requests: Some(RequestsPerMinute::new(3)), ..guarantee(6_000) };
    let found = given.when_simulated_under(&policy([("chat", few)]));
    assert_eq!(found.refused("chat"), [("requests", 30)], "six a minute were made");
    let two = Terms { in_flight_max: Some(2), ..guarantee(6_000) };
    let found = given.when_simulated_under(&policy([("chat", two)]));
    assert_eq!(found.refused("chat"), [("in_flight", 20)], "a third runs into two that last 25 seconds each");
}

#[test]
fn what_runs_longer_than_a_hold_counts_as_under_way_all_the_while() {
    let long = Usage { lasting_s: 590, requests: 2, every_s: 585, ..usage("chat") };
    let one = Terms { in_flight_max: Some(1), ..guarantee(6_000) };
    let found = given(&policy([("chat", guarantee(6_000))]))
        .used(&long)
        .when_simulated_under(&policy([("chat", one)]));
    assert_eq!(found.refused("chat"), [("in_flight", 1)]);
}

#[test]
fn shadow_mode_refuses_nobody_and_counts_what_it_would() {
    let shadow = Terms { enforcement: Enforcement::Shadow, ..guarantee(3_000) };
    let found = given(&policy([("chat", guarantee(6_000))]))
        .used(&usage("chat"))
        .when_simulated_under(&policy([("chat", shadow)]));
    assert_eq!((found.refused("chat"), found.candidate("chat").shadowed), (vec![], amount(30, 30_000)));
}

#[test]
fn buckets_stand_as_usage_before_the_span_had_left_them() {
    let warm = i64::try_from(WARM_UP.as_secs()).unwrap();
    let before = Usage { from_s: 10 - warm, requests: warm / 10 - 1, ..usage("chat") };
    let found = given(&policy([("chat", guarantee(6_000))]))
        .used(&before)
        .used(&Usage { from_s: 5, requests: 1, ..usage("chat") })
        .when_simulated_under(&policy([("chat", guarantee(3_000))]));
    assert_eq!(found.refused("chat"), [("baseline", 1)], "ten seconds before, a thousand were taken");
    assert_eq!(found.candidate("chat").asked, amount(1, 1_000), "what was before the span is not counted");
}
