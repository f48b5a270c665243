//! Stories of ids that whoever has them has altered: a hold's size is what was handed out, not what its id says.

use super::story::{Story, service, terms};
use crate::amount::Tokens;
use crate::desk::Release;
use crate::ids::HoldId;
use crate::ledger::GUARANTEE_WINDOW;

/// The same hold as if it held so many tokens.
fn altered(hold: HoldId, tokens: u64) -> HoldId {
    HoldId::try_pack(hold.slice(), hold.number(), Tokens::new(tokens)).unwrap()
}

fn returned(story: &Story) -> u64 {
    story.desk.ledger().account(&service("chat")).unwrap().totals().returned.get()
}

fn outstanding(story: &Story) -> u64 {
    story.desk.ledger().account(&service("chat")).unwrap().outstanding().tokens.get()
}

/// Of 1,000 tokens 100 and 300 are held, out of one slice that goes back a second later.
fn two_holds() -> (Story, HoldId, HoldId) {
    assert_eq!(GUARANTEE_WINDOW.as_secs(), 10);
    let mut story = Story::given_pool(60_000).and("chat", terms(6_000));
    story.reserve("chat", 400).map(|warm| story.settle(warm, 0)).unwrap();
    let (small, large) = (story.reserve("chat", 100).unwrap(), story.reserve("chat", 300).unwrap());
    assert_eq!(small.slice(), large.slice());
    story.wait_ms(1_500);
    (story, small, large)
}

#[test]
fn whoever_settles_a_hold_as_larger_than_it_was_gets_back_what_it_held() {
    let (mut story, small, large) = two_holds();
    let (back, out) = (returned(&story), outstanding(&story));
    assert_eq!(out, 400);
    assert!(story.settle(altered(small, 400), 40));
    assert_eq!((returned(&story) - back, outstanding(&story)), (60, 300), "the other hold is whole");
    assert!(!story.settle(small, 40), "it is the same hold, and settled");
    assert!(story.settle(large, 300));
    assert_eq!((returned(&story) - back, outstanding(&story)), (60, 0));
    story.then_replays();
}

#[test]
fn whoever_settles_or_releases_a_hold_as_smaller_than_it_was_gets_back_all_of_it() {
    let (mut story, small, large) = two_holds();
    let back = returned(&story);
    assert!(story.desk.release(&Release::Hold(altered(large, 1)), &service("chat")).what);
    assert!(story.settle(altered(small, 0), 100));
    story.record();
    assert_eq!((returned(&story) - back, outstanding(&story)), (300, 0));
    assert_eq!(story.desk.ledger().debt_of(&service("chat")), Tokens::ZERO);
    story.then_replays();
}

#[test]
fn what_an_altered_hold_leaves_is_handed_out_again_only_as_far_as_it_held() {
    let mut story = Story::given_pool(60_000).and("chat", terms(6_000));
    let hold = story.reserve("chat", 400).unwrap();
    let other = story.reserve("chat", 600).unwrap();
    assert!(story.settle(altered(hold, 1_000), 0));
    assert!(story.reserve("chat", 401).is_err() && story.reserve("chat", 400).is_ok());
    assert!(story.settle(other, 600));
    story.then_replays();
}

/// After a crash nobody remembers holds until nodes declare them: what is left open. No more comes back than the slice had
/// outstanding, and what others of it use is charged in full all the same, as debt.
#[test]
fn after_a_crash_an_altered_hold_gets_back_no_more_than_its_slice_had_and_nothing_used_is_free() {
    let (mut story, small, large) = two_holds();
    story.crash();
    let (back, settled) = (returned(&story), story.settled("chat"));
    assert!(story.settle(altered(small, 1 << 39), 40));
    assert_eq!((returned(&story) - back, outstanding(&story)), (360, 0));
    let has = story.available("chat");
    assert!(story.settle(large, 300));
    assert_eq!(story.available("chat"), has - 300, "what it used is taken anew");
    assert_eq!(story.settled("chat") - settled, 340);
    story.then_replays();
}

#[test]
fn a_hold_that_a_node_declares_after_a_crash_is_settled_as_it_was_declared() {
    let (mut story, small, _) = two_holds();
    story.crash();
    let back = returned(&story);
    assert!(story.desk.redeclare(small, &service("chat")));
    assert!(story.settle(altered(small, 400), 40));
    assert_eq!(returned(&story) - back, 60);
    story.then_replays();
}
