//! Stories of callers that are out of hand: what they do is theirs to bear, not everybody's.

use super::story::{Story, quantity, service, terms};
use crate::amount::Tokens;
use crate::desk::{HOLDS_PER_ALLOCATION_MAX, Reserve};
use crate::ids::{HoldId, NodeId};
use crate::ledger::{Event, Moved, Refusal, Seal};
use crate::policy::{Enforcement, Terms};

/// The hold of the same slice and size that would be handed out so many later.
fn later(hold: HoldId, by: u32) -> HoldId {
    HoldId::try_pack(hold.slice(), hold.number() + by, hold.tokens()).unwrap()
}

pub(super) fn shadow(baseline: u64) -> Terms {
    Terms { enforcement: Enforcement::Shadow, ..terms(baseline) }
}

#[test]
fn one_allocation_whose_holds_are_never_settled_leaves_room_for_those_of_others() {
    for greedy in [terms(60_000_000), shadow(60_000_000)] {
        let mut story = Story::given_pool(600_000_000).and("greedy", greedy).and("modest", terms(6_000));
        for number in 0..HOLDS_PER_ALLOCATION_MAX {
            assert!(story.reserve_unrecorded("greedy", 1).what.is_ok(), "{number}");
        }
        story.record();
        let max = HOLDS_PER_ALLOCATION_MAX;
        assert_eq!(story.reserve("greedy", 1), Err(Refusal::InFlight { max }));
        assert!(story.reserve("modest", 1).is_ok());
    }
}

#[test]
fn a_settle_of_a_hold_that_nobody_was_given_does_not_pay_for_whoever_is_given_it() {
    let mut story = Story::given_pool(60_000).and("chat", terms(6_000));
    let before = [300, 10].map(|tokens| story.reserve("chat", tokens).unwrap());
    let first = story.reserve("chat", 10).unwrap();
    let forged = later(first, 1);
    assert!(!story.settle(forged, 1));
    let second = story.reserve("chat", 10).unwrap();
    assert_eq!(second, forged, "the story has to be about the hold that comes next");
    for hold in before.into_iter().chain([first, second]) {
        assert!(story.settle(hold, 9));
    }
    assert_eq!(story.settled("chat"), 36);
    story.then_replays();
}

#[test]
fn nor_does_it_after_the_slice_was_given_back_or_its_desk_is_gone() {
    let mut story = Story::given_pool(60_000).and("chat", terms(6_000));
    let (first, second) = (story.reserve("chat", 100).unwrap(), story.reserve("chat", 100).unwrap());
    (0..20).for_each(|_| story.wait_ms(100));
    assert!(!story.settle(later(second, 1), 1), "it was given back with two holds");
    assert!(story.settle(first, 80) && story.settle(second, 90));
    assert_eq!(story.settled("chat"), 170);
    story.then_replays();
}

#[test]
fn nor_does_it_where_a_gateway_hands_the_slice_out() {
    let mut story = Story::given_pool(60_000).and("chat", terms(6_000));
    let node = NodeId::try_new("gateway").unwrap();
    let ask = Reserve { reservation: story.mint(), service: service("chat"), need: quantity(300) };
    let slice = story.desk.draw(&node, &ask, quantity(0)).what.unwrap().slice;
    let [first, second, forged] =
        [0, 1, 2].map(|number| HoldId::try_pack(slice, number, Tokens::new(100)).unwrap());
    assert!(story.settle(first, 80) && story.settle(forged, 1), "only the gateway knows how many there are");
    story.desk.return_slice(&node, &Seal { slice, free: quantity(100), holds: 2 });
    story.record();
    assert!(!story.settle(first, 80) && !story.settle(forged, 1));
    assert!(story.settle(second, 90), "it was taken for one that was settled");
    assert_eq!((story.settled("chat"), story.desk.ledger().slices().count()), (171, 0));
    story.then_replays();
}

#[test]
fn a_hold_that_nobody_was_given_is_not_under_way() {
    let limited = Terms { in_flight_max: Some(2), ..terms(6_000) };
    let mut story = Story::given_pool(60_000).and("chat", limited);
    let first = story.reserve("chat", 100).unwrap();
    let chat = service("chat");
    for by in 1..10 {
        assert!(!story.desk.redeclare(later(first, by), &chat) && !story.desk.extend(later(first, by)));
    }
    let second = story.reserve("chat", 100).unwrap();
    assert!(story.settle(first, 100) && story.settle(second, 100));
    assert_eq!((story.desk.holds(), story.desk.in_flight(&chat)), (0, 0));
}

#[test]
fn a_hold_that_is_declared_is_under_way_for_whoever_drew_it() {
    let mut story = Story::given_pool(60_000).and("chat", terms(6_000)).and("other", terms(6_000));
    let hold = story.reserve("chat", 100).unwrap();
    story.crash();
    assert!(story.desk.redeclare(hold, &service("other")));
    assert_eq!((story.desk.in_flight(&service("chat")), story.desk.in_flight(&service("other"))), (1, 0));
}

#[test]
fn in_shadow_mode_a_limit_that_refuses_everything_costs_a_few_draws_a_second() {
    let mut story = Story::given_pool(6_000_000).and("chat", shadow(600));
    let mut shadowed = 0;
    for _ in 0..50 {
        for _ in 0..40 {
            let decision = story.reserve_unrecorded("chat", 100).what.unwrap();
            shadowed += u64::from(decision.shadowed.is_some());
            story.settle_unrecorded(decision.hold, 100);
        }
        story.wait_ms(100);
    }
    (0..20).for_each(|_| story.wait_ms(100));
    assert_eq!(shadowed, 1_990, "a thousand tokens are there at once, and fifty come in five seconds");
    assert!(story.draws() < 40, "{} draws in five seconds", story.draws());
    assert_eq!(shadowed_in_all(&story), (shadowed, Tokens::new(100 * shadowed)));
    assert_eq!(story.settled("chat"), 200_000);
    assert_eq!(story.desk.ledger().slices().count(), 0);
    story.then_replays();
}

#[test]
fn in_shadow_mode_each_request_is_told_as_what_it_would_have_been() {
    let mut story = Story::given_pool(6_000_000).and("chat", shadow(60_000));
    let mut passed = 0;
    for _ in 0..100 {
        for _ in 0..4 {
            let decision = story.reserve_unrecorded("chat", 50).what.unwrap();
            passed += u64::from(decision.shadowed.is_none());
            story.settle_unrecorded(decision.hold, 50);
        }
        story.wait_ms(100);
    }
    let entitled = 10_000 + 60_000 / 60 * 99 / 10;
    assert!(passed * 50 <= entitled && passed * 50 > entitled - 100, "{} of {entitled}", passed * 50);
}

/// What was said to have passed in shadow mode only.
pub(super) fn shadowed_in_all(story: &Story) -> (u64, Tokens) {
    let shadowed = story.events.iter().filter_map(|event| match event {
        Event::Moved(moved) => match moved.what {
            Moved::Shadowed { requests, tokens, .. } => Some((requests.get(), tokens)),
            _ => None,
        },
        Event::Governed(_) => None,
    });
    shadowed.fold((0, Tokens::ZERO), |sum, told| (sum.0 + told.0, sum.1 + told.1))
}
