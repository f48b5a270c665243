//! Stories of reservations that come again: answered the same while something is held for them, and else told why not.

use super::story::{BEGIN_S, Story, quantity, service, terms};
use crate::desk::{DRAWS_MAX, NODE_SLICE_LIFETIME, RESERVATION_WINDOW, Release, Reserve};
use crate::ids::{NodeId, ReservationId};
use crate::ledger::{Limit, Refusal, Retry};
use crate::policy::{Enforcement, Terms};
use crate::time::Timestamp;

const WINDOW_MS: u64 = RESERVATION_WINDOW.as_secs() * 1_000;

fn given() -> Story {
    Story::given_pool(60_000).and("chat", terms(6_000)).and("other", terms(6_000))
}

#[test]
fn a_retry_does_not_reserve_twice() {
    let mut story = given();
    let reservation = story.mint();
    let first = story.reserve_as(reservation, "chat", 600).unwrap();
    assert_eq!(story.reserve_as(reservation, "chat", 600), Ok(first));
    assert!(story.reserve("chat", 600).is_err(), "it was held twice");
}

#[test]
fn one_reservation_lets_one_call_pass_and_none_after_it_is_settled() {
    let mut story = given();
    let reservation = story.mint();
    let hold = story.reserve_as(reservation, "chat", 600).unwrap();
    assert!(story.settle(hold, 600));
    let over = story.reserve_as(reservation, "chat", 600).unwrap_err();
    assert_eq!(over, Refusal::ReservationOver { reservation }, "a second call would be charged to nobody");
    assert_eq!((over.limit(), over.retry()), (Limit::ReservationOver, Retry::Unknown));
    assert!(!story.settle(hold, 600));
    (0..20).for_each(|_| story.wait_ms(100));
    assert_eq!(story.reserve_as(reservation, "chat", 600), Err(over), "its slice has gone back");
    story.then_replays();
}

#[test]
fn a_reservation_that_was_released_is_over_whether_it_had_come_or_not() {
    let mut story = given();
    let (held, late) = (story.mint(), story.mint());
    story.reserve_as(held, "chat", 600).unwrap();
    for reservation in [held, late] {
        story.desk.release(&Release::Reservation(reservation), &service("chat"));
        let told = story.reserve_as(reservation, "chat", 600).unwrap_err();
        assert_eq!(told, Refusal::ReservationOver { reservation });
        let said = told.to_string();
        assert!(said.ends_with("was settled or has gone back; mint a new one for another call"), "{said}");
    }
    assert!(story.reserve("chat", 1_000).is_ok());
}

#[test]
fn a_hold_that_nobody_kept_alive_is_still_the_reservations() {
    let mut story = given();
    let reservation = story.mint();
    let hold = story.reserve_as(reservation, "chat", 600).unwrap();
    story.wait_ms(5 * 60 * 1_000);
    assert_eq!(story.reserve_as(reservation, "chat", 600), Ok(hold), "it is charged when it is settled");
}

#[test]
fn an_id_is_of_one_service_and_one_size() {
    let mut story = given();
    let reservation = story.mint();
    story.reserve_as(reservation, "chat", 600).unwrap();
    for (name, tokens) in [("other", 600), ("chat", 601)] {
        let told = story.reserve_as(reservation, name, tokens).unwrap_err();
        assert_eq!(told, Refusal::ReservationOfAnother { reservation });
        assert_eq!(told.limit(), Limit::ReservationOfAnother);
    }
}

#[test]
fn an_id_from_too_long_ago_or_too_far_ahead_is_told_when_it_was_minted() {
    let mut story = given();
    let (begin, old) = (Timestamp::from_secs(BEGIN_S), story.mint());
    story.wait_ms(WINDOW_MS);
    let told = story.reserve_as(old, "chat", 600).unwrap_err();
    assert_eq!(told, Refusal::ReservationStale { reservation: old, minted: begin });
    let said = told.to_string();
    assert!(said.contains("minted at 2025-06-15T15:06:40Z, which is not within a quarter"), "{said}");
    let ms = u128::from(begin.as_millis().unsigned_abs() + 2 * WINDOW_MS + 1);
    let ahead = ReservationId::new(ms << 80 | 7 << 76);
    assert_eq!(story.reserve_as(ahead, "chat", 600).unwrap_err().limit(), Limit::ReservationStale);
}

#[test]
fn in_shadow_mode_a_retry_is_told_the_same_limit() {
    let shadow = Terms { enforcement: Enforcement::Shadow, ..terms(6_000) };
    let mut story = Story::given_pool(60_000).and("chat", shadow);
    story.reserve("chat", 1_000).unwrap();
    let ask = Reserve { reservation: story.mint(), service: service("chat"), need: quantity(500) };
    let first = story.desk.reserve(&ask).what.unwrap();
    assert_eq!(first.shadowed, Some(Limit::Baseline));
    assert_eq!(story.desk.reserve(&ask).what, Ok(first));
}

#[test]
fn a_node_that_asks_again_for_a_slice_gets_the_same() {
    let mut story = given();
    let reservation = story.mint();
    let slice = story.gateway_draws_as(reservation, "chat", 400).unwrap();
    let before = story.available("chat");
    assert_eq!(story.gateway_draws_as(reservation, "chat", 400), Ok(slice));
    assert_eq!((story.available("chat"), story.draws()), (before, 1));
    for (name, tokens) in [("chat", 401), ("other", 400)] {
        let told = story.gateway_draws_as(reservation, name, tokens);
        assert_eq!(told, Err(Refusal::ReservationOfAnother { reservation }));
    }
    let other = NodeId::try_new("gateway-2").unwrap();
    let ask = Reserve { reservation, service: service("chat"), need: quantity(400) };
    let told = story.desk.draw(&other, &ask, quantity(0)).what;
    assert_eq!(told, Err(Refusal::ReservationOfAnother { reservation }));
    story.then_replays();
}

#[test]
fn a_node_whose_answer_was_lost_in_a_crash_asks_again_and_gets_the_same_slice() {
    let mut story = given();
    let (open, returned) = (story.mint(), story.mint());
    let slice = story.gateway_draws_as(open, "chat", 400).unwrap();
    let back = story.gateway_draws_as(returned, "chat", 300).unwrap();
    story.gateway_returns(back, 300, 0);
    story.crash();
    let before = story.available("chat");
    assert_eq!(story.gateway_draws_as(open, "chat", 400), Ok(slice));
    assert_eq!((story.available("chat"), story.draws()), (before, 2));
    for (name, tokens) in [("chat", 401), ("other", 400)] {
        let told = story.gateway_draws_as(open, name, tokens);
        assert_eq!(told, Err(Refusal::ReservationOfAnother { reservation: open }));
    }
    story.gateway_returns(slice, 400, 0);
    assert_eq!(
        story.gateway_draws_as(open, "chat", 400),
        Err(Refusal::ReservationOver { reservation: open })
    );
    let fresh = story.gateway_draws_as(returned, "chat", 300);
    assert!(fresh.is_ok_and(|fresh| fresh != back), "what has gone back before a crash is forgotten");
    story.then_replays();
}

#[test]
fn a_slice_that_nobody_returned_for_days_of_silence_is_remembered_by_nobody() {
    let mut story = given();
    let reservation = story.mint();
    story.gateway_draws_as(reservation, "chat", 400).unwrap();
    story.crash_for_ms(100 * WINDOW_MS);
    let told = story.gateway_draws_as(reservation, "chat", 400).unwrap_err();
    assert_eq!(told.limit(), Limit::ReservationStale);
}

#[test]
fn a_slice_that_has_gone_back_or_lapsed_is_not_given_again() {
    let mut story = given();
    let (returned, lapsed) = (story.mint(), story.mint());
    let slice = story.gateway_draws_as(returned, "chat", 400).unwrap();
    story.gateway_returns(slice, 400, 0);
    story.gateway_draws_as(lapsed, "chat", 300).unwrap();
    story.wait_ms(u64::try_from(NODE_SLICE_LIFETIME.as_millis()).unwrap());
    for (reservation, tokens) in [(returned, 400), (lapsed, 300)] {
        let told = story.gateway_draws_as(reservation, "chat", tokens);
        assert_eq!(told, Err(Refusal::ReservationOver { reservation }));
    }
    assert_eq!(story.draws(), 2);
    story.then_replays();
}

#[test]
fn where_more_came_than_are_remembered_an_id_is_told_that_it_is_forgotten() {
    let mut story = given();
    let first = story.mint();
    story.gateway_draws_as(first, "chat", 0).unwrap();
    story.wait_ms(100);
    for _ in 0..DRAWS_MAX {
        let reservation = story.mint();
        let ask = Reserve { reservation, service: service("chat"), need: quantity(0) };
        story.desk.draw(&NodeId::try_new("gateway-1").unwrap(), &ask, quantity(0)).what.unwrap();
    }
    let told = story.gateway_draws_as(first, "chat", 0).unwrap_err();
    assert!(matches!(told, Refusal::ReservationForgotten { .. }), "{told:?}");
    assert_eq!(told.limit(), Limit::ReservationForgotten);
    let said = told.to_string();
    assert!(said.contains("only those minted since 2025-06-15T15:06:40"), "{said}");
}
