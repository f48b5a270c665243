//! Budgets, in tokens and in money.

use super::story::*;
use crate::amount::{Money, Tokens};
use crate::budget::{Budget, BudgetLimit};
use crate::calendar::Period;
use crate::policy::Terms;
use crate::policy::sample::{budget, usd};

const DAY_S: i64 = 86_400;

fn a_day(tokens: u64) -> Terms {
    let limit = BudgetLimit::Tokens(Tokens::new(tokens));
    let budget = Budget { limit, period: Period::Day, ..budget("day", 1) };
    Terms { budgets: vec![budget], ..guarantee(6_000) }
}

#[test]
fn a_budget_carries_what_was_used_earlier_in_its_period() {
    let earlier = Usage { from_s: -7_200, requests: 30, ..usage("chat") };
    let yesterday = Usage { from_s: -DAY_S, ..usage("chat") };
    let found = given(&policy([("chat", guarantee(6_000))]))
        .used(&yesterday)
        .used(&earlier)
        .used(&usage("chat"))
        .when_simulated_under(&policy([("chat", a_day(50_000))]));
    assert_eq!(found.refused("chat"), [("budget", 40)], "30 of 50 were used two hours before");
    let level = &found.candidate("chat").budgets[0];
    assert_eq!((level.budget.id.as_str(), level.used), ("day", 50_000));
    assert!(level.period.contains(second(0)));
    assert_eq!(found.now("chat").budgets, []);
}

#[test]
fn what_was_used_before_counts_once_however_often_it_comes() {
    let earlier = Usage { from_s: -7_200, requests: 30, ..usage("chat") };
    let found = given(&policy([("chat", guarantee(6_000))]))
        .used(&earlier)
        .used(&earlier)
        .used(&Usage { requests: 1, ..usage("chat") })
        .when_simulated_under(&policy([("chat", a_day(50_000))]));
    assert_eq!(found.candidate("chat").budgets[0].used, 31_000);
}

#[test]
fn a_budget_in_money_is_counted_by_the_price_book_of_each_policy() {
    let five = Terms { budgets: vec![budget("month", 5)], ..guarantee(6_000) };
    let candidate = policy([("chat", five)]);
    let given = given(&policy([("chat", guarantee(6_000))])).used(&usage("chat"));
    let found = given.when_simulated_under(&candidate);
    assert_eq!(found.refused("chat"), [("budget", 55)], "a thousand tokens cost a dollar");
    let level = &found.candidate("chat").budgets[0];
    assert_eq!(level.budget.limit, BudgetLimit::Money(Money::new(5_000_000_000), usd()));
    assert_eq!(level.used, 5_000_000_000);
    let mut cheaper = candidate;
    cheaper.prices = vec![crate::policy::sample::price(100, crate::time::Timestamp::EPOCH)];
    assert_eq!(given.when_simulated_under(&cheaper).refused("chat"), [("budget", 10)], "ten cents each");
}

#[test]
fn a_budget_at_the_end_of_its_period_is_shown_as_it_was_then() {
    let hour = crate::time::Window::try_new(second(0), second(3_600)).unwrap();
    let found = given(&policy([("chat", guarantee(6_000))]))
        .used(&Usage { from_s: 3_590, requests: 1, lasting_s: 60, ..usage("chat") })
        .when_simulated_under(&policy([("chat", a_day(50_000))]));
    assert_eq!(found.0.span, hour);
    assert_eq!(found.candidate("chat").budgets[0].used, 1_000, "what is held counts");
}
