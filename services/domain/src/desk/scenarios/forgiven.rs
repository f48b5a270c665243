//! Stories of debt that is forgiven: a node's bug locks nobody out for years.

use super::story::{Story, may_borrow, service, terms};
use crate::amount::Tokens;
use crate::authorship::Authorship;
use crate::bucket::Level;
use crate::budget::{Budget, BudgetKind, BudgetLimit};
use crate::calendar::{Period, Zone};
use crate::ledger::{Change, Event, Governed, Refusal, TermsChanged};
use crate::policy::Terms;
use crate::time::Timestamp;

/// A terabyte of text: more than the pool serves in a year.
const BUG: u64 = 1 << 39;

/// How many events come of it.
fn forgive(story: &mut Story, who: &str) -> usize {
    let version = story.desk.ledger().terms().version();
    forgive_as_of(story, who, version)
}

fn forgive_as_of(story: &mut Story, who: &str, version: u64) -> usize {
    let before = story.events.len();
    story.change(Change::ForgiveDebt { service: service(who), version });
    story.events.len() - before
}

fn settled_far_beyond_what_was_held() -> Story {
    let mut story =
        Story::given_pool(600_000).and("chat", terms(60_000)).and("search", may_borrow(0, 60_000));
    let hold = story.reserve("chat", 100).unwrap();
    story.settle(hold, BUG);
    story
}

#[test]
fn a_debt_of_years_is_forgiven_and_its_service_and_whoever_borrows_go_on() {
    let mut story = settled_far_beyond_what_was_held();
    story.wait_ms(3_600_000);
    assert!(story.reserve("chat", 1).is_err() && story.reserve("search", 1).is_err());
    assert_eq!(forgive(&mut story, "chat"), 1);
    let ledger = story.desk.ledger();
    assert_eq!((ledger.debt_of(&service("chat")), ledger.deficit()), (Tokens::ZERO, Level::ZERO));
    story.wait_ms(1_000);
    assert!(story.reserve("chat", 900).is_ok() && story.reserve("search", 900).is_ok());
    let totals = story.desk.ledger().account(&service("chat")).unwrap().totals();
    assert_eq!(totals.settled, Tokens::new(BUG), "what was said to be used stays said");
    assert_eq!(totals.forgiven, Tokens::new(BUG - 100 - 60 * 60_000 - 9_900), "what had refilled was repaid");
    let told = story.events.iter().find_map(|event| match event {
        Event::Governed(Governed { what: TermsChanged::DebtForgiven { tokens, .. }, .. }) => Some(*tokens),
        _ => None,
    });
    assert_eq!(told, Some(totals.forgiven), "the event says how much was forgiven");
    story.then_replays();
}

#[test]
fn who_owes_nothing_is_forgiven_nothing() {
    let mut story = settled_far_beyond_what_was_held();
    assert_eq!(forgive(&mut story, "chat"), 1);
    assert_eq!(forgive(&mut story, "chat"), 0);
    assert_eq!(forgive(&mut story, "nobody"), 0);
    story.then_replays();
}

#[test]
fn a_decision_to_forgive_that_comes_again_does_not_forgive_what_is_owed_later() {
    let mut story = settled_far_beyond_what_was_held();
    let version = story.desk.ledger().terms().version();
    assert_eq!(forgive_as_of(&mut story, "chat", version), 1);
    story.wait_ms(1_000);
    let hold = story.reserve("chat", 100).unwrap();
    story.settle(hold, BUG);
    let owed = story.desk.ledger().debt_of(&service("chat"));
    assert_eq!(forgive_as_of(&mut story, "chat", version), 0);
    assert!(owed > Tokens::ZERO && story.desk.ledger().debt_of(&service("chat")) == owed);
    story.then_replays();
}

#[test]
fn a_decision_has_the_ledgers_time_although_its_authors_clock_is_behind() {
    let mut story = settled_far_beyond_what_was_held();
    story.wait_ms(5_000);
    let by = Authorship { author: "ada".into(), reason: "bug".into(), at: Timestamp::EPOCH, commit: None };
    let version = story.desk.ledger().terms().version();
    let forgive = Change::ForgiveDebt { service: service("chat"), version };
    let decided = story.desk.change(&by, &[forgive], None).what.unwrap();
    assert_eq!(decided[0].by, Authorship { at: story.desk.ledger().at(), ..by });
}

/// A debt is of refill that is still to come; a budget is of what was used. Forgiving the one does not undo the other.
#[test]
fn a_budget_keeps_what_it_has_counted_of_a_debt_that_is_forgiven() {
    let budget = Budget {
        id: "daily".parse().unwrap(),
        limit: BudgetLimit::Tokens(Tokens::new(100_000)),
        period: Period::Day,
        zone: Zone::UTC,
        kind: BudgetKind::Hard,
        thresholds: vec![],
    };
    let limited = Terms { budgets: vec![budget], ..terms(60_000) };
    let mut story = Story::given_pool(600_000).and("chat", limited);
    let hold = story.reserve("chat", 100).unwrap();
    story.settle(hold, 99_900);
    assert_eq!(forgive(&mut story, "chat"), 1);
    story.wait_ms(10_000);
    assert_eq!(story.budget_used("chat"), 99_900);
    assert!(matches!(story.reserve("chat", 101), Err(Refusal::BudgetUsed { .. })));
    assert!(story.reserve("chat", 100).is_ok());
    story.then_replays();
}
