//! Stories of holds: once each, and all limits at once.

use super::story::{Story, rpm, service, terms};
use crate::desk::HOLD_LIFETIME;
use crate::ledger::{Limit, Refusal};
use crate::policy::{Enforcement, Terms};

#[test]
fn as_many_are_under_way_as_may_be() {
    let limited = Terms { in_flight_max: Some(2), ..terms(6_000) };
    let mut story = Story::given_pool(60_000).and("chat", limited);
    let first = story.reserve("chat", 10).unwrap();
    story.reserve("chat", 10).unwrap();
    assert_eq!(story.reserve("chat", 10), Err(Refusal::InFlight { max: 2 }));
    story.settle(first, 10);
    assert!(story.reserve("chat", 10).is_ok());
}

#[test]
fn a_hold_that_nobody_keeps_alive_no_longer_counts_and_is_charged_when_it_is_settled() {
    let limited = Terms { in_flight_max: Some(1), ..terms(6_000) };
    let mut story = Story::given_pool(60_000).and("chat", limited);
    let hold = story.reserve("chat", 10).unwrap();
    story.wait_ms(60_000);
    assert!(story.desk.extend(hold));
    story.wait_ms(90_000);
    assert_eq!(story.reserve("chat", 10), Err(Refusal::InFlight { max: 1 }));
    story.wait_ms(u64::try_from(HOLD_LIFETIME.as_millis()).unwrap());
    assert!(story.reserve("chat", 10).is_ok());
    assert!(story.settle(hold, 25));
    assert!(!story.settle(hold, 25));
    assert_eq!(story.settled("chat"), 25);
}

#[test]
fn a_reservation_that_comes_again_when_its_hold_no_longer_counts_is_held_against_the_limit() {
    let limited = Terms { in_flight_max: Some(1), ..terms(6_000) };
    let mut story = Story::given_pool(60_000).and("chat", limited);
    let reservation = story.mint();
    let first = story.reserve_as(reservation, "chat", 10).unwrap();
    story.wait_ms(u64::try_from(HOLD_LIFETIME.as_millis()).unwrap());
    let second = story.reserve("chat", 10).unwrap();
    assert_eq!(story.reserve_as(reservation, "chat", 10), Err(Refusal::InFlight { max: 1 }));
    assert!(story.settle(second, 10));
    assert_eq!(story.reserve_as(reservation, "chat", 10), Ok(first));
    assert_eq!(story.desk.holds(), 1);
    assert_eq!(story.reserve("chat", 10), Err(Refusal::InFlight { max: 1 }), "it is under way again");
    assert!(story.settle(first, 10));
    assert_eq!((story.desk.holds(), story.settled("chat")), (0, 20));
    story.then_replays();
}

#[test]
fn requests_a_minute_bind_and_say_when_one_more_passes() {
    let limited = Terms { requests: Some(rpm(60)), ..terms(60_000) };
    let mut story = Story::given_pool(600_000).and("chat", limited);
    for _ in 0..10 {
        story.reserve("chat", 1).unwrap();
    }
    let refusal = story.reserve("chat", 1).unwrap_err();
    assert_eq!((refusal.limit(), refusal.retry().after().unwrap().as_millis()), (Limit::Requests, 1_000));
    story.wait_ms(1_000);
    assert!(story.reserve("chat", 1).is_ok());
}

#[test]
fn in_shadow_mode_what_would_be_refused_passes_and_is_told() {
    let shadow = Terms { enforcement: Enforcement::Shadow, ..terms(6_000) };
    let mut story = Story::given_pool(60_000).and("chat", shadow).and("other", terms(6_000));
    for _ in 0..5 {
        let hold = story.reserve("chat", 500).unwrap();
        story.settle(hold, 500);
    }
    story.wait_ms(1_100);
    let told: u64 = story
        .events
        .iter()
        .filter_map(|event| match event {
            crate::ledger::Event::Moved(moved) => match moved.what {
                crate::ledger::Moved::Shadowed { requests, .. } => Some(requests.get()),
                _ => None,
            },
            crate::ledger::Event::Governed(_) => None,
        })
        .sum();
    assert_eq!(told, 3);
    assert!(story.reserve("other", 1_000).is_ok());
    story.then_replays();
}

#[test]
fn what_passed_in_shadow_mode_is_not_held_against_the_service_afterwards() {
    let limited = Terms { requests: Some(rpm(60)), ..terms(60_000) };
    let shadow = Terms { enforcement: Enforcement::Shadow, ..limited.clone() };
    let mut story = Story::given_pool(600_000).and("chat", shadow);
    for _ in 0..500 {
        story.reserve("chat", 1).unwrap();
    }
    story.change(crate::ledger::Change::SetAllocation { service: service("chat"), terms: limited });
    assert!(story.reserve("chat", 1).is_err());
    story.wait_ms(1_000);
    assert!(story.reserve("chat", 1).is_ok());
}

#[test]
fn a_hold_that_is_never_settled_lets_go_of_its_slice_and_is_charged_if_it_is_settled_after_all() {
    let mut story = Story::given_pool(60_000).and("chat", terms(6_000));
    let hold = story.reserve("chat", 400).unwrap();
    for _ in 0..3 {
        story.wait_ms(13 * 3_600 * 1_000);
    }
    let state = story.desk.ledger().slice(hold.slice()).map(crate::ledger::Slice::state);
    assert_eq!(state, Some(crate::ledger::SliceState::Lapsed));
    assert!(story.settle(hold, 450));
    assert!(!story.settle(hold, 450));
    assert_eq!(story.settled("chat"), 450);
    story.then_replays();
}
