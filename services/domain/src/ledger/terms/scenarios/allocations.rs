//! Pools and allocations: what may be decided about them.

use super::story::*;
use crate::amount::Tokens;
use crate::burst::Approval::{BestEffort, Guaranteed};
use crate::burst::BurstPhase;
use crate::ledger::{Change, ChangeRefused, Shortage};
use crate::policy::{Pool, Terms};

#[test]
fn guarantees_never_exceed_the_pool() {
    given()
        .and(pool(60_000))
        .and(allocation("chat", 40_000))
        .when([allocation("search", 30_000)])
        .then_refused(short_of(10_000, 0))
        .when([allocated("search", guarantee(20_000, 55_000))])
        .then_refused(ChangeRefused::DoesNotFit(Shortage {
            at: s(0),
            depth: Tokens::new(1_667),
            ..Shortage::default()
        }))
        .when([allocation("search", 20_000)])
        .then_done();
}

#[test]
fn changes_are_weighed_together_and_made_together() {
    given()
        .and(pool(60_000))
        .and(allocation("chat", 60_000))
        .when([allocation("search", 30_000), allocation("chat", 30_000)])
        .then_done()
        .version(4)
        .when([allocation("search", 1), no_allocation("chat"), approved("demo", Guaranteed)])
        .then_refused(ChangeRefused::NoBurst { burst: named("demo") })
        .version(4)
        .when([pool(30_000)])
        .then_refused(short_of(30_000, 0));
}

#[test]
fn what_is_so_already_is_no_decision() {
    given()
        .and(pool(60_000))
        .and(allocation("chat", 6_000))
        .when([pool(60_000), allocation("chat", 6_000), no_allocation("search")])
        .then_nothing_more()
        .version(2);
}

#[test]
fn changes_that_come_back_to_what_is_are_no_decision() {
    let twice = || [allocation("chat", 6_000), allocation("chat", 7_000)];
    given().and(pool(60_000)).when(twice()).then_done().when(twice()).then_nothing_more().version(3);
}

#[test]
fn a_decision_on_what_has_changed_since_is_refused() {
    let refused = || ChangeRefused::VersionMismatch { expected: 1, found: 2 };
    given()
        .and(pool(60_000))
        .having_seen(1)
        .and(allocation("chat", 6_000))
        .having_seen(1)
        .when([allocation("chat", 7_000)])
        .then_refused(refused())
        .having_seen(1)
        .when([allocation("chat", 70_000)])
        .then_refused(refused())
        .having_seen(1)
        .when([allocation("chat", 6_000)])
        .then_nothing_more()
        .having_seen(2)
        .when([allocation("chat", 7_000)])
        .then_done();
}

#[test]
fn nobody_is_entitled_to_anything_in_a_pool_that_is_not_there() {
    given()
        .when([allocation("chat", 6_000)])
        .then_refused(ChangeRefused::NoPool)
        .when([pool(60_000), allocation("chat", 6_000)])
        .then_done()
        .when([Change::RemovePool, allocation("chat", 6_000)])
        .then_refused(ChangeRefused::NoPool)
        .and(Change::RemovePool)
        .version(3)
        .guaranteed("chat", 0, 0)
        .when([Change::RemovePool])
        .then_nothing_more();
}

#[test]
fn bursts_end_with_their_allocation_and_do_not_come_back_with_it() {
    let all = || {
        given()
            .and(pool(60_000))
            .and(allocation("chat", 6_000))
            .and(asked(burst("asked", "chat", 1_000, (10, 20))))
            .and(granted(burst("over", "chat", 1_000, (0, 5)), Guaranteed))
            .and(granted(burst("active", "chat", 1_000, (0, 20)), Guaranteed))
            .and(granted(burst("upcoming", "chat", 1_000, (10, 20)), BestEffort))
            .at(5)
    };
    let story = all().by("grace").and(no_allocation("chat")).and(allocation("chat", 6_000));
    let phase = |name| story.burst(name).phase(s(10));
    assert_eq!(["asked", "active", "upcoming"].map(phase), [BurstPhase::Revoked; 3]);
    assert_eq!(phase("over"), BurstPhase::Expired);
    story.guaranteed("chat", 10, 6_000).borrowable("chat", 10, 0);
    all().guaranteed("chat", 10, 7_000).borrowable("chat", 10, 1_000);
}

#[test]
fn an_allocation_that_lapses_makes_room_from_then_on() {
    let story = given()
        .and(pool(60_000))
        .and(allocated("chat", lapses(guarantee(60_000, 1), 100, 10_000)))
        .and(allocation("search", 0));
    story
        .when([granted(burst("early", "search", 50_000, (99, 200)), Guaranteed)])
        .then_refused(short_of(50_000, 99))
        .when([granted(burst("late", "search", 50_000, (100, 200)), Guaranteed)])
        .then_done();
}

#[test]
fn requests_fit_a_pool_that_limits_them_and_everybody_states_them() {
    let limited = || Change::DefinePool(Pool { requests: Some(rpm(100)), ..pool_of(60_000) });
    let with = |requests| Terms { requests: Some(rpm(requests)), ..guarantee(6_000, 1) };
    given()
        .and(pool(60_000))
        .and(allocation("chat", 6_000))
        .when([limited()])
        .then_refused_because(
            "requests a minute, which the pool limits, are not stated by 1 of its allocations",
        )
        .and(allocated("chat", with(60)))
        .and(limited())
        .when([allocated("search", with(50))])
        .then_refused_because("requests a minute exceed the pool by 10")
        .when([allocation("search", 90_000), allocated("chat", with(101))])
        .then_refused_because(
            "guarantees exceed the pool by 36000 tokens a minute, \
             worst at 1970-01-01T00:00:00Z; requests a minute exceed the pool by 1; \
             requests a minute, which the pool limits, are not stated by 1 of its allocations",
        )
        .and(allocated("search", with(40)));
}
