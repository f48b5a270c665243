//! Policies at random, for tests: whatever can be said, sound or not.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use weir_domain::amount::{Money, RequestsPerMinute, Tokens, TokensPerMinute};
use weir_domain::budget::{Budget, BudgetKind, BudgetLimit};
use weir_domain::burst::{Approval, Burst, Category, GrantedBurst};
use weir_domain::calendar::{Period, Zone};
use weir_domain::policy::{
    Allocation, DataClass, Deployment, Encoding, Enforcement, Environment, Exception, FailureMode, Model,
    Policy, Pool, Priority, Purpose, Service, Team, Terms, Thresholds, Waiver,
};
use weir_domain::price::{Currency, PicoPerToken, Price};
use weir_domain::time::{Timestamp, Window};

/// Any policy that can be written.
pub(super) fn policy() -> impl Strategy<Value = Policy> {
    let parts = (
        vec(pool(), 0..3),
        vec(team(), 0..3),
        vec(service(), 0..4),
        vec(burst(), 0..3),
        vec(exception(), 0..3),
    );
    (parts, vec(price(), 0..3)).prop_map(|((pools, teams, services, bursts, exceptions), prices)| Policy {
        pools,
        teams,
        services,
        bursts,
        exceptions,
        prices,
    })
}

fn name<T: std::str::FromStr<Err: std::fmt::Debug> + std::fmt::Debug>() -> impl Strategy<Value = T> {
    "[a-z0-9][a-z0-9._-]{0,12}".prop_map(|text| text.parse().unwrap())
}

/// Texts with quotes, line ends, control characters and whatever else there is.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), ".{0,12}", vec(any::<char>(), 0..8).prop_map(String::from_iter)]
}

fn any_of<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    select(all)
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![0..2_000_000_u64, any::<u64>()]
}

fn rate() -> impl Strategy<Value = TokensPerMinute> {
    count().prop_map(TokensPerMinute::new)
}

fn instant() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        any::<i64>().prop_map(Timestamp::from_nanos),
        any::<u32>().prop_map(|secs| Timestamp::from_secs(secs.into()))
    ]
}

fn currency() -> impl Strategy<Value = Currency> {
    "[A-Z]{3}".prop_map(|code| Currency::try_new(&code).unwrap())
}

fn pool() -> impl Strategy<Value = Pool> {
    let thresholds = prop_oneof![
        Just(Thresholds::default()),
        [0..=100_u8, 0..=100, 0..=100].prop_map(|[critical_percent, standard_percent, batch_percent]| {
            Thresholds { critical_percent, standard_percent, batch_percent }
        })
    ];
    let model = (name(), any_of(Encoding::ALL), count());
    let model =
        model.prop_map(|(name, encoding, output)| Model { name, encoding, output_max: Tokens::new(output) });
    let deployment = (name(), name(), name());
    let deployment = deployment.prop_map(|(upstream, id, model)| Deployment { upstream, id, model });
    let all = (name(), rate(), option::of(count()), thresholds, vec(model, 0..3), vec(deployment, 0..3));
    all.prop_map(|(id, capacity, requests, thresholds, models, deployments)| Pool {
        id,
        capacity,
        requests: requests.map(RequestsPerMinute::new),
        thresholds,
        models,
        deployments,
    })
}

fn team() -> impl Strategy<Value = Team> {
    (name(), text(), text()).prop_map(|(id, title, contact)| Team { id, title, contact })
}

fn purpose() -> impl Strategy<Value = Purpose> {
    let all = (text(), text(), text(), text(), text(), text());
    all.prop_map(|(owner, contact, use_case, population, when_throttled, metric)| Purpose {
        owner,
        contact,
        use_case,
        population,
        when_throttled,
        metric,
    })
}

fn service() -> impl Strategy<Value = Service> {
    let kinds = (any_of(Environment::ALL), any_of(DataClass::ALL), any_of(Priority::ALL));
    let all = (name(), name(), purpose(), kinds, vec(text(), 0..3), vec(allocation(), 0..3));
    all.prop_map(|(id, team, purpose, (environment, data_class, priority), regions, mut allocations)| {
        for held in &mut allocations {
            held.terms.priority = priority;
        }
        Service { id, team, purpose, environment, data_class, regions, priority, allocations }
    })
}

fn allocation() -> impl Strategy<Value = Allocation> {
    let failure = prop_oneof![
        Just(FailureMode::Closed),
        count().prop_map(|tokens| FailureMode::Open { tokens_per_outage: Tokens::new(tokens) })
    ];
    let rates = (rate(), option::of(rate()), option::of(rate()), count());
    let limits = (option::of(count()), option::of(any::<u32>()), failure, any::<bool>());
    (name(), rates, limits, vec(budget(), 0..3)).prop_map(|(pool, rates, limits, budgets)| {
        let ((baseline, ceiling, lending, request_max), (requests, in_flight_max, failure, shadow)) =
            (rates, limits);
        let terms = Terms {
            ceiling: ceiling.unwrap_or(baseline),
            lending,
            requests: requests.map(RequestsPerMinute::new),
            in_flight_max,
            failure,
            enforcement: if shadow { Enforcement::Shadow } else { Enforcement::Enforced },
            budgets,
            ..Terms::guarantee(baseline, Tokens::new(request_max))
        };
        Allocation { pool, terms }
    })
}

fn budget() -> impl Strategy<Value = Budget> {
    let limit = prop_oneof![
        count().prop_map(|tokens| BudgetLimit::Tokens(Tokens::new(tokens))),
        (count(), currency()).prop_map(|(nano, currency)| BudgetLimit::Money(Money::new(nano), currency))
    ];
    let zone = prop_oneof![Just("UTC"), Just("Europe/Berlin"), Just("America/Argentina/Buenos_Aires")];
    let kind = prop_oneof![Just(BudgetKind::Hard), Just(BudgetKind::Soft)];
    let thresholds = prop_oneof![Just(vec![50, 80, 100]), vec(0..=200_u8, 0..4)];
    (name(), limit, any_of(&Period::ALL), zone, kind, thresholds).prop_map(
        |(id, limit, period, zone, kind, thresholds)| Budget {
            id,
            limit,
            period,
            zone: Zone::try_new(zone).unwrap(),
            kind,
            thresholds,
        },
    )
}

fn window() -> impl Strategy<Value = Window> {
    (instant(), instant())
        .prop_filter_map("a window is not empty", |(a, b)| Window::try_new(a.min(b), a.max(b)))
}

fn burst() -> impl Strategy<Value = GrantedBurst> {
    let who = (text(), text(), option::of(text()), any_of(Approval::ALL));
    let all = (name(), name(), name(), rate(), window(), any_of(Category::ALL), who);
    all.prop_map(|(id, service, pool, extra, window, category, (reason, approver, requester, approval))| {
        let requester = requester.unwrap_or_else(|| approver.clone());
        let burst = Burst { id, service, pool, extra, window, category, reason, requester };
        GrantedBurst { burst, approval, approver }
    })
}

fn exception() -> impl Strategy<Value = Exception> {
    let waives = prop_oneof![Just(Waiver::SandboxLimit), text().prop_map(Waiver::Other)];
    let all = (name(), name(), waives, text(), text(), instant());
    all.prop_map(|(id, service, waives, owner, reason, end)| Exception {
        id,
        service,
        waives,
        owner,
        reason,
        end,
    })
}

fn price() -> impl Strategy<Value = Price> {
    let pico = || count().prop_map(PicoPerToken::new);
    (name(), instant(), currency(), pico(), option::of(pico()), pico()).prop_map(
        |(model, valid_from, currency, input, input_cached, output)| Price {
            model,
            valid_from,
            currency,
            input,
            input_cached: input_cached.unwrap_or(input),
            output,
        },
    )
}
