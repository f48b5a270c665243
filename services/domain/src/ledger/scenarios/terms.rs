//! Pools and allocations: what may be decided, and what it does to levels.

use super::story::*;
use crate::ledger::{Change, Refusal, Shortage};

#[test]
fn guarantees_never_exceed_the_pool() {
    given()
        .and(pool(60_000))
        .and(allocation("chat", 40_000, 1))
        .when(change([allocation("search", 30_000, 1)]))
        .then_refused(&Refusal::DoesNotFit(Shortage { at: s(0), rate: tpm(10_000), depth: tokens(0) }))
        .when(change([allocation("search", 20_000, 55_000)]))
        .then_refused(&Refusal::DoesNotFit(Shortage { at: s(0), rate: tpm(0), depth: tokens(1_667) }))
        .when(change([allocation("search", 20_000, 1)]))
        .then_done();
}

#[test]
fn a_change_is_weighed_whole() {
    given()
        .and(pool(60_000))
        .and(allocation("chat", 60_000, 1))
        .when(change([allocation("search", 30_000, 1), allocation("chat", 30_000, 1)]))
        .then_done()
        .when(change([pool(30_000)]))
        .then_refused(&Refusal::DoesNotFit(Shortage { at: s(0), rate: tpm(30_000), depth: tokens(0) }));
}

#[test]
fn what_is_so_already_is_no_event() {
    given()
        .and(pool(60_000))
        .and(allocation("chat", 6_000, 1))
        .when(change([pool(60_000), allocation("chat", 6_000, 1)]))
        .then_nothing_more();
}

#[test]
fn a_change_that_corrects_itself_is_no_event_the_second_time() {
    let twice = || change([allocation("chat", 6_000, 1), allocation("chat", 6_000, 2)]);
    given().and(pool(60_000)).after(twice()).when(twice()).then_nothing_more();
}

#[test]
fn a_new_guarantee_is_filled_from_spare_only() {
    given()
        .and(pool(6_000))
        .and(allocation("chat", 3_000, 5_900))
        .after(reserve(hold(1), "chat", 5_900))
        .pool_holds(100)
        .and(allocation("chat", 3_000, 500))
        .and(allocation("search", 3_000, 5_000))
        .available("search", 100)
        .available("chat", 0);
}

#[test]
fn a_lowered_guarantee_keeps_no_more_than_its_depth() {
    given()
        .and(pool(60_000))
        .and(allocation("chat", 60_000, 1))
        .available("chat", 10_000)
        .and(allocation("chat", 6_000, 1))
        .available("chat", 1_000)
        .and(allocation("chat", 60_000, 1))
        .available("chat", 10_000);
}

#[test]
fn debt_outlives_its_allocation() {
    given()
        .and(pool(60_000))
        .and(allocation("chat", 6_000, 1_000))
        .after(settle(hold(1), "chat", 3_000))
        .debt("chat", 2_000)
        .and(no_allocation("chat"))
        .at(600)
        .debt("chat", 2_000)
        .when(reserve(minted_at(600, 1), "chat", 1))
        .then_refused(&Refusal::NoAllocation)
        .and(allocation("chat", 6_000, 1_000))
        .debt("chat", 2_000)
        .at(620)
        .debt("chat", 0);
}

#[test]
fn a_removed_pool_admits_nothing_and_still_settles() {
    given()
        .and(pool(60_000))
        .and(allocation("chat", 6_000, 1_000))
        .after(reserve(hold(1), "chat", 1_000))
        .and(Change::RemovePool)
        .when(reserve(hold(2), "chat", 1))
        .then_refused(&Refusal::NoAllocation)
        .when(change([allocation("chat", 6_000, 1_000)]))
        .then_refused(&Refusal::NoPool)
        .when(settle(hold(1), "chat", 1_200))
        .then_done()
        .debt("chat", 200);
}

#[test]
fn a_pool_begins_full_once() {
    given()
        .and(pool(60_000))
        .pool_holds(60_000)
        .and(Change::RemovePool)
        .and(pool(60_000))
        .pool_holds(0)
        .at(30)
        .pool_holds(30_000);
}
