//! Stories of budgets in money: they count what was spent and what is held, and nothing else.

use super::story::{Story, cents_of, service, terms};
use crate::amount::Tokens;
use crate::budget::{Budget, BudgetKind, BudgetLimit};
use crate::calendar::{Period, Zone};
use crate::ids::HoldId;
use crate::ledger::{Quantity, Refusal};
use crate::policy::Terms;
use crate::price::Currency;

/// A second, after which a slice has gone back.
const SECOND_MS: u64 = 1_000;

fn with_dollars(dollars: u64) -> Terms {
    let budget = Budget {
        id: "daily".parse().unwrap(),
        limit: BudgetLimit::Money(cents_of(100 * dollars), Currency::try_new("USD").unwrap()),
        period: Period::Day,
        zone: Zone::UTC,
        kind: BudgetKind::Hard,
        thresholds: vec![],
    };
    Terms { budgets: vec![budget], ..terms(60_000) }
}

fn cents_used(story: &Story) -> u64 {
    story.budget_used("chat") / cents_of(1).get()
}

/// Two holds of one slice, for so many cents each: out of what a hold left that was given back.
fn two_of_a_slice(story: &mut Story, cents: [u64; 2]) -> [HoldId; 2] {
    let both = story.reserve_for_cents("chat", 200, cents[0] + cents[1]).unwrap();
    story.settle_for_cents(both, 0, 0);
    let holds = cents.map(|cents| story.reserve_for_cents("chat", 100, cents).unwrap());
    assert_eq!(holds.map(HoldId::slice), [both.slice(); 2], "the story has to be about one slice");
    holds
}

#[test]
fn money_that_a_settled_hold_did_not_use_can_be_spent_while_others_are_still_under_way() {
    let mut story = Story::given_pool(600_000).and("chat", with_dollars(10));
    let [one, other] = two_of_a_slice(&mut story, [400, 400]);
    story.wait_ms(SECOND_MS);
    story.settle_for_cents(one, 100, 10);
    assert_eq!(cents_used(&story), 10 + 400);
    assert!(story.reserve_for_cents("chat", 100, 500).is_ok());
    story.settle_for_cents(other, 100, 400);
    story.then_replays();
}

#[test]
fn a_cheap_call_gives_back_its_own_money_and_not_that_of_a_dear_one_beside_it() {
    let mut story = Story::given_pool(600_000).and("chat", with_dollars(10));
    let [dear, cheap] = two_of_a_slice(&mut story, [800, 20]);
    story.wait_ms(SECOND_MS);
    story.settle_for_cents(cheap, 10, 2);
    assert_eq!(cents_used(&story), 2 + 800);
    assert!(matches!(story.reserve_for_cents("chat", 100, 200), Err(Refusal::BudgetUsed { .. })));
    story.settle_for_cents(dear, 100, 800);
    assert_eq!(cents_used(&story), 802);
}

#[test]
fn what_a_call_cost_beyond_its_hold_is_not_taken_from_the_money_of_another() {
    let mut story = Story::given_pool(600_000).and("chat", with_dollars(10));
    let [one, _] = two_of_a_slice(&mut story, [100, 400]);
    story.settle_for_cents(one, 100, 300);
    story.wait_ms(SECOND_MS);
    assert_eq!(cents_used(&story), 300 + 400);
    story.then_replays();
}

#[test]
fn a_call_that_is_never_settled_counts_with_its_own_money_only() {
    let mut story = Story::given_pool(600_000).and("chat", with_dollars(10));
    let [settled, _] = two_of_a_slice(&mut story, [400, 400]);
    story.wait_ms(SECOND_MS);
    story.settle_for_cents(settled, 100, 10);
    let next = story.reserve_for_cents("chat", 100, 100).unwrap();
    story.settle_for_cents(next, 100, 100);
    story.wait_ms(25 * 3_600 * 1_000);
    assert_eq!(cents_used(&story), 400, "the day before is over; this day counts what lapsed in it");
    story.then_replays();
}

#[test]
fn money_that_came_back_into_the_slice_at_hand_counts_as_free_in_a_prospect() {
    let mut story = Story::given_pool(600_000).and("chat", with_dollars(10));
    let hold = story.reserve_for_cents("chat", 100, 400).unwrap();
    story.settle_for_cents(hold, 100, 10);
    let asked = Quantity { tokens: Tokens::new(100), money: cents_of(900) };
    let headroom = story.desk.headroom(&service("chat"), Some(asked)).unwrap();
    assert!(headroom.prospect.is_some_and(|told| told.asked == asked && told.said.is_ok()));
    assert!(story.reserve_for_cents("chat", 100, 900).is_ok());
}

#[test]
fn money_of_a_crash_comes_back_with_its_tokens() {
    let mut story = Story::given_pool(600_000).and("chat", with_dollars(10));
    let [one, other] = two_of_a_slice(&mut story, [400, 400]);
    story.crash();
    let spent = cents_used(&story);
    assert!(spent >= 800);
    story.settle_for_cents(one, 50, 10);
    assert_eq!(cents_used(&story), spent - 390);
    story.settle_for_cents(other, 100, 450);
    assert_eq!(cents_used(&story), spent - 390 + 50);
    story.then_replays();
}
