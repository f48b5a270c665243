//! A small policy that is sound and surprises nobody, and the things it is made of.

use std::fmt::Debug;
use std::str::FromStr;
use std::time::Duration;

use crate::amount::{Money, Tokens, TokensPerMinute};
use crate::budget::{Budget, BudgetKind, BudgetLimit};
use crate::burst::{Approval, Burst, Category, GrantedBurst};
use crate::calendar::{Period, Zone};
use crate::policy::{
    Allocation, DataClass, Deployment, Encoding, Environment, Exception, Model, Policy, Pool, Priority,
    Purpose, Rules, Service, Team, Terms, Thresholds, Waiver,
};
use crate::price::{Currency, PicoPerToken, Price};
use crate::time::{Timestamp, Window};

/// 2025-06-15T15:06:40Z
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_750_000_000);
pub(crate) const RULES: Rules = Rules { sandbox: TokensPerMinute::new(1_000), requester_may_approve: true };

pub(crate) fn id<T: FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

pub(crate) fn rate(per_minute: u64) -> TokensPerMinute {
    TokensPerMinute::new(per_minute)
}

/// So many days after now.
pub(crate) fn day(days: u64) -> Timestamp {
    NOW.plus(Duration::from_hours(24 * days))
}

pub(crate) fn terms(baseline: u64) -> Terms {
    Terms::guarantee(rate(baseline), Tokens::new(100))
}

/// A service of team `web` that somebody answers for, with a guarantee in pool `gpt`.
pub(crate) fn service(name: &str, baseline: u64) -> Service {
    let purpose = Purpose { owner: "Ada".into(), use_case: "support".into(), ..Purpose::default() };
    Service {
        id: id(name),
        team: id("web"),
        purpose,
        environment: Environment::Production,
        data_class: DataClass::Internal,
        regions: vec![],
        priority: Priority::Standard,
        allocations: vec![Allocation { pool: id("gpt"), terms: terms(baseline) }],
    }
}

/// The same, but nobody answers for it.
pub(crate) fn orphan(name: &str, baseline: u64) -> Service {
    Service { purpose: Purpose::default(), ..service(name, baseline) }
}

pub(crate) fn pool(name: &str, capacity: u64, model: &str) -> Pool {
    let output_max = Tokens::new(100);
    Pool {
        id: id(name),
        capacity: rate(capacity),
        requests: None,
        thresholds: Thresholds::default(),
        models: vec![Model { name: id(model), encoding: Encoding::O200kBase, output_max }],
        deployments: vec![Deployment { upstream: id("eastus"), id: id(model), model: id(model) }],
    }
}

/// Burst `launch` of service `chat`, from now until tomorrow.
pub(crate) fn burst(extra: u64) -> GrantedBurst {
    let burst = Burst {
        id: id("launch"),
        service: id("chat"),
        pool: id("gpt"),
        extra: rate(extra),
        window: Window::try_new(NOW, day(1)).unwrap(),
        category: Category::Demo,
        reason: "a fair".into(),
        requester: "ada".into(),
    };
    GrantedBurst { burst, approval: Approval::Guaranteed, approver: "grace".into() }
}

/// Lets a service have more than the sandbox, so many days.
pub(crate) fn exception(name: &str, service: &str, days: u64) -> Exception {
    Exception {
        id: id(name),
        service: id(service),
        waives: Waiver::SandboxLimit,
        owner: "grace".into(),
        reason: "its owner has left".into(),
        end: day(days),
    }
}

pub(crate) fn usd() -> Currency {
    Currency::try_new("USD").unwrap()
}

/// A price of model `gpt-4o` in dollars for a million tokens, from an instant on.
pub(crate) fn price(dollars: u64, valid_from: Timestamp) -> Price {
    let each = PicoPerToken::new(dollars * 1_000_000);
    Price { model: id("gpt-4o"), valid_from, currency: usd(), input: each, input_cached: each, output: each }
}

/// A hard budget of so many dollars a month.
pub(crate) fn budget(name: &str, dollars: u64) -> Budget {
    Budget {
        id: id(name),
        limit: BudgetLimit::Money(Money::new(dollars * 1_000_000_000), usd()),
        period: Period::Month,
        zone: Zone::UTC,
        kind: BudgetKind::Hard,
        thresholds: vec![50, 80, 100],
    }
}

/// A pool of 60,000 a minute, of which `chat` has 40,000 and `search` 10,000.
pub(crate) fn policy() -> Policy {
    Policy {
        pools: vec![pool("gpt", 60_000, "gpt-4o")],
        teams: vec![Team { id: id("web"), title: "Web".into(), contact: "#web".into() }],
        services: vec![service("chat", 40_000), service("search", 10_000)],
        bursts: vec![burst(3_000)],
        exceptions: vec![],
        prices: vec![price(2, Timestamp::EPOCH)],
    }
}
