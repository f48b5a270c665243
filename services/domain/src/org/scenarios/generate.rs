//! Policies of every kind that are sound.

use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::amount::{Money, RequestsPerMinute, Tokens, TokensPerMinute};
use crate::budget::{Budget, BudgetKind, BudgetLimit};
use crate::burst::{Approval, Burst, Category, GrantedBurst};
use crate::calendar::{Period, Zone};
use crate::policy::sample::{RULES, exception, id, pool, rate, service, usd};
use crate::policy::{
    Allocation, DataClass, Enforcement, Environment, Exception, FailureMode, Policy, Pool, Priority, Purpose,
    Service, Team, Terms, Thresholds, Waiver,
};
use crate::price::{PicoPerToken, Price};
use crate::time::{Timestamp, Window};

const POOLS: [&str; 3] = ["a", "b", "c"];
const SERVICES: [&str; 5] = ["s1", "s2", "s3", "s4", "s5"];
/// Large enough that whatever is generated fits, twice over.
const CAPACITY: u64 = 10_000_000;
const RATE_MAX: u64 = 50_000;

/// A sound policy whose bursts and exceptions begin and end within forty days of an instant.
pub(super) fn any_policy(now: Timestamp) -> impl Strategy<Value = Policy> {
    let pools = subsequence(&POOLS[..], 1..=POOLS.len())
        .prop_flat_map(|names| names.into_iter().map(any_pool).collect::<Vec<_>>());
    let services = subsequence(&SERVICES[..], 0..=SERVICES.len());
    (pools, services).prop_flat_map(move |(pools, services)| {
        let services: Vec<_> = services.into_iter().map(|name| any_service(name, &pools)).collect();
        let waivers = vec((1..40_u64, any::<bool>()), SERVICES.len());
        (Just(pools), services, vec(any_grant(now), 0..4), waivers, vec(any_price(), 0..4)).prop_map(
            move |(pools, services, grants, waivers, prices)| {
                let bursts = bursts(&services, grants);
                let exceptions = exceptions(&services, &bursts, &waivers, now);
                let teams = ["t1", "t2"].map(|name| Team {
                    id: id(name),
                    title: name.into(),
                    contact: String::new(),
                });
                sorted(Policy { pools, teams: teams.into(), services, bursts, exceptions, prices })
            },
        )
    })
}

/// The same in the order in which it is exported.
pub(super) fn sorted(mut policy: Policy) -> Policy {
    for service in &mut policy.services {
        service.allocations.sort_by(|one, other| one.pool.cmp(&other.pool));
    }
    policy.pools.sort_by(|one, other| one.id.cmp(&other.id));
    policy.services.sort_by(|one, other| one.id.cmp(&other.id));
    policy.bursts.sort_by(|one, other| one.burst.id.cmp(&other.burst.id));
    policy.exceptions.sort_by(|one, other| one.id.cmp(&other.id));
    policy.prices.sort_by(|one, other| (&one.model, one.valid_from).cmp(&(&other.model, other.valid_from)));
    policy.prices.dedup_by(|one, other| (&one.model, one.valid_from) == (&other.model, other.valid_from));
    policy
}

fn any_pool(name: &'static str) -> impl Strategy<Value = Pool> {
    (0..=30_u8, 30..=60_u8, 60..=100_u8, any::<bool>()).prop_map(
        move |(critical, standard, batch, limited)| Pool {
            requests: limited.then_some(RequestsPerMinute::new(CAPACITY)),
            thresholds: Thresholds {
                critical_percent: critical,
                standard_percent: standard,
                batch_percent: batch,
            },
            ..pool(name, CAPACITY, &format!("model-{name}"))
        },
    )
}

fn any_service(name: &'static str, pools: &[Pool]) -> impl Strategy<Value = Service> + use<> {
    let held = subsequence(pools.to_vec(), 0..=pools.len()).prop_flat_map(|pools| {
        pools
            .into_iter()
            .map(|pool| any_terms(&pool).prop_map(move |terms| (pool.id.clone(), terms)))
            .collect::<Vec<_>>()
    });
    let text = select(vec!["", "somebody", "zwölf \"people\"\nand more"]);
    let kind = (select(Environment::ALL), select(DataClass::ALL), select(Priority::ALL));
    (held, vec(text, 6), kind, subsequence(vec!["westeurope", "eastus"], 0..=2), select(vec!["t1", "t2"]))
        .prop_map(move |(held, texts, (environment, data_class, priority), regions, team)| {
            let mut texts = texts.into_iter().map(str::to_owned);
            let mut text = || texts.next().unwrap();
            let purpose = Purpose {
                owner: text(),
                contact: text(),
                use_case: text(),
                population: text(),
                when_throttled: text(),
                metric: text(),
            };
            let held =
                held.into_iter().map(|(pool, terms)| Allocation { pool, terms: Terms { priority, ..terms } });
            Service {
                team: id(team),
                purpose,
                environment,
                data_class,
                regions: regions.into_iter().map(str::to_owned).collect(),
                priority,
                allocations: held.collect(),
                ..service(name, 0)
            }
        })
}

fn any_terms(pool: &Pool) -> impl Strategy<Value = Terms> + use<> {
    let limited = pool.requests.is_some();
    let rates = (0..RATE_MAX, 0..RATE_MAX, option::of(0..RATE_MAX));
    let limits = (1..5_000_u64, option::of(1..1_000_u64), option::of(1..100_u32));
    let failure = prop_oneof![
        Just(FailureMode::Closed),
        (1..9_999_u64).prop_map(|tokens| FailureMode::Open { tokens_per_outage: Tokens::new(tokens) }),
    ];
    let enforcement = select(vec![Enforcement::Enforced, Enforcement::Shadow]);
    (rates, limits, failure, enforcement, vec(any_budget(), 0..3)).prop_map(
        move |(
            (baseline, more, lending),
            (request_max, requests, in_flight_max),
            failure,
            enforcement,
            budgets,
        )| {
            let requests = requests.or(limited.then_some(1)).map(RequestsPerMinute::new);
            let named = budgets.into_iter().enumerate();
            Terms {
                ceiling: rate(baseline + more),
                lending: lending.map(|lending| rate(lending.min(baseline))),
                requests,
                in_flight_max,
                failure,
                enforcement,
                budgets: named
                    .map(|(n, budget)| Budget { id: id(&format!("budget-{n}")), ..budget })
                    .collect(),
                ..Terms::guarantee(rate(baseline), Tokens::new(request_max))
            }
        },
    )
}

fn any_budget() -> impl Strategy<Value = Budget> {
    let limit = (1..u64::MAX, any::<bool>()).prop_map(|(limit, tokens)| {
        if tokens {
            BudgetLimit::Tokens(Tokens::new(limit))
        } else {
            BudgetLimit::Money(Money::new(limit), usd())
        }
    });
    let zone = select(vec!["UTC", "Europe/Berlin", "Asia/Kathmandu"]);
    let kind = select(vec![BudgetKind::Hard, BudgetKind::Soft]);
    (limit, select(&Period::ALL[..]), zone, kind, btree_set(1..=200_u8, 0..4)).prop_map(
        |(limit, period, zone, kind, thresholds)| Budget {
            id: id("budget"),
            limit,
            period,
            zone: Zone::try_new(zone).unwrap(),
            kind,
            thresholds: thresholds
                .into_iter()
                .filter(|percent| *percent <= kind.threshold_max_percent())
                .collect(),
        },
    )
}

/// A burst of somebody, from a day before an instant until thirty days after it.
fn any_grant(now: Timestamp) -> impl Strategy<Value = (prop::sample::Index, GrantedBurst)> {
    let hours = |hours: u64| std::time::Duration::from_hours(hours);
    let window = (0..48_u64, 49..24 * 30_u64).prop_map(move |(start, end)| {
        Window::try_new(now.minus(hours(24)).plus(hours(start)), now.plus(hours(end))).unwrap()
    });
    let approval = select(Approval::ALL);
    (any::<prop::sample::Index>(), 1..RATE_MAX, window, select(Category::ALL), approval).prop_map(
        |(whose, extra, window, category, approval)| {
            let extra = TokensPerMinute::new(extra);
            let mut granted = crate::policy::sample::burst(0);
            granted.burst = Burst { extra, window, category, ..granted.burst };
            (whose, GrantedBurst { approval, ..granted })
        },
    )
}

/// Gives each burst to somebody who has an allocation. A name stands for the same pool in every policy.
fn bursts(services: &[Service], grants: Vec<(prop::sample::Index, GrantedBurst)>) -> Vec<GrantedBurst> {
    let held: Vec<_> = services
        .iter()
        .flat_map(|service| service.allocations.iter().map(|held| (service.id.clone(), held.pool.clone())))
        .collect();
    if held.is_empty() {
        return Vec::new();
    }
    let given = grants.into_iter().enumerate().map(|(n, (whose, granted))| {
        let (service, pool) = whose.get(&held).clone();
        let id = id(&format!("burst-{pool}-{n}"));
        GrantedBurst { burst: Burst { id, service, pool, ..granted.burst }, ..granted }
    });
    given.collect()
}

/// An exception for each service that needs one, until its last burst ends at least, and for some that do not.
fn exceptions(
    services: &[Service],
    bursts: &[GrantedBurst],
    waivers: &[(u64, bool)],
    now: Timestamp,
) -> Vec<Exception> {
    let last_burst = |service: &Service| {
        let own = bursts.iter().map(|granted| &granted.burst).filter(|burst| burst.service == service.id);
        own.map(|burst| burst.window.end()).max()
    };
    let needs = |service: &Service| {
        let more = service.allocations.iter().any(|held| held.terms.exceeds_sandbox(&RULES));
        !service.is_accountable() && (more || last_burst(service).is_some())
    };
    let of = |(service, (days, any)): (&Service, &(u64, bool))| {
        let name = service.id.as_str();
        let end = now.plus(std::time::Duration::from_hours(24 * days));
        let end = last_burst(service).map_or(end, |last| last.max(end));
        let granted = Exception { end, ..exception(&format!("exception-{name}"), name, 0) };
        match (needs(service), *any) {
            (true, _) => Some(granted),
            (false, true) => Some(Exception { waives: Waiver::Other("a rule".into()), ..granted }),
            (false, false) => None,
        }
    };
    services.iter().zip(waivers).filter_map(of).collect()
}

fn any_price() -> impl Strategy<Value = Price> {
    let pico = || (0..u64::MAX).prop_map(PicoPerToken::new);
    (select(&POOLS[..]), 0..4_i64, pico(), pico(), pico()).prop_map(
        |(pool, year, input, input_cached, output)| Price {
            model: id(&format!("model-{pool}")),
            valid_from: Timestamp::from_secs(year * 31_536_000),
            currency: usd(),
            input,
            input_cached,
            output,
        },
    )
}
