//! What an organisation decides, as stories.

use super::*;
use crate::amount::{Tokens, TokensPerMinute};
use crate::authorship::Authorship;
use crate::burst::{Approval, Burst, Category, GrantedBurst};
use crate::directory::{CallerKey, KeyHash, KeyHolder};
use crate::ledger::{Governed, PoolTerms};
use crate::policy::{
    Allocation, DataClass, Environment, Policy, PolicyProblem, Pool, Priority, Purpose, Service, Team, Terms,
    Thresholds,
};
use crate::price::{Currency, PicoPerToken, Price};
use crate::time::{Timestamp, Window};

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

fn by() -> Authorship {
    Authorship {
        author: "ada".into(),
        reason: "test".into(),
        at: Timestamp::from_secs(1_750_000_000),
        commit: None,
    }
}

fn service(name: &str, baseline: u64) -> Service {
    let terms = Terms::guarantee(TokensPerMinute::new(baseline), Tokens::new(100));
    Service {
        id: id(name),
        team: id("web"),
        purpose: Purpose { owner: "Ada".into(), use_case: "support".into(), ..Purpose::default() },
        environment: Environment::Production,
        data_class: DataClass::Internal,
        regions: vec![],
        priority: Priority::Standard,
        allocations: vec![Allocation { pool: id("gpt"), terms }],
    }
}

fn burst(extra: u64) -> GrantedBurst {
    let burst = Burst {
        id: id("launch"),
        service: id("chat"),
        pool: id("gpt"),
        extra: TokensPerMinute::new(extra),
        window: Window::try_new(by().at, by().at.plus(std::time::Duration::from_mins(1))).unwrap(),
        category: Category::Other,
        reason: "launch".into(),
        requester: "ada".into(),
    };
    GrantedBurst { burst, approval: Approval::Guaranteed, approver: "grace".into() }
}

fn price(micro: u64) -> Price {
    let pico = PicoPerToken::new(micro);
    Price {
        model: id("gpt-4o"),
        valid_from: Timestamp::EPOCH,
        currency: Currency::try_new("USD").unwrap(),
        input: pico,
        input_cached: pico,
        output: pico,
    }
}

/// A pool of 60,000 a minute, of which `chat` has 40,000 and `search` 10,000.
fn policy() -> Policy {
    let capacity = TokensPerMinute::new(60_000);
    Policy {
        pools: vec![Pool {
            id: id("gpt"),
            capacity,
            requests: None,
            thresholds: Thresholds::default(),
            models: vec![],
            deployments: vec![],
        }],
        teams: vec![Team { id: id("web"), title: "Web".into(), contact: String::new() }],
        services: vec![service("chat", 40_000), service("search", 10_000)],
        bursts: vec![burst(5_000)],
        exceptions: vec![],
        prices: vec![price(1)],
    }
}

fn applied(mut org: Org, policy: &Policy) -> (Org, Vec<String>) {
    let change = decide_policy(&org, policy, &by()).unwrap();
    for event in &change.org {
        org.evolve(event);
    }
    for (pool, changes) in &change.pools {
        for what in changes {
            let terms = org.pools.get(pool).cloned().unwrap_or_else(PoolTerms::default);
            if let Some(changed) = terms.difference(what) {
                org.evolve_pool(pool, &Governed { by: by(), what: changed });
            }
        }
    }
    (org, change.lines)
}

fn refused(org: &Org, policy: &Policy) -> Vec<PolicyProblem> {
    decide_policy(org, policy, &by()).unwrap_err()
}

#[test]
fn a_policy_that_is_so_already_changes_nothing() {
    let (org, lines) = applied(Org::default(), &policy());
    assert_eq!(lines.len(), 8, "{lines:?}");
    let (again, lines) = applied(org.clone(), &policy());
    assert_eq!((again, lines), (org, vec![]));
}

#[test]
fn what_is_no_longer_in_the_policy_is_removed() {
    let (org, _) = applied(Org::default(), &policy());
    let (org, lines) = applied(org, &Policy::default());
    assert_eq!(org.policy(), Policy::default());
    assert_eq!(lines.len(), 5, "{lines:?}");
}

#[test]
fn the_policy_as_it_stands_is_the_one_that_was_applied() {
    let (org, _) = applied(Org::default(), &policy());
    assert_eq!(org.policy(), policy());
}

#[test]
fn one_service_may_shrink_so_that_another_can_grow() {
    let (org, _) = applied(Org::default(), &policy());
    let mut wanted = policy();
    wanted.services = vec![service("chat", 10_000), service("search", 45_000)];
    let (_, lines) = applied(org, &wanted);
    assert_eq!(
        lines,
        [
            "service chat in pool gpt: 10000 tokens a minute, requests up to 100 (was 40000 and 100)",
            "service search in pool gpt: 45000 tokens a minute, requests up to 100 (was 10000 and 100)",
        ]
    );
}

#[test]
fn every_problem_of_a_policy_is_named_at_once_and_nothing_is_changed() {
    let mut wanted = policy();
    wanted.services.push(service("batch", 20_000));
    wanted.services[0].team = id("nobody");
    wanted.prices.push(price(2));
    let places: Vec<_> = refused(&Org::default(), &wanted).into_iter().map(|problem| problem.place).collect();
    assert_eq!(places, ["service chat", "price of model gpt-4o", "pool gpt"]);
}

#[test]
fn a_burst_that_does_not_fit_says_by_how_much_and_when() {
    let mut wanted = policy();
    wanted.bursts = vec![burst(15_000)];
    let problems = refused(&Org::default(), &wanted);
    assert_eq!(
        problems[0].message,
        "guarantees exceed the pool by 5000 tokens a minute, worst at 2025-06-15T15:06:40Z; \
         lower baselines, bursts or request_max, or raise its capacity"
    );
}

fn key(name: &str, secret: u8) -> CallerKey {
    CallerKey {
        id: id(name),
        hash: KeyHash::new([secret; 32]),
        service: id("chat"),
        holder: KeyHolder::Workload,
        expires: None,
        models: vec![],
    }
}

#[test]
fn a_key_is_created_once_and_its_name_is_never_used_again() {
    let (mut org, _) = applied(Org::default(), &policy());
    org.evolve(&org.create_key(&key("one", 1), by()).unwrap().unwrap());
    assert_eq!(org.create_key(&key("one", 1), by()), Ok(None));
    assert_eq!(org.directory().keys, [key("one", 1)]);
    assert_eq!(org.create_key(&key("one", 2), by()), Err(KeyRefused::NameTaken { id: id("one") }));
    assert_eq!(org.create_key(&key("two", 1), by()), Err(KeyRefused::SecretTaken { other: id("one") }));
    org.evolve(&org.revoke_key(&id("one"), by()).unwrap().unwrap());
    assert_eq!(org.revoke_key(&id("one"), by()), Ok(None));
    assert_eq!(org.create_key(&key("one", 1), by()), Err(KeyRefused::NameTaken { id: id("one") }));
    assert_eq!(org.directory().keys, []);
}

#[test]
fn a_key_calls_as_a_service_that_exists() {
    assert_eq!(
        Org::default().create_key(&key("one", 1), by()),
        Err(KeyRefused::NoService { service: id("chat") })
    );
    assert_eq!(Org::default().revoke_key(&id("one"), by()), Err(KeyRefused::NoKey { id: id("one") }));
}

#[test]
fn the_directory_shows_where_a_service_may_go_and_grows_with_every_change() {
    let (org, _) = applied(Org::default(), &policy());
    let before = org.directory();
    assert_eq!(before.services[0].pools[0].pool, id("gpt"));
    let (org, _) = applied(org, &Policy { services: vec![service("chat", 1)], ..policy() });
    assert!(org.directory().version > before.version);
    assert_eq!(org.directory().services.len(), 1);
}
