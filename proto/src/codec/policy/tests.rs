//! What of a policy survives the wire, and what is refused.

use super::super::samples;
use super::*;
use proptest::prelude::*;
use weir_domain::amount::TokensPerMinute;
use weir_domain::policy::{DataClass, Environment, Priority, Thresholds};

/// One of everything, and nothing that may be left out.
fn sparse() -> wire::Policy {
    let text = String::from;
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let budget = wire::Budget {
        id: text("month"),
        limit: Some(wire::budget::Limit::Tokens(5)),
        period: wire::Period::Month.into(),
        zone: text("Europe/Berlin"),
        thresholds_percent: vec![50, 100],
        ..Default::default()
    };
    let allocation = wire::Allocation {
        pool: text("gpt"),
        baseline_per_minute: 600,
        request_max: 100,
        budgets: vec![budget],
        ..Default::default()
    };
    let service = wire::Service {
        id: text("chat"),
        team: text("web"),
        allocations: vec![allocation],
        ..Default::default()
    };
    let burst = wire::Burst {
        id: text("launch"),
        service: text("chat"),
        pool: text("gpt"),
        start: at(1),
        end: at(2),
        ..Default::default()
    };
    let exception = wire::Exception {
        id: text("trial"),
        service: text("chat"),
        waives_sandbox_limit: true,
        end: at(9),
        ..Default::default()
    };
    let model =
        wire::Model { name: text("gpt-4o"), encoding: wire::Encoding::O200kBase.into(), output_max: 9 };
    let price =
        wire::Price { model: text("gpt-4o"), valid_from: at(0), currency: text("USD"), ..Default::default() };
    wire::Policy {
        pools: vec![wire::Pool { id: text("gpt"), models: vec![model], ..Default::default() }],
        teams: vec![wire::Team { id: text("web"), ..Default::default() }],
        services: vec![service],
        bursts: vec![burst],
        prices: vec![price],
        exceptions: vec![exception],
    }
}

/// The field that is named when a sparse policy is changed in one place.
fn refused(change: impl FnOnce(&mut wire::Policy)) -> &'static str {
    let mut policy = sparse();
    change(&mut policy);
    match policy_from_wire(&policy) {
        Err(DecodeError::Field { field, .. }) => field,
        other => panic!("{other:?}"),
    }
}

fn budget(policy: &mut wire::Policy) -> &mut wire::Budget {
    &mut policy.services[0].allocations[0].budgets[0]
}

proptest! {
    #[test]
    fn a_policy_survives_the_wire(policy in samples::policy()) {
        prop_assert_eq!(policy_from_wire(&policy_to_wire(&policy)), Ok(policy));
    }

    #[test]
    fn an_allocation_keeps_its_priority_without_its_service(pool in samples::name(), terms in samples::terms()) {
        let held = allocation_from_wire(&allocation_to_wire(&pool, &terms)).unwrap();
        prop_assert_eq!((held.pool, held.terms), (pool, terms));
    }
}

#[test]
fn what_is_left_out_of_a_policy_is_what_its_comments_say() {
    let policy = policy_from_wire(&sparse()).unwrap();
    assert_eq!(policy.pools[0].thresholds, Thresholds::default());
    let service = &policy.services[0];
    assert_eq!(
        (service.environment, service.data_class, service.priority),
        (Environment::Production, DataClass::Internal, Priority::Standard)
    );
    let terms = &service.allocations[0].terms;
    assert_eq!((terms.ceiling, terms.lending), (TokensPerMinute::new(600), None));
    assert_eq!(terms.failure, weir_domain::policy::FailureMode::Closed);
    assert_eq!(policy.bursts[0].burst.category, weir_domain::burst::Category::Other);
}

#[test]
fn the_allocations_of_a_service_have_its_priority() {
    let mut policy = sparse();
    policy.services[0].priority = wire::Priority::Batch.into();
    let service = policy_from_wire(&policy).unwrap().services.remove(0);
    assert_eq!(service.allocations[0].terms.priority, Priority::Batch);
    let other = |policy: &mut wire::Policy| {
        policy.services[0].allocations[0].priority = wire::Priority::Critical.into();
    };
    assert_eq!(refused(other), "allocations.priority");
}

#[test]
fn numbers_of_later_versions_are_not_taken_for_something_else() {
    assert_eq!(refused(|policy| policy.services[0].environment = 9), "services.environment");
    assert_eq!(refused(|policy| policy.services[0].data_class = 9), "services.data_class");
    assert_eq!(refused(|policy| policy.services[0].priority = 9), "services.priority");
    assert_eq!(refused(|policy| policy.services[0].allocations[0].priority = 9), "allocations.priority");
    assert_eq!(refused(|policy| policy.bursts[0].category = 9), "bursts.category");
    assert_eq!(refused(|policy| policy.pools[0].models[0].encoding = 9), "pools.models.encoding");
    assert_eq!(refused(|policy| budget(policy).period = 9), "allocations.budgets.period");
}

#[test]
fn what_must_be_stated_is_missed_by_name() {
    assert_eq!(refused(|policy| policy.pools[0].models[0].encoding = 0), "pools.models.encoding");
    assert_eq!(refused(|policy| budget(policy).period = 0), "allocations.budgets.period");
    assert_eq!(refused(|policy| budget(policy).limit = None), "allocations.budgets.limit");
    assert_eq!(refused(|policy| budget(policy).zone = String::new()), "allocations.budgets.zone");
    assert_eq!(refused(|policy| policy.exceptions[0].end = None), "exceptions.end");
    assert_eq!(refused(|policy| policy.bursts[0].start = None), "bursts.start");
    let lapse = Some(wire::Lapse { at: None, to_per_minute: 1 });
    assert_eq!(refused(|policy| policy.services[0].allocations[0].lapse = lapse), "allocations.lapse.at");
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    assert_eq!(refused(|policy| budget(policy).zone = "Mars".into()), "allocations.budgets.zone");
    assert_eq!(
        refused(|policy| budget(policy).thresholds_percent.push(201)),
        "allocations.budgets.thresholds_percent"
    );
    let euros = wire::budget::Limit::Money(wire::MoneyLimit { nano: 1, currency: "€".into() });
    assert_eq!(refused(|policy| budget(policy).limit = Some(euros)), "allocations.budgets.money.currency");
    assert_eq!(refused(|policy| policy.bursts[0].end = policy.bursts[0].start), "bursts.end");
    for (place, field) in [
        ([101, 0, 0], "pools.thresholds.critical_percent"),
        ([0, 101, 0], "pools.thresholds.standard_percent"),
        ([0, 0, 256], "pools.thresholds.batch_percent"),
    ] {
        let [critical_percent, standard_percent, batch_percent] = place;
        let thresholds = wire::Thresholds { critical_percent, standard_percent, batch_percent };
        assert_eq!(refused(|policy| policy.pools[0].thresholds = Some(thresholds)), field);
    }
}

#[test]
fn an_exception_waives_one_thing() {
    assert_eq!(
        refused(|policy| policy.exceptions[0].waives_other = "a rule".into()),
        "exceptions.waives_other"
    );
    assert_eq!(
        refused(|policy| policy.exceptions[0].waives_sandbox_limit = false),
        "exceptions.waives_other"
    );
}
