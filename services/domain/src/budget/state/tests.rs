//! What a budget counts, as stories.

use super::*;
use crate::amount::{Money, Tokens};
use crate::calendar::{Period, Utc, Zone};
use crate::ids::BudgetId;
use crate::price::Currency;

const NOON_SECS: i64 = 12 * 3_600;
/// 2026-03-28T00:00:00Z: the day before clocks go forward in Europe.
const DAY_BEFORE_SECS: i64 = 1_774_656_000;

fn budget(limit: u64) -> Budget {
    Budget {
        id: BudgetId::try_new("daily").unwrap(),
        limit: BudgetLimit::Tokens(Tokens::new(limit)),
        period: Period::Day,
        zone: Zone::try_new("Europe/Berlin").unwrap(),
        kind: BudgetKind::Hard,
        thresholds: vec![50, 80, 100],
    }
}

fn in_money(limit: u64, currency: &str) -> Budget {
    let limit = BudgetLimit::Money(Money::new(limit), Currency::try_new(currency).unwrap());
    Budget { limit, ..budget(0) }
}

fn tokens(count: u64) -> Quantity {
    Quantity { tokens: Tokens::new(count), money: Money::ZERO }
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(DAY_BEFORE_SECS + secs)
}

/// A budget whose period holds noon of the day before clocks change, with so much settled in it.
fn used(budget: Budget, settled: u64) -> BudgetState {
    let mut state = BudgetState::new(budget);
    state.open(state.opens(at(NOON_SECS)).unwrap(), 0);
    state.settle(tokens(settled));
    state
}

fn reached(state: &BudgetState, drawn: u64) -> Vec<u8> {
    state.reached(tokens(drawn)).collect()
}

#[test]
fn what_is_settled_and_what_is_drawn_both_leave_less() {
    let state = used(budget(1_000), 300);
    assert_eq!((state.used(tokens(200)), state.room(tokens(200))), (500, 500));
    assert_eq!(state.room(tokens(5_000)), 0);
    assert_eq!(used(budget(1_000), u64::MAX).used(tokens(1)), u64::MAX);
}

#[test]
fn a_budget_in_money_counts_money_and_one_in_tokens_tokens() {
    let both = Quantity { tokens: Tokens::new(70), money: Money::new(4) };
    assert_eq!(BudgetState::new(budget(100)).room(both), 30);
    assert_eq!(BudgetState::new(in_money(100, "EUR")).room(both), 96);
}

#[test]
fn nothing_is_counted_before_a_period_is_opened_and_one_lasts_until_its_end() {
    let mut state = BudgetState::new(budget(1_000));
    let period = state.opens(at(NOON_SECS)).unwrap();
    state.open(period, 0);
    assert_eq!(state.opens(at(NOON_SECS)), None);
    assert_eq!(state.opens(Timestamp::from_nanos(period.end().as_nanos() - 1)), None);
    assert_eq!(state.opens(period.end()).unwrap().start(), period.end());
}

#[test]
fn the_day_on_which_clocks_go_forward_is_an_hour_shorter_to_a_budget() {
    let mut state = used(budget(1_000), 1_000);
    let short = state.opens(state.period.unwrap().end()).unwrap();
    state.open(short, 0);
    let edges = [short.start(), short.end()].map(|edge| Utc(edge).to_string());
    assert_eq!(edges, ["2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"]);
    assert_eq!(state.room(tokens(0)), 1_000);
}

#[test]
fn a_clock_that_steps_back_over_a_period_s_edge_does_not_open_it_again() {
    let state = used(budget(1_000), 700);
    assert_eq!(state.opens(at(NOON_SECS - 86_400)), None);
}

#[test]
fn a_new_period_begins_with_nothing_settled_and_nobody_told() {
    let mut state = used(budget(1_000), 900);
    state.told(50);
    state.told(80);
    state.open(state.opens(state.period.unwrap().end()).unwrap(), 0);
    assert_eq!((state.settled, state.told), (0, Told::NONE));
}

#[test]
fn a_threshold_is_reached_at_its_first_token_and_told_once() {
    let mut state = used(budget(1_000), 499);
    assert_eq!(reached(&state, 0), []);
    assert_eq!(reached(&state, 1), [50]);
    assert_eq!(reached(&state, 501), [50, 80, 100]);
    state.told(50);
    assert_eq!(reached(&state, 400), [80]);
    assert_eq!(reached(&state, 0), []);
}

#[test]
fn a_threshold_may_be_beyond_the_limit() {
    let state = used(Budget { thresholds: vec![100, 120], kind: BudgetKind::Soft, ..budget(10) }, 11);
    assert!(!state.refuses());
    assert_eq!(reached(&state, 0), [100]);
    assert_eq!(reached(&state, 1), [100, 120]);
}

#[test]
fn percentages_of_the_largest_budgets_are_exact() {
    let state = used(Budget { thresholds: vec![50, 100, 255], ..budget(u64::MAX) }, u64::MAX / 2);
    assert_eq!(reached(&state, 0), []);
    assert_eq!(reached(&state, 1), [50]);
    assert_eq!(reached(&state, u64::MAX), [50, 100]);
}

#[test]
fn a_budget_of_nothing_is_reached_by_the_first_use_of_it() {
    assert_eq!(reached(&used(budget(0), 0), 0), []);
    assert_eq!(reached(&used(budget(0), 0), 1), [50, 80, 100]);
}

#[test]
fn a_budget_that_is_decided_anew_keeps_what_was_settled() {
    let state = used(budget(1_000), 600);
    let (period, now) = (state.period, state.redefine(Budget { kind: BudgetKind::Soft, ..budget(2_000) }));
    assert_eq!((now.period, now.settled, now.room(tokens(0))), (period, 600, 1_400));
    assert!(!now.refuses());
}

#[test]
fn a_threshold_is_told_again_only_if_a_higher_limit_puts_it_out_of_reach() {
    let mut state = used(budget(1_000), 850);
    state.told(50);
    state.told(80);
    assert_eq!(reached(&state.clone().redefine(budget(900)), 0), []);
    let raised = state.redefine(budget(1_500));
    assert_eq!(raised.told.iter().collect::<Vec<_>>(), [50]);
    assert_eq!(reached(&raised, 350), [80]);
}

#[test]
fn what_was_counted_otherwise_is_not_carried_over() {
    let others = [
        Budget { id: BudgetId::try_new("other").unwrap(), ..budget(1_000) },
        Budget { period: Period::Month, ..budget(1_000) },
        Budget { zone: Zone::UTC, ..budget(1_000) },
        in_money(1_000, "EUR"),
    ];
    for other in others {
        assert_eq!(used(budget(1_000), 600).redefine(other.clone()), BudgetState::new(other));
    }
    let euros = used(in_money(1_000, "EUR"), 0);
    assert_eq!(euros.clone().redefine(in_money(1_000, "USD")).period, None);
    assert_eq!(euros.clone().redefine(in_money(2_000, "EUR")).period, euros.period);
}
