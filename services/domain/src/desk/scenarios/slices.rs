//! Stories of slices: few draws for many requests, and what a crash leaves.

use std::time::Duration;

use super::story::{Story, service, terms};
use crate::amount::Tokens;
use crate::burst::Approval;
use crate::desk::NODE_SLICE_LIFETIME;
use crate::ids::HoldId;
use crate::policy::Terms;

#[test]
fn a_hundred_requests_are_a_few_draws() {
    let mut story = Story::given_pool(6_000_000).and("chat", terms(3_000_000));
    for _ in 0..10 {
        for _ in 0..100 {
            let hold = story.reserve("chat", 50).unwrap();
            assert!(story.settle(hold, 40));
        }
        story.wait_ms(100);
    }
    assert!(story.draws() < 20, "{} draws for 1,000 requests", story.draws());
    assert_eq!(story.settled("chat"), 40_000);
    story.then_replays();
}

#[test]
fn what_a_hold_left_at_a_gateway_goes_back_though_the_gateway_returned_its_slice_before_it_knew() {
    let mut story =
        Story::given_pool(600_000).and("chat", Terms { request_max: Tokens::new(10_000), ..terms(60_000) });
    let before = story.available("chat");
    let slice = story.gateway_draws("chat", 5_000);
    let hold = HoldId::try_pack(slice, 0, Tokens::new(4_000)).unwrap();
    story.settle(hold, 100);
    story.gateway_returns(slice, 1_000, 1);
    assert_eq!(story.available("chat"), before - 100);
    story.then_replays();
}

#[test]
fn what_is_idle_goes_back_within_a_second() {
    let mut story = Story::given_pool(60_000).and("chat", terms(6_000));
    for _ in 0..3 {
        let hold = story.reserve("chat", 100).unwrap();
        story.settle(hold, 100);
    }
    for _ in 0..20 {
        story.wait_ms(100);
    }
    let outstanding = story.desk.ledger().account(&service("chat")).unwrap().outstanding();
    assert_eq!(outstanding.tokens.get(), 0);
    assert_eq!(story.desk.ledger().slices().count(), 0);
    story.then_replays();
}

#[test]
fn near_the_limit_everything_can_be_had_to_the_token() {
    let mut story = Story::given_pool(60_000).and("chat", terms(6_000));
    for _ in 0..100 {
        story.reserve("chat", 10).unwrap();
    }
    assert!(story.reserve("chat", 1).is_err());
    story.then_replays();
}

#[test]
fn after_a_crash_a_slice_counts_as_spent_and_a_late_settle_charges_the_excess_only() {
    let mut story = Story::given_pool(60_000).and("chat", terms(6_000));
    let (one, other) = (story.reserve("chat", 400).unwrap(), story.reserve("chat", 200).unwrap());
    let before = story.available("chat");
    story.crash();
    assert!(story.available("chat") <= before);
    let after = story.available("chat");
    assert!(story.settle(one, 450));
    assert_eq!(story.available("chat"), after - 50);
    assert!(story.settle(other, 150));
    assert_eq!(story.available("chat"), after);
    assert!(!story.settle(one, 450));
    story.crash();
    assert!(!story.settle(one, 450));
    assert!(!story.settle(other, 150));
    assert_eq!(story.settled("chat"), 600);
    story.then_replays();
}

#[test]
fn what_a_settled_hold_left_is_nobodys_before_its_settle_is_recorded() {
    let mut story = Story::given_pool(60_000).and("chat", terms(6_000));
    let first = story.reserve("chat", 1_000).unwrap();
    story.settle_unrecorded(first, 400);
    let second = story.reserve_unrecorded("chat", 600);
    assert!(second.what.is_ok());
    assert!(!story.desk.is_recorded(second.after), "a crash would give the same tokens to somebody else");
    story.record();
    assert!(story.desk.is_recorded(second.after));
    assert_eq!(story.draws(), 1);
}

#[test]
fn what_was_free_before_a_settle_is_handed_out_at_once() {
    let mut story = Story::given_pool(60_000).and("chat", terms(6_000));
    let first = story.reserve("chat", 100).unwrap();
    story.reserve("chat", 100).unwrap();
    story.settle_unrecorded(first, 10);
    let next = story.reserve_unrecorded("chat", 50);
    assert!(next.what.is_ok() && story.desk.is_recorded(next.after), "{next:?}");
}

#[test]
fn a_settle_of_a_slice_that_is_over_is_a_repetition_however_late() {
    let mut story = Story::given_pool(60_000).and("chat", terms(6_000));
    let hold = story.reserve("chat", 400).unwrap();
    assert!(story.settle(hold, 100));
    for _ in 0..20 {
        story.wait_ms(100);
    }
    story.wait_ms(400 * 24 * 3_600 * 1_000);
    assert!(!story.settle(hold, 100));
    assert_eq!(story.settled("chat"), 100);
}

/// A service with 6,000 tokens a minute, and a burst to 246,000 a minute that began five seconds ago and goes on for 1.1 s.
fn in_a_burst() -> Story {
    let terms = Terms { request_max: Tokens::new(2_000), ..terms(6_000) };
    let mut story = Story::given_pool(600_000).and("chat", terms);
    story.burst("launch", 240_000, (0, 6_100), Approval::Guaranteed);
    story.wait_ms(5_000);
    story
}

#[test]
fn what_a_burst_let_draw_is_not_handed_out_once_it_is_over() {
    let mut story = in_a_burst();
    for _ in 0..5 {
        story.reserve("chat", 2_000).unwrap();
        story.wait_ms(200);
    }
    let in_hand = story.desk.in_hand(&service("chat")).get();
    assert!(in_hand > 0, "nothing was drawn ahead");
    story.wait_ms(100);
    let mut more = 0;
    while story.reserve("chat", 10).is_ok() {
        more += 10;
    }
    assert!(more <= 2_000, "{more} tokens at once, where the guarantee without the burst is 2,000 deep");
    story.then_replays();
}

#[test]
fn a_node_hands_out_what_a_burst_let_it_draw_no_longer_than_the_burst_lasts() {
    let mut story = in_a_burst();
    let reservation = story.mint();
    let during = story.gateway_is_given(reservation, "chat", 2_000).unwrap();
    assert_eq!(during.hand_out_until, story.now.plus(Duration::from_millis(1_100)), "the burst's end");
    story.crash_for_ms(10);
    let again = story.gateway_is_given(reservation, "chat", 2_000).unwrap();
    assert_eq!(again.hand_out_until, during.hand_out_until, "another desk says the same");
    story.wait_ms(2_000);
    let reservation = story.mint();
    let after = story.gateway_is_given(reservation, "chat", 100).unwrap();
    assert_eq!(after.hand_out_until, story.now.plus(NODE_SLICE_LIFETIME));
    story.then_replays();
}

#[test]
fn what_a_burst_let_draw_goes_back_when_it_is_revoked() {
    let mut story = in_a_burst();
    story.reserve("chat", 2_000).unwrap();
    story.reserve("chat", 2_000).unwrap();
    assert!(story.desk.in_hand(&service("chat")) > Tokens::ZERO);
    story.revoke("launch");
    assert_eq!(story.desk.in_hand(&service("chat")), Tokens::ZERO);
    story.then_replays();
}
