//! Stories of headroom: what it says of the next request is what would be said to it.

use super::budgets::daily;
use super::story::{Story, may_borrow, quantity, rpm, service, terms};
use crate::amount::Tokens;
use crate::burst::Approval;
use crate::ledger::{Limit, Refusal, Retry};
use crate::policy::Terms;

const MINUTE_MS: u64 = 60_000;

fn borrowed(story: &Story) -> u64 {
    story.desk.headroom(&service("chat"), None).unwrap().borrowed.get()
}

fn prospect(story: &Story, tokens: u64) -> Result<(), Refusal> {
    let headroom = story.desk.headroom(&service("chat"), Some(quantity(tokens))).unwrap();
    headroom.prospect.unwrap().said.map(|_| ()).map_err(|explained| explained.refusal)
}

#[test]
fn where_requests_and_tokens_are_both_used_up_the_later_of_the_two_is_told() {
    let mut story = Story::given_pool(600_000).and("chat", Terms { requests: Some(rpm(60)), ..terms(6_000) });
    for _ in 0..10 {
        story.reserve("chat", 100).unwrap();
    }
    let told = prospect(&story, 1_000).unwrap_err();
    assert_eq!(told.limit(), Limit::Requests);
    let after = told.retry().after().unwrap();
    assert_eq!(after.as_secs(), 10, "a request comes back in a second, 1,000 tokens in ten");
    assert_eq!(story.reserve("chat", 1_000).unwrap_err(), told);
    story.wait_ms(u64::try_from(after.as_millis()).unwrap() + 1);
    assert_eq!(prospect(&story, 1_000), Ok(()));
    assert!(story.reserve("chat", 1_000).is_ok());
}

#[test]
fn a_request_for_which_the_tokens_never_come_is_not_told_when_its_slot_does() {
    let limited = Terms { requests: Some(rpm(6)), ..may_borrow(0, 600) };
    let mut story = Story::given_pool(600_000).and("chat", limited);
    story.reserve("chat", 1).unwrap();
    let told = prospect(&story, 900).unwrap_err();
    assert_eq!(
        (told.limit(), told.retry()),
        (Limit::Requests, Retry::Never),
        "600 is the most there ever is"
    );
}

#[test]
fn nothing_is_borrowed_by_a_burst_that_has_only_begun() {
    let mut story = Story::given_pool(600_000).and("chat", may_borrow(6_000, 12_000));
    story.burst("launch", 60_000, (MINUTE_MS, 60 * MINUTE_MS), Approval::BestEffort);
    story.wait_ms(MINUTE_MS);
    assert_eq!(borrowed(&story), 0);
    story.wait_ms(500);
    assert_eq!(borrowed(&story), 0, "it has begun to refill what may be borrowed");
}

#[test]
fn nothing_is_borrowed_by_a_burst_that_is_granted_after_its_beginning() {
    let mut story = Story::given_pool(600_000).and("chat", may_borrow(6_000, 12_000));
    story.wait_ms(MINUTE_MS);
    story.burst("launch", 60_000, (0, 60 * MINUTE_MS), Approval::BestEffort);
    story.wait_ms(5 * MINUTE_MS);
    assert_eq!(borrowed(&story), 0);
    story.change(crate::ledger::Change::RevokeBurst { burst: "launch".parse().unwrap() });
    assert_eq!(borrowed(&story), 0);
}

#[test]
fn what_is_borrowed_is_what_was_taken_and_has_not_refilled_yet() {
    let mut story = Story::given_pool(600_000).and("chat", may_borrow(6_000, 12_000));
    for _ in 0..4 {
        story.reserve("chat", 1_000).unwrap();
    }
    story.wait_ms(0);
    assert!((3_000..=3_400).contains(&borrowed(&story)), "{}", borrowed(&story));
    story.burst("launch", 60_000, (0, 60 * MINUTE_MS), Approval::BestEffort);
    assert!((3_000..=3_400).contains(&borrowed(&story)), "a burst borrows nothing: {}", borrowed(&story));
    story.wait_ms(MINUTE_MS);
    story.wait_ms(MINUTE_MS);
    assert_eq!(borrowed(&story), 0, "it has refilled");
    story.then_replays();
}

/// What is available, as it is made up: guaranteed, borrowable, and what ceiling and others leave.
fn made_up(story: &Story, tokens: u64) -> [u64; 4] {
    let made = story.desk.headroom(&service("chat"), None).unwrap().available;
    assert_eq!((made.tokens, made.guaranteed + made.borrowable), (Tokens::new(tokens), Tokens::new(tokens)));
    [made.guaranteed, made.borrowable, made.ceiling_leaves, made.others_leave].map(Tokens::get)
}

#[test]
fn what_is_available_is_what_is_guaranteed_and_what_may_be_borrowed() {
    let mut story = Story::given_pool(600_000).and("chat", may_borrow(6_000, 12_000));
    let [guaranteed, borrowable, ceiling, others] = made_up(&story, 7_000);
    assert_eq!(
        (guaranteed, borrowable, ceiling),
        (1_000, 6_000, 6_000),
        "the ceiling is nearer than the pool's end"
    );
    assert!(others > 400_000, "{others}");

    for _ in 0..3 {
        story.reserve("chat", 1_000).unwrap();
    }
    made_up(&story, 4_000);
    for _ in 0..4 {
        story.reserve("chat", 1_000).unwrap();
    }
    assert_eq!(made_up(&story, 0)[3], others - 6_000, "others leave what was not borrowed");
    assert_eq!(story.reserve("chat", 1).unwrap_err().limit(), Limit::Ceiling);
}

#[test]
fn in_debt_what_is_in_hand_is_available_since_it_is_handed_out() {
    let mut story = Story::given_pool(600_000).and("chat", terms(6_000));
    let holds = [100, 100, 100].map(|tokens| story.reserve("chat", tokens).unwrap());
    let in_hand = story.desk.in_hand(&service("chat")).get();
    assert!(in_hand > 0, "nothing was drawn ahead");
    story.settle(holds[0], 2_000);
    assert!(story.desk.ledger().debt_of(&service("chat")).get() > in_hand);
    made_up(&story, in_hand);
    assert_eq!(prospect(&story, in_hand), Ok(()));
    assert!(story.reserve("chat", in_hand).is_ok());
    made_up(&story, 0);
    assert!(story.reserve("chat", 1).is_err());
}

#[test]
fn where_others_leave_less_than_the_ceiling_that_is_what_may_be_borrowed() {
    let story = Story::given_pool(60_000).and("chat", may_borrow(6_000, 60_000)).and("other", terms(54_000));
    let [_, borrowable, ceiling, others] = made_up(&story, 51_000);
    assert!(borrowable == others && others < ceiling, "{borrowable} {ceiling} {others}");
}

#[test]
fn a_hard_budget_that_leaves_less_is_named_and_one_that_leaves_more_is_not() {
    let budget = |limit| Terms { budgets: vec![daily(limit)], ..may_borrow(6_000, 12_000) };
    let binds = |limit| {
        let story = Story::given_pool(600_000).and("chat", budget(limit));
        let headroom = story.desk.headroom(&service("chat"), None).unwrap();
        (
            headroom.available.tokens.get(),
            headroom.available.budget.as_ref().map(|(id, _)| id.to_string()),
            headroom.summary(),
        )
    };
    let left = "500 tokens could be used at once, which is what budget daily leaves".to_owned();
    assert_eq!(binds(500), (500, Some("daily".to_owned()), left));
    let both = "7000 tokens could be used at once, 6000 of them borrowed".to_owned();
    assert_eq!(binds(50_000), (7_000, None, both));
}
