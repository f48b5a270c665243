//! What a policy changes.

use super::*;
use crate::amount::{RequestsPerMinute, Tokens};
use crate::burst::Approval;
use crate::policy::sample::{budget, burst, day, exception, id, policy, pool, price, rate, service};
use crate::policy::{FailureMode, Policy, Priority, Service, Team, Thresholds};
use crate::price::Price;
use crate::time::Window;

/// The sample policy after a change, applied to an organisation that has the sample.
fn lines(change: impl FnOnce(&mut Policy)) -> Vec<String> {
    let mut wanted = policy();
    change(&mut wanted);
    apply(&mut organised(&policy()), &wanted).lines
}

#[test]
fn everything_new_is_said_in_a_line() {
    let change = apply(&mut Org::default(), &policy());
    assert_eq!(
        change.lines,
        [
            "pool gpt: new, capacity 60000, model gpt-4o (o200k_base, output up to 100), \
             deployment eastus/gpt-4o (gpt-4o)",
            "service chat in pool gpt: new, baseline 40000, ceiling 40000, request_max 100",
            "service search in pool gpt: new, baseline 10000, ceiling 10000, request_max 100",
            "burst launch: new, service chat, pool gpt, extra 3000, from 2025-06-15T15:06:40Z, \
             to 2025-06-16T15:06:40Z, approval guaranteed, category demo, reason \"a fair\", \
             requester \"ada\", approver \"grace\"",
            "team web: new, title \"Web\", contact \"#web\"",
            "service chat: new, team web, owner \"Ada\", use case \"support\", environment production, \
             data class internal, priority standard",
            "service search: new, team web, owner \"Ada\", use case \"support\", environment production, \
             data class internal, priority standard",
            "price of model gpt-4o from 1970-01-01T00:00:00Z: new, currency USD, input 2.00, \
             input_cached 2.00, output 2.00",
        ]
    );
    assert_eq!(change.warnings, []);
}

#[test]
fn a_policy_that_is_so_already_changes_nothing() {
    let mut org = organised(&policy());
    let before = org.clone();
    assert!(apply(&mut org, &policy()).is_empty());
    assert_eq!(org, before);
}

#[test]
fn only_what_is_new_about_an_allocation_is_said() {
    let lines = lines(|policy| {
        policy.services[1].priority = Priority::Batch;
        let terms = &mut policy.services[1].allocations[0].terms;
        (terms.ceiling, terms.lending) = (rate(20_000), Some(rate(5_000)));
        terms.priority = Priority::Batch;
        terms.failure = FailureMode::Open { tokens_per_outage: Tokens::new(900) };
        terms.budgets = vec![budget("monthly", 100)];
    });
    assert_eq!(
        lines,
        [
            "service search in pool gpt: ceiling 10000 → 20000, lending none → 5000, priority standard → batch, \
             failure closed → open up to 900, \
             budget monthly none → (100.00 USD a month in UTC, hard, told at 50 % 80 % 100 %)",
            "service search: priority standard → batch",
        ]
    );
}

#[test]
fn only_what_is_new_about_anything_else_is_said() {
    let lines = lines(|policy| {
        policy.pools[0].thresholds = Thresholds { batch_percent: 80, ..Thresholds::default() };
        policy.pools[0].models = pool("gpt", 1, "gpt-5").models;
        policy.pools[0].deployments[0].model = id("gpt-5");
        policy.teams[0].contact = String::new();
        policy.services[0].purpose.owner = "Grace".into();
        policy.prices = vec![Price { output: price(9, NOW).output, ..policy.prices[0].clone() }];
        policy.bursts[0].burst.window = Window::try_new(NOW, day(2)).unwrap();
    });
    assert_eq!(
        lines,
        [
            "pool gpt: thresholds 0 % critical, 20 % standard, 50 % batch → \
             0 % critical, 20 % standard, 80 % batch, \
             model gpt-5 none → (o200k_base, output up to 100), deployment eastus/gpt-4o (gpt-4o) → (gpt-5), \
             model gpt-4o (o200k_base, output up to 100) → none",
            "burst launch: to 2025-06-16T15:06:40Z → 2025-06-17T15:06:40Z",
            "team web: contact \"#web\" → none",
            "service chat: owner \"Ada\" → \"Grace\"",
            "price of model gpt-4o from 1970-01-01T00:00:00Z: output 2.00 → 9.00",
        ]
    );
}

#[test]
fn one_service_may_shrink_so_that_another_can_grow() {
    let lines = lines(|policy| policy.services = vec![service("chat", 50_000), service("search", 6_000)]);
    assert_eq!(
        lines,
        [
            "service search in pool gpt: baseline 10000 → 6000, ceiling 10000 → 6000",
            "service chat in pool gpt: baseline 40000 → 50000, ceiling 40000 → 50000",
        ]
    );
}

#[test]
fn what_is_no_longer_in_the_policy_is_removed() {
    let mut org = organised(&policy());
    let lines = apply(&mut org, &Policy::default()).lines;
    assert_eq!(org.policy(NOW), Policy::default());
    assert_eq!(
        lines,
        [
            "pool gpt: removed, with its allocations and bursts",
            "service chat: removed",
            "service search: removed",
            "team web: removed",
            "price of model gpt-4o from 1970-01-01T00:00:00Z: removed",
        ]
    );
}

#[test]
fn bursts_and_exceptions_that_a_policy_leaves_out_go_on() {
    let mut wanted = policy();
    wanted.exceptions = vec![exception("late", "chat", 20)];
    let mut org = organised(&wanted);
    assert!(apply(&mut org, &Policy { bursts: vec![], exceptions: vec![], ..policy() }).is_empty());
    assert_eq!(org.policy(NOW), wanted);
}

#[test]
fn a_burst_ends_with_its_allocation_and_an_exception_with_its_service() {
    let mut wanted = policy();
    wanted.exceptions = vec![exception("late", "chat", 20)];
    let mut org = organised(&wanted);
    let lines =
        apply(&mut org, &Policy { services: vec![service("search", 10_000)], bursts: vec![], ..policy() })
            .lines;
    assert_eq!(
        lines,
        [
            "service chat in pool gpt: allocation removed, and so burst launch",
            "exception late: ended",
            "service chat: removed",
        ]
    );
    let left = org.policy(NOW);
    assert_eq!((left.bursts, left.exceptions), (vec![], vec![]));
}

#[test]
fn a_burst_that_is_over_may_stay_in_the_files() {
    let mut org = organised(&policy());
    assert!(apply_at(&mut org, &policy(), day(1)).is_empty());
    let mut org = Org::default();
    apply_at(&mut org, &policy(), day(1));
    assert_eq!(org.bursts().count(), 0, "nothing comes of it");
}

#[test]
fn every_problem_of_a_policy_is_named_at_once_and_nothing_is_changed() {
    let mut wanted = policy();
    wanted.services.push(service("batch", 20_000));
    wanted.services[0].team = id("nobody");
    wanted.prices.push(price(2, Timestamp::EPOCH));
    assert_eq!(
        refused(&Org::default(), &wanted),
        [
            "service chat: belongs to team nobody, which is not defined",
            "price of model gpt-4o: from 1970-01-01T00:00:00Z on is stated twice; keep one of them",
            "pool gpt: guarantees exceed the pool by 13000 tokens a minute, worst at 2025-06-15T15:06:40Z; \
             lower baselines, bursts, request_max or requests, or raise its capacity",
        ]
    );
}

#[test]
fn a_burst_that_does_not_fit_is_refused_as_a_guarantee_and_not_as_best_effort() {
    let mut wanted = policy();
    wanted.bursts = vec![burst(15_000)];
    assert_eq!(
        refused(&Org::default(), &wanted),
        ["pool gpt: guarantees exceed the pool by 5000 tokens a minute, worst at 2025-06-15T15:06:40Z; \
          lower baselines, bursts, request_max or requests, or raise its capacity"]
    );
    wanted.bursts[0].approval = Approval::BestEffort;
    assert_eq!(organised(&wanted).policy(NOW), wanted);
}

#[test]
fn requests_that_do_not_fit_are_refused_and_those_not_stated_are_named_once() {
    let mut wanted = policy();
    wanted.pools[0].requests = Some(RequestsPerMinute::new(100));
    let unstated = |name: &str| {
        format!(
            "service {name}, allocation in pool gpt: states no requests a minute, which the pool limits; state them"
        )
    };
    assert_eq!(refused(&Org::default(), &wanted), [unstated("chat"), unstated("search")]);
    for service in &mut wanted.services {
        service.allocations[0].terms.requests = Some(RequestsPerMinute::new(60));
    }
    assert_eq!(
        refused(&Org::default(), &wanted),
        ["pool gpt: requests a minute exceed the pool by 20; \
          lower baselines, bursts, request_max or requests, or raise its capacity"]
    );
}

#[test]
fn a_burst_cannot_move_to_another_pool() {
    let mut wanted = policy();
    wanted.pools.push(pool("o1", 60_000, "o1"));
    wanted.services[0]
        .allocations
        .push(crate::policy::Allocation { pool: id("o1"), terms: crate::policy::sample::terms(1_000) });
    wanted.bursts[0].burst.pool = id("o1");
    assert_eq!(
        refused(&organised(&policy()), &wanted),
        ["burst launch: is or was one of pool gpt, and cannot move; choose another name"]
    );
}

#[test]
fn a_price_that_is_rewritten_in_the_past_is_warned_of_and_the_first_is_not() {
    let yesterday = Timestamp::EPOCH;
    let warned = |prices: Vec<Price>| {
        let change = apply(&mut organised(&policy()), &Policy { prices, ..policy() });
        texts(&change.warnings)
    };
    let warning = |done| {
        format!(
            "price of model gpt-4o: is {done} from 1970-01-01T00:00:00Z on: what was used since then is priced anew, in \
             reports already seen too"
        )
    };
    assert_eq!(warned(vec![price(3, yesterday)]), [warning("rewritten")]);
    assert_eq!(warned(vec![]), [warning("removed")]);
    assert_eq!(warned(vec![price(2, yesterday), price(3, NOW)]), [""; 0]);
    let first = Price { model: id("o1"), ..price(3, yesterday) };
    assert_eq!(warned(vec![price(2, yesterday), first]), [""; 0]);
}

#[test]
fn the_directory_shows_where_a_service_may_go_and_grows_with_every_change() {
    let mut org = organised(&policy());
    let before = org.directory();
    assert_eq!(before.services[0].pools[0].pool, id("gpt"));
    assert_eq!(before.services[0].pools[0].failure, FailureMode::Closed);
    let mut wanted = policy();
    let open = FailureMode::Open { tokens_per_outage: Tokens::new(500) };
    wanted.services = vec![service("chat", 40_000)];
    wanted.services[0].allocations[0].terms.failure = open;
    apply(&mut org, &wanted);
    assert!(org.directory().version > before.version);
    assert_eq!(org.directory().services.len(), 1);
    assert_eq!(org.directory().services[0].pools[0].failure, open);
}

#[test]
fn a_service_may_change_its_team_and_the_team_be_removed() {
    let mut org = organised(&policy());
    let team = Team { id: id("core"), title: "Core".into(), contact: String::new() };
    let services = policy().services.into_iter().map(|service| Service { team: id("core"), ..service });
    let wanted = Policy { teams: vec![team], services: services.collect(), ..policy() };
    let lines = apply(&mut org, &wanted).lines;
    assert_eq!(
        lines[1..],
        ["service chat: team web → core", "service search: team web → core", "team web: removed"]
    );
    assert_eq!(org.policy(NOW), wanted);
}
