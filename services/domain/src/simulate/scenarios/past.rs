//! What is taken in: each fact once, in any order, up to a bound.

use super::story::*;
use crate::policy::Terms;
use crate::policy::sample::{RULES, rate};
use crate::simulate::{Simulation, TooMany, applied};

#[test]
fn the_order_in_which_facts_come_changes_nothing_and_neither_do_repetitions() {
    let stands = policy([("chat", guarantee(3_000)), ("search", guarantee(3_000))]);
    let borrowing = |baseline| Terms { ceiling: rate(9_000), ..guarantee(baseline) };
    let candidate = policy([("chat", borrowing(1_000)), ("search", borrowing(2_000))]);
    let mut given = given(&stands)
        .used(&usage("chat"))
        .used(&Usage { every_s: 2, ..usage("search") })
        .used(&Usage { from_s: -500, every_s: 1, requests: 900, ..usage("search") })
        .and(counted("chat", 3, 3_000, 40));
    let found = given.when_simulated_under(&candidate);
    given.past.reverse();
    given.past.extend_from_within(10..90);
    given.past.rotate_left(37);
    assert_eq!(given.when_simulated_under(&candidate), found);
    assert!(found.candidate("search").refused.requests.get() > 0 && found.borrowed("search") > 0);
}

#[test]
fn what_was_refused_at_the_time_is_told_and_not_played() {
    let stands = policy([("chat", guarantee(6_000))]);
    let found = given(&stands)
        .and(counted("chat", 7, 9_000, 100))
        .and(counted("chat", 7, 9_000, -100))
        .when_simulated_under(&stands);
    assert_eq!(found.allocation("chat").refused_then, amount(7, 9_000), "what was before is left out");
    assert_eq!(found.candidate("chat").asked, amount(0, 0));
}

#[test]
fn attempts_outside_the_span_are_not_counted() {
    let stands = policy([("chat", guarantee(6_000))]);
    let at = |from_s| Usage { from_s, requests: 1, ..usage("chat") };
    let found = given(&stands)
        .used(&at(-1))
        .used(&at(0))
        .used(&at(3_599))
        .used(&at(3_600))
        .when_simulated_under(&stands);
    assert_eq!(found.candidate("chat").asked, amount(2, 2_000));
}

#[test]
fn more_attempts_than_there_is_room_for_are_an_error_that_says_what_to_do() {
    let stands = policy([("chat", guarantee(6_000))]);
    let org = given(&stands).org;
    let mut simulation = Simulation::with_room(&org, &org, span(), 59);
    let taken: Result<Vec<()>, TooMany> =
        usage("chat").events().iter().map(|event| simulation.take(event)).collect();
    let problem = taken.unwrap_err();
    assert_eq!(problem, TooMany { max: 59 });
    assert!(problem.to_string().ends_with("choose a shorter span"), "{problem}");
    assert_eq!(simulation.held(), 59);
}

#[test]
fn a_policy_that_does_not_fit_is_refused_in_the_words_of_a_plan() {
    let stands = policy([("chat", guarantee(6_000))]);
    let found = applied(&given(&stands).org, &policy([("chat", guarantee(60_001))]), &RULES, &by());
    let said = found.unwrap_err();
    assert_eq!(said[0].place, "pool gpt");
    assert!(
        said[0].message.starts_with("guarantees exceed the pool by 1 tokens a minute"),
        "{}",
        said[0].message
    );
}
