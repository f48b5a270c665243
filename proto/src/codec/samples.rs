//! Random values of everything that has a codec, within what its types promise.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use std::fmt::Debug;
use std::str::FromStr;
use weir_domain::amount::{Money, RequestsPerMinute, Tokens, TokensPerMinute};
use weir_domain::budget::{Budget, BudgetKind, BudgetLimit, BudgetState};
use weir_domain::burst::{Approval, Burst, Category, GrantedBurst};
use weir_domain::calendar::{Period, Zone};
use weir_domain::directory::KeyHash;
use weir_domain::ids::ReservationId;
use weir_domain::ledger::Holder;
use weir_domain::policy::{
    Allocation, DataClass, Deployment, Encoding, Enforcement, Environment, Exception, FailureMode, Lapse,
    Model, Policy, Pool, Priority, Purpose, Service, Team, Terms, Thresholds, Waiver,
};
use weir_domain::price::{Currency, PicoPerToken, Price};
use weir_domain::time::{Timestamp, Window};

pub(super) fn name<T: FromStr<Err: Debug> + Debug>() -> impl Strategy<Value = T> {
    "[a-z0-9][a-z0-9._-]{0,8}".prop_map(|text| text.parse().unwrap())
}

pub(super) fn text() -> impl Strategy<Value = String> {
    "\\PC{0,6}"
}

pub(super) fn instant() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_nanos)
}

pub(super) fn window() -> impl Strategy<Value = Window> {
    let ordered = |(a, b): (Timestamp, Timestamp)| Window::try_new(a.min(b), a.max(b));
    (instant(), instant()).prop_filter_map("two instants", ordered)
}

pub(super) fn tokens() -> impl Strategy<Value = Tokens> {
    any::<u64>().prop_map(Tokens::new)
}

/// A node, and what it asked for a slice with.
pub(super) fn holder() -> impl Strategy<Value = Holder> {
    let node = select(vec!["gateway-1", "gateway-2"]);
    (node, any::<u128>(), instant()).prop_map(|(node, reservation, hand_out_until)| Holder {
        node: node.parse().unwrap(),
        reservation: ReservationId::new(reservation),
        hand_out_until,
    })
}

pub(super) fn money() -> impl Strategy<Value = Money> {
    any::<u64>().prop_map(Money::new)
}

pub(super) fn hash() -> impl Strategy<Value = KeyHash> {
    any::<[u8; 32]>().prop_map(KeyHash::new)
}

fn rate() -> impl Strategy<Value = TokensPerMinute> {
    any::<u64>().prop_map(TokensPerMinute::new)
}

fn requests() -> impl Strategy<Value = Option<RequestsPerMinute>> {
    of(any::<u64>().prop_map(RequestsPerMinute::new))
}

fn percent() -> impl Strategy<Value = u8> {
    0_u8..=100
}

fn currency() -> impl Strategy<Value = Currency> {
    "[A-Z]{3}".prop_map(|code| Currency::try_new(&code).unwrap())
}

pub(super) fn pool() -> impl Strategy<Value = Pool> {
    let encoding = select(vec![Encoding::O200kBase, Encoding::Cl100kBase]);
    let model = (name(), encoding, tokens()).prop_map(|(name, encoding, output_max)| Model {
        name,
        encoding,
        output_max,
    });
    let deployment =
        (name(), name(), name()).prop_map(|(upstream, id, model)| Deployment { upstream, id, model });
    let thresholds =
        (percent(), percent(), percent()).prop_map(|(critical_percent, standard_percent, batch_percent)| {
            Thresholds { critical_percent, standard_percent, batch_percent }
        });
    (name(), rate(), requests(), thresholds, vec(model, 0..3), vec(deployment, 0..3)).prop_map(
        |(id, capacity, requests, thresholds, models, deployments)| Pool {
            id,
            capacity,
            requests,
            thresholds,
            models,
            deployments,
        },
    )
}

fn priority() -> impl Strategy<Value = Priority> {
    select(vec![Priority::Critical, Priority::Standard, Priority::Batch])
}

fn budget() -> impl Strategy<Value = Budget> {
    let limit = prop_oneof![
        tokens().prop_map(BudgetLimit::Tokens),
        (money(), currency()).prop_map(|(money, currency)| BudgetLimit::Money(money, currency)),
    ];
    let zone = select(vec!["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"])
        .prop_map(|zone| Zone::try_new(zone).unwrap());
    let kind = select(vec![BudgetKind::Hard, BudgetKind::Soft]);
    (name(), limit, select(&Period::ALL[..]), zone, kind, vec(0_u8..=200, 0..4)).prop_map(
        |(id, limit, period, zone, kind, thresholds)| Budget { id, limit, period, zone, kind, thresholds },
    )
}

pub(super) fn budget_state() -> impl Strategy<Value = BudgetState> {
    (budget(), of(window()), any::<u64>(), vec(any::<u8>(), 0..3), any::<u64>()).prop_map(
        |(budget, period, settled, told, lapses_before)| BudgetState {
            budget,
            period,
            settled,
            told: told.into_iter().collect(),
            lapses_before,
        },
    )
}

pub(super) fn terms() -> impl Strategy<Value = Terms> {
    let failure = prop_oneof![
        Just(FailureMode::Closed),
        (1_u64..).prop_map(|most| FailureMode::Open { tokens_per_outage: Tokens::new(most) }),
    ];
    let enforcement = select(vec![Enforcement::Enforced, Enforcement::Shadow]);
    let lapse = of((instant(), rate()).prop_map(|(at, to)| Lapse { at, to }));
    let rates = (rate(), rate(), of(rate()));
    let limits = (tokens(), requests(), of(any::<u32>()), vec(budget(), 0..3));
    let rest = (priority(), failure, enforcement, lapse);
    (rates, limits, rest).prop_map(|(rates, limits, rest)| Terms {
        baseline: rates.0.min(rates.1),
        ceiling: rates.0.max(rates.1),
        lending: rates.2,
        request_max: limits.0,
        requests: limits.1,
        in_flight_max: limits.2,
        budgets: limits.3,
        priority: rest.0,
        failure: rest.1,
        enforcement: rest.2,
        lapse: rest.3,
    })
}

pub(super) fn team() -> impl Strategy<Value = Team> {
    (name(), text(), text()).prop_map(|(id, title, contact)| Team { id, title, contact })
}

pub(super) fn service() -> impl Strategy<Value = Service> {
    let purpose = (text(), text(), text(), text(), text(), text()).prop_map(|texts| Purpose {
        owner: texts.0,
        contact: texts.1,
        use_case: texts.2,
        population: texts.3,
        when_throttled: texts.4,
        metric: texts.5,
    });
    let environment = select(vec![Environment::Production, Environment::Staging, Environment::Development]);
    let classes =
        vec![DataClass::Public, DataClass::Internal, DataClass::Confidential, DataClass::Restricted];
    let nature = (environment, select(classes), vec(text(), 0..3), priority());
    let allocation = (name(), terms()).prop_map(|(pool, terms)| Allocation { pool, terms });
    (name(), name(), purpose, nature, vec(allocation, 0..3)).prop_map(
        |(id, team, purpose, (environment, data_class, regions, priority), mut allocations)| {
            for held in &mut allocations {
                held.terms.priority = priority;
            }
            Service { id, team, purpose, environment, data_class, regions, priority, allocations }
        },
    )
}

pub(super) fn burst() -> impl Strategy<Value = Burst> {
    let categories = [
        Category::Demo,
        Category::Migration,
        Category::Training,
        Category::Onboarding,
        Category::Incident,
        Category::Other,
    ];
    let what = (rate(), window(), select(categories.to_vec()));
    ((name(), name(), name()), what, text(), text()).prop_map(
        |((id, service, pool), (extra, window, category), reason, requester)| Burst {
            id,
            service,
            pool,
            extra,
            window,
            category,
            reason,
            requester,
        },
    )
}

pub(super) fn granted_burst() -> impl Strategy<Value = GrantedBurst> {
    let approval = select(vec![Approval::Guaranteed, Approval::BestEffort]);
    (burst(), approval, text()).prop_map(|(burst, approval, approver)| GrantedBurst {
        burst,
        approval,
        approver,
    })
}

pub(super) fn exception() -> impl Strategy<Value = Exception> {
    let waives = prop_oneof![Just(Waiver::SandboxLimit), "\\PC{1,6}".prop_map(Waiver::Other)];
    (name(), name(), waives, text(), text(), instant()).prop_map(
        |(id, service, waives, owner, reason, end)| Exception { id, service, waives, owner, reason, end },
    )
}

pub(super) fn price() -> impl Strategy<Value = Price> {
    let pico = || any::<u64>().prop_map(PicoPerToken::new);
    (name(), instant(), currency(), pico(), pico(), pico()).prop_map(
        |(model, valid_from, currency, input, input_cached, output)| Price {
            model,
            valid_from,
            currency,
            input,
            input_cached,
            output,
        },
    )
}

pub(super) fn policy() -> impl Strategy<Value = Policy> {
    let capacity = (vec(pool(), 0..3), vec(price(), 0..3));
    let holders = (vec(team(), 0..3), vec(service(), 0..3));
    let grants = (vec(granted_burst(), 0..3), vec(exception(), 0..3));
    (capacity, holders, grants).prop_map(|(capacity, holders, grants)| Policy {
        pools: capacity.0,
        prices: capacity.1,
        teams: holders.0,
        services: holders.1,
        bursts: grants.0,
        exceptions: grants.1,
    })
}
