//! Bursts: what they bring, when, and whether they fit.

use super::story::*;
use crate::ids::BurstId;
use crate::ledger::{Change, Refusal, Shortage};
use std::time::Duration;

/// `chat` is guaranteed 6,000 a minute (100 a second) and asks for as much at once as ten seconds of its rate.
fn chat() -> Story {
    given().and(pool(60_000)).and(allocation("chat", 6_000, 3_000))
}

#[test]
fn a_burst_counts_from_its_start_until_its_end_with_nobody_calling() {
    let story =
        chat().and(burst("launch", "chat", 12_000, (100, 200))).after(reserve(hold(1), "chat", 3_000));
    let story = story.at(10).available("chat", 1_000).at(100).available("chat", 3_000);
    // 300 a second while it lasts, so that a drained guarantee is full after ten of them.
    let story =
        story.after(reserve(hold(2), "chat", 3_000)).full_after("chat", Some(Duration::from_secs(10)));
    story.at(105).available("chat", 1_500).at(205).available("chat", 3_000);
}

#[test]
fn a_refusal_counts_on_a_burst_that_is_to_come_and_not_on_one_that_ends() {
    let story = given().and(pool(60_000)).and(allocation("chat", 60, 1_000));
    let story = story.and(burst("launch", "chat", 5_940, (100, 105))).after(reserve(hold(1), "chat", 1_000));
    // One a second until 100, a hundred a second until 105, then one a second again.
    story
        .when(reserve(hold(2), "chat", 300))
        .then_refused_until(Some(102))
        .when(reserve(hold(2), "chat", 700))
        .then_refused_until(Some(205));
}

#[test]
fn a_service_without_a_baseline_has_its_burst_and_nothing_after() {
    given()
        .and(pool(60_000))
        .and(allocation("demo", 0, 1_000))
        .and(burst("fair", "demo", 6_000, (100, 110)))
        .when(reserve(hold(1), "demo", 1_000))
        .then_refused_until(None)
        .when(reserve(hold(1), "demo", 500))
        .then_refused_until(Some(105))
        .at(110)
        .available("demo", 0)
        .when(reserve(hold(1), "demo", 1))
        .then_refused_until(None);
}

#[test]
fn a_burst_that_overlaps_another_is_weighed_at_its_worst_instant() {
    let day = 86_400;
    given()
        .and(pool(60_000))
        .and(allocation("chat", 0, 1))
        .and(allocation("search", 0, 1))
        .and(burst("launch", "chat", 30_000, (day, 3 * day)))
        .when(change([burst("demo", "search", 40_000, (2 * day, 4 * day))]))
        .then_refused(&Refusal::DoesNotFit(Shortage { at: s(2 * day), rate: tpm(10_000), depth: tokens(0) }))
        .when(change([burst("demo", "search", 40_000, (3 * day, 4 * day))]))
        .then_done();
}

#[test]
fn a_burst_that_is_over_takes_no_room() {
    chat()
        .and(burst("launch", "chat", 54_000, (0, 10)))
        .when(change([allocation("search", 54_000, 1)]))
        .then_refused(&Refusal::DoesNotFit(Shortage { at: s(0), rate: tpm(54_000), depth: tokens(0) }))
        .at(10)
        .when(change([allocation("search", 54_000, 1)]))
        .then_done();
}

#[test]
fn a_burst_needs_an_allocation_to_be_on_top_of() {
    chat().when(change([burst("demo", "search", 1, (0, 1))])).then_refused(&Refusal::BurstWithoutAllocation);
}

#[test]
fn a_revoked_burst_counts_no_more() {
    let launch = BurstId::try_new("launch").unwrap();
    chat()
        .and(burst("launch", "chat", 54_000, (0, 100)))
        .after(reserve(hold(1), "chat", 3_000))
        .at(1)
        .available("chat", 1_000)
        .and(Change::RevokeBurst { burst: launch })
        .at(2)
        .available("chat", 1_100);
}
