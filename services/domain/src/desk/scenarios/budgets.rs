//! Stories of budgets: what counts against them, through crashes and changes of policy.

use super::story::{Story, quantity, service, terms};
use crate::amount::Tokens;
use crate::budget::{Budget, BudgetKind, BudgetLimit};
use crate::calendar::{Period, Zone};
use crate::ids::BudgetId;
use crate::ledger::{Change, Event, Limit, Moved, Refusal, Retry};
use crate::policy::Terms;

const DAY_MS: u64 = 24 * 3_600 * 1_000;

fn with_budget(limit: u64) -> Terms {
    Terms { budgets: vec![daily(limit)], ..terms(60_000) }
}

/// A hard budget of so many tokens a day.
pub(super) fn daily(limit: u64) -> Budget {
    Budget {
        id: BudgetId::try_new("daily").unwrap(),
        limit: BudgetLimit::Tokens(Tokens::new(limit)),
        period: Period::Day,
        zone: Zone::UTC,
        kind: BudgetKind::Hard,
        thresholds: vec![50, 80],
    }
}

fn thresholds_told(story: &Story) -> usize {
    let told = |event: &&Event| matches!(event, Event::Moved(moved) if matches!(moved.what, Moved::ThresholdReached { .. }));
    story.events.iter().filter(told).count()
}

#[test]
fn a_hard_budget_refuses_until_its_next_period() {
    let mut story = Story::given_pool(600_000).and("chat", with_budget(1_000));
    let hold = story.reserve("chat", 900).unwrap();
    assert!(matches!(story.reserve("chat", 200), Err(Refusal::BudgetUsed { .. })));
    story.settle(hold, 900);
    let refusal = story.reserve("chat", 200).unwrap_err();
    let after = refusal.retry().after().unwrap();
    story.wait_ms(u64::try_from(after.as_millis()).unwrap() + 1);
    assert!(story.reserve("chat", 200).is_ok());
    story.then_replays();
}

#[test]
fn a_budget_whose_period_is_over_is_told_as_of_the_next_though_nobody_opened_that() {
    let mut story = Story::given_pool(600_000).and("chat", with_budget(1_000));
    let (used, held) = (story.reserve("chat", 300).unwrap(), story.reserve("chat", 600).unwrap());
    story.settle(used, 300);
    story.wait_ms(DAY_MS / 2);
    let next = Period::Day.holding(story.desk.ledger().at(), Zone::UTC).end();
    let headroom = |asked| story.desk.headroom(&service("chat"), Some(quantity(asked))).unwrap();
    assert!(headroom(300).prospect.unwrap().said.is_ok());
    assert_eq!(headroom(300).next_change.map(|change| change.at), Some(next));
    let refusal = headroom(700).prospect.unwrap().said.unwrap_err().refusal;
    let Refusal::BudgetUsed { used, resets, retry, .. } = refusal.clone() else { panic!("{refusal}") };
    assert_eq!((used, resets, retry.instant()), (600, next, Some(next)), "what is held counts anew");
    assert_eq!(story.reserve("chat", 700), Err(refusal));
    assert!(story.settle(held, 600));
}

#[test]
fn a_budget_that_is_full_of_holds_is_not_said_to_refuse_for_good() {
    let mut story = Story::given_pool(600_000).and("chat", with_budget(1_000));
    let hold = story.reserve("chat", 900).unwrap();
    let refusal = story.reserve("chat", 200).unwrap_err();
    assert!(matches!(refusal, Refusal::BudgetUsed { .. }), "{refusal:?}");
    let retry = refusal.retry().instant().expect("200 fit 1,000 once the hold is settled");
    let day = Period::Day.holding(story.desk.ledger().at(), Zone::UTC);
    assert_eq!(retry, day.end(), "at the end of the period at the latest");
    story.settle(hold, 300);
    assert!(story.reserve("chat", 200).is_ok(), "a settle makes room sooner");
    let too_much = story.reserve("chat", 1_000).unwrap_err();
    assert!(too_much.retry().instant().is_some(), "1,000 fit a period");
    story.then_replays();
}

#[test]
fn only_what_is_more_than_a_whole_budget_is_refused_for_good() {
    let mut story = Story::given_pool(600_000).and("chat", with_budget(500));
    let refusal = story.reserve("chat", 501).unwrap_err();
    assert_eq!((refusal.limit(), refusal.retry()), (Limit::Budget, Retry::Never));
}

#[test]
fn what_a_crash_leaves_counts_on_the_day_of_the_crash_only() {
    let mut story = Story::given_pool(600_000).and("chat", with_budget(1_000));
    let hold = story.reserve("chat", 600).unwrap();
    story.crash();
    assert!(story.reserve("chat", 600).is_err());
    story.settle(hold, 700);
    assert!(story.reserve("chat", 400).is_err(), "the excess counts too");
    story.wait_ms(DAY_MS);
    assert!(story.reserve("chat", 1_000).is_ok());
    story.then_replays();
}

#[test]
fn what_a_crash_counted_as_spent_comes_back_when_it_turns_out_to_be_unused() {
    let mut story = Story::given_pool(600_000).and("chat", with_budget(1_000));
    let hold = story.reserve("chat", 900).unwrap();
    story.crash();
    let spent = story.budget_used("chat");
    assert!(spent >= 900);
    story.settle(hold, 100);
    assert_eq!(story.budget_used("chat"), spent - 800);
    assert!(story.reserve("chat", 800).is_ok());
    story.then_replays();
}

#[test]
fn what_was_counted_as_spent_yesterday_does_not_come_back_today() {
    let mut story = Story::given_pool(600_000).and("chat", with_budget(1_000));
    let hold = story.reserve("chat", 900).unwrap();
    story.crash();
    story.wait_ms(DAY_MS);
    let today = story.reserve("chat", 200).unwrap();
    story.settle(today, 200);
    story.wait_ms(1_000);
    story.settle(hold, 100);
    assert_eq!(story.budget_used("chat"), 200);
    story.then_replays();
}

#[test]
fn what_a_budget_never_counted_does_not_come_back_to_it() {
    let mut story = Story::given_pool(600_000).and("chat", with_budget(1_000));
    let hold = story.reserve("chat", 900).unwrap();
    story.crash();
    let zone = Zone::try_new("Europe/Berlin").unwrap();
    let anew = Budget { zone, ..with_budget(1_000).budgets.remove(0) };
    let terms = Terms { budgets: vec![anew], ..terms(60_000) };
    story.change(Change::SetAllocation { service: service("chat"), terms });
    let other = story.reserve("chat", 200).unwrap();
    story.settle(other, 200);
    story.settle(hold, 100);
    story.wait_ms(1_000);
    assert_eq!(story.budget_used("chat"), 200, "the new budget began after the crash, at the same instant");
}

#[test]
fn what_lapses_on_the_day_after_counts_on_that_day() {
    let mut story = Story::given_pool(600_000).and("chat", with_budget(1_000));
    let hold = story.reserve("chat", 600).unwrap();
    story.crash_for_ms(DAY_MS);
    story.settle(hold, 600);
    assert!(story.reserve("chat", 500).is_err(), "600 of the day's 1,000 are used");
    assert!(story.reserve("chat", 300).is_ok());
    story.then_replays();
}

#[test]
fn a_threshold_is_told_once_though_the_policy_changes_elsewhere() {
    let mut story = Story::given_pool(600_000).and("chat", with_budget(1_000));
    story.reserve("chat", 850).unwrap();
    assert_eq!(thresholds_told(&story), 2);
    let more = Terms { request_max: Tokens::new(900), ..with_budget(1_000) };
    story.change(Change::SetAllocation { service: service("chat"), terms: more });
    story.reserve("chat", 10).unwrap();
    assert_eq!(thresholds_told(&story), 2);
}

#[test]
fn no_more_is_said_to_be_available_than_a_hard_budget_leaves() {
    let mut story = Story::given_pool(600_000).and("chat", with_budget(1_000));
    assert_eq!(story.available("chat"), 1_000);
    story.reserve("chat", 900).unwrap();
    assert_eq!(story.available("chat"), 100);
    story.reserve("chat", 100).unwrap();
    assert_eq!(story.available("chat"), 0);
}

#[test]
fn a_budget_that_would_be_set_keeps_what_is_used_of_its_like_in_its_period() {
    let mut story = Story::given_pool(600_000).and("chat", with_budget(1_000));
    let hold = story.reserve("chat", 700).unwrap();
    story.settle(hold, 700);
    story.reserve("chat", 100).unwrap();
    let if_set = |budgets: &[Budget]| {
        let told = story.desk.budgets_if_set(&service("chat"), budgets);
        told.iter().map(|standing| (standing.used, standing.is_used_up())).collect::<Vec<_>>()
    };
    let monthly = Budget { period: Period::Month, ..daily(500) };
    assert_eq!(if_set(&[daily(800), daily(801), monthly]), [(800, true), (800, false), (100, false)]);
    assert_eq!(story.desk.budgets_if_set(&service("nobody"), &[daily(1)])[0].used, 0);
}
