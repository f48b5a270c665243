//! Stories of debt: what was used beyond holds is repaid by what flows, whatever begins or ends in between.

use super::story::{Story, may_borrow, service, terms};
use crate::burst::Approval;
use crate::ledger::Change;
use crate::policy::Terms;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// How much is owed, and how fast it is repaid.
fn owed(story: &Story) -> (u64, u64) {
    let headroom = story.desk.headroom(&service("chat"), None).unwrap();
    (headroom.debt.tokens.get(), headroom.debt.repaid().get())
}

/// A call uses so many tokens more than it held.
fn overdraw(story: &mut Story, by: u64) {
    let hold = story.reserve("chat", 100).unwrap();
    story.settle(hold, 100 + by);
}

fn set(story: &mut Story, terms: Terms) {
    story.change(Change::SetAllocation { service: service("chat"), terms });
}

#[test]
fn what_a_burst_leaves_owed_is_repaid_by_what_may_be_borrowed_after_it() {
    let mut story = Story::given_pool(600_000).and("chat", may_borrow(0, 6_000));
    story.burst("launch", 60_000, (0, HOUR_MS), Approval::Guaranteed);
    story.wait_ms(HOUR_MS - 1_000);
    overdraw(&mut story, 50_000);
    story.wait_ms(1_000);
    let (debt, repaid) = owed(&story);
    assert!(debt > 30_000, "{debt} of 50,000: the burst had no more than 11,000 left to give");
    assert_eq!(repaid, 6_000);
    assert!(story.reserve("chat", 100).is_err(), "nothing is borrowed while something is owed");
    story.wait_ms(2 * MINUTE_MS);
    assert_eq!(owed(&story), (debt - 12_000, 6_000));
    story.wait_ms(10 * MINUTE_MS);
    assert_eq!(owed(&story), (0, 0));
    assert!(story.reserve("chat", 100).is_ok());
    story.then_replays();
}

#[test]
fn a_burst_repays_itself_what_it_can_before_it_ends() {
    let mut story = Story::given_pool(600_000).and("chat", may_borrow(0, 6_000));
    story.burst("launch", 60_000, (0, HOUR_MS), Approval::Guaranteed);
    story.wait_ms(HOUR_MS - 10 * MINUTE_MS);
    overdraw(&mut story, 50_000);
    assert_eq!(owed(&story).1, 60_000);
    assert!(
        story.desk.headroom(&service("chat"), None).unwrap().summary().contains("refill of 60000 a minute")
    );
    story.wait_ms(MINUTE_MS);
    assert_eq!(owed(&story), (0, 0));
    assert!(story.reserve("chat", 100).is_ok());
}

#[test]
fn a_burst_that_is_revoked_leaves_its_debt_to_what_may_be_borrowed() {
    let mut story = Story::given_pool(600_000).and("chat", may_borrow(0, 6_000));
    story.burst("launch", 60_000, (0, HOUR_MS), Approval::Guaranteed);
    story.wait_ms(MINUTE_MS);
    overdraw(&mut story, 50_000);
    let (debt, _) = owed(&story);
    story.change(Change::RevokeBurst { burst: "launch".parse().unwrap() });
    let (left, repaid) = owed(&story);
    assert_eq!(repaid, 6_000);
    assert_eq!(left, debt - 6_000, "all of it, less what could be borrowed then");
    story.wait_ms(1_000);
    assert!(story.reserve("chat", 100).is_err());
    story.then_replays();
}

#[test]
fn a_debt_is_repaid_though_nothing_may_be_borrowed_any_more() {
    let mut story = Story::given_pool(600_000).and("chat", may_borrow(0, 12_000));
    overdraw(&mut story, 50_000);
    let (debt, repaid) = owed(&story);
    assert_eq!(repaid, 12_000);
    set(&mut story, terms(6_000));
    assert_eq!(owed(&story), (debt, 6_000), "not a token of it is forgotten");
    assert!(story.reserve("chat", 100).is_err());
    story.wait_ms(HOUR_MS);
    assert_eq!(owed(&story), (0, 0));
    story.then_replays();
}

#[test]
fn a_debt_that_nothing_repays_is_still_there_when_the_next_burst_begins() {
    let mut story = Story::given_pool(600_000).and("chat", terms(0));
    story.burst("one", 60_000, (0, HOUR_MS), Approval::Guaranteed);
    story.wait_ms(HOUR_MS - 1_000);
    overdraw(&mut story, 50_000);
    story.wait_ms(HOUR_MS);
    let (debt, repaid) = owed(&story);
    assert!(debt > 30_000 && repaid == 0, "{debt} at {repaid} a minute");
    story.burst("other", 60_000, (0, HOUR_MS), Approval::Guaranteed);
    assert_eq!(owed(&story), (debt, 60_000));
    assert!(story.reserve("chat", 100).is_err());
    story.wait_ms(MINUTE_MS);
    assert!(story.reserve("chat", 100).is_ok());
}

#[test]
fn a_pool_is_charged_for_a_debt_once_however_often_it_is_shared_out() {
    let mut story = Story::given_pool(600_000).and("chat", may_borrow(0, 12_000));
    overdraw(&mut story, 50_000);
    let level = story.desk.pool_standing().level;
    set(&mut story, terms(6_000));
    set(&mut story, may_borrow(0, 6_000));
    assert_eq!(story.desk.pool_standing().level, level);
}
