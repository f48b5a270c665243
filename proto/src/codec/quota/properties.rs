//! What of random facts survives the journal, and what is poison.

use super::super::samples;
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::time::Duration;
use weir_domain::amount::{Money, Requests, Tokens};
use weir_domain::bucket::Level;
use weir_domain::ids::{EventId, HoldId, ServiceId, SliceId};
use weir_domain::ledger::{Drawn, Limit, Moved, Movement, Quantity};
use weir_domain::time::Timestamp;

fn quantity() -> impl Strategy<Value = Quantity> {
    (samples::tokens(), samples::money()).prop_map(|(tokens, money)| Quantity { tokens, money })
}

fn slice() -> impl Strategy<Value = SliceId> {
    any::<u64>().prop_map(SliceId::new)
}

fn drawn() -> impl Strategy<Value = Moved> {
    let holder = proptest::option::of(samples::holder());
    let level = || any::<i128>().prop_map(Level::from_units);
    (slice(), holder, samples::tokens(), level(), level(), samples::money()).prop_map(
        |(slice, holder, tokens, borrowed, unenforced, money)| {
            Moved::Drawn(Drawn { slice, holder, tokens, borrowed, unenforced, money })
        },
    )
}

fn moved() -> impl Strategy<Value = Moved> {
    let requests = any::<u64>().prop_map(Requests::new);
    prop_oneof![
        drawn(),
        (any::<u128>(), any::<u64>(), quantity(), any::<bool>()).prop_map(|(hold, held, used, metered)| {
            Moved::Settled { hold: HoldId::new(hold), held: Money::new(held), used, metered }
        }),
        (slice(), quantity(), any::<u32>()).prop_map(|(slice, free, holds)| Moved::Sealed {
            slice,
            free,
            holds
        }),
        slice().prop_map(|slice| Moved::Lapsed { slice }),
        (samples::name(), samples::window())
            .prop_map(|(budget, period)| Moved::BudgetOpened { budget, period }),
        (samples::name(), 0_u8..=200)
            .prop_map(|(budget, percent)| Moved::ThresholdReached { budget, percent }),
        (select(Limit::ALL.to_vec()), requests, samples::tokens())
            .prop_map(|(limit, requests, tokens)| Moved::Shadowed { limit, requests, tokens }),
    ]
}

/// Movements as a ledger makes them: its time never goes back.
fn movements() -> impl Strategy<Value = Vec<Movement>> {
    let service = select(vec!["chat", "search", "batch"]);
    let steps = vec((0_u64..5_000_000_000, service, moved()), 1..20);
    (0..i64::MAX / 2, steps).prop_map(|(first, steps)| {
        let mut at = Timestamp::from_nanos(first);
        let movement = |(after, service, what): (u64, &str, Moved)| {
            at = at.plus(Duration::from_nanos(after));
            Movement { at, service: ServiceId::try_new(service).unwrap(), what }
        };
        steps.into_iter().map(movement).collect()
    })
}

fn in_the_journal(fact: QuotaFact) -> QuotaRecorded {
    QuotaRecorded { id: EventId::new(1), node: "quota-1".parse().unwrap(), fact }
}

proptest! {
    #[test]
    fn movements_survive_the_journal(pool in samples::name(), movements in movements()) {
        let recorded = in_the_journal(QuotaFact::Moved { pool, movements });
        prop_assert_eq!(quota_event_from_record(&quota_event_to_record(&recorded)), Ok(recorded));
    }

    #[test]
    fn who_decided_survives_the_journal(
        author in samples::text(),
        reason in samples::text(),
        at in samples::instant(),
        commit in proptest::option::of("[0-9a-f]{40}"),
        service in samples::service(),
    ) {
        let by = Authorship { author, reason, at, commit };
        let recorded = in_the_journal(QuotaFact::Org(Event { by, what: Decided::ServiceDefined(service) }));
        prop_assert_eq!(quota_event_from_record(&quota_event_to_record(&recorded)), Ok(recorded));
    }

    #[test]
    fn bytes_of_any_kind_are_a_fact_or_an_error(payload in vec(any::<u8>(), 0..64), kind in 0_usize..3) {
        let kind = [kinds::LEDGER_MOVED_V1, kinds::BURST_GRANTED_V1, kinds::ACCESS_KEY_CREATED_V1][kind];
        let envelope = Envelope {
            id: EventId::new(1).to_string(),
            source: "quota-1".into(),
            kind: kind.into(),
            time: rfc3339(Timestamp::EPOCH),
            subject: String::new(),
            traceparent: None,
        };
        if let Ok(recorded) = quota_event_from_record(&envelope.seal("gpt", payload)) {
            let again = quota_event_from_record(&quota_event_to_record(&recorded));
            prop_assert_eq!(again, Ok(recorded));
        }
    }
}

/// The field that is named when a record of one movement is changed in one place.
fn poison(change: impl FnOnce(&mut wire::LedgerMoved)) -> &'static str {
    let settled = wire::Settled { hold: vec![0; 16].into(), used: 1, ..Default::default() };
    let movement =
        wire::Movement { service: 0, after_nanos: 0, what: Some(wire::movement::What::Settled(settled)) };
    let mut message = wire::LedgerMoved {
        pool: "gpt".into(),
        at: Some(prost_types::Timestamp::default()),
        services: vec!["chat".into()],
        movements: vec![movement],
    };
    assert!(moved::from_wire(&message).is_ok());
    change(&mut message);
    match moved::from_wire(&message) {
        Err(DecodeError::Field { field, .. }) => field,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_movement_that_does_not_say_all_is_poison() {
    use wire::movement::What;
    let what = |what| move |message: &mut wire::LedgerMoved| message.movements[0].what = what;
    assert_eq!(poison(|message| message.movements.clear()), "movements");
    assert_eq!(poison(|message| message.services.clear()), "movements.service");
    assert_eq!(poison(|message| message.services[0] = "Not a name".into()), "services");
    assert_eq!(poison(|message| message.at = None), "at");
    assert_eq!(poison(what(None)), "movements.what");
    let settled = wire::Settled { hold: vec![0; 15].into(), ..Default::default() };
    assert_eq!(poison(what(Some(What::Settled(settled)))), "movements.settled.hold");
    let drawn = wire::SliceDrawn { borrowed: vec![0; 15].into(), ..Default::default() };
    assert_eq!(poison(what(Some(What::Drawn(drawn)))), "movements.drawn.borrowed");
    let reached = wire::ThresholdReached { budget: "month".into(), percent: 201 };
    assert_eq!(poison(what(Some(What::ThresholdReached(reached)))), "movements.threshold_reached.percent");
    let shadowed = wire::Shadowed { limit: "mood".into(), ..Default::default() };
    assert_eq!(poison(what(Some(What::Shadowed(shadowed)))), "movements.shadowed.limit");
    let opened = wire::BudgetOpened {
        budget: "month".into(),
        start: Some(prost_types::Timestamp::default()),
        end: Some(prost_types::Timestamp::default()),
    };
    assert_eq!(poison(what(Some(What::BudgetOpened(opened)))), "movements.budget_opened.end");
}

#[test]
fn every_limit_that_a_refusal_names_can_be_recorded() {
    for limit in Limit::ALL {
        let what = Moved::Shadowed { limit, requests: Requests::new(1), tokens: Tokens::new(2) };
        let movement = Movement { at: Timestamp::EPOCH, service: "chat".parse().unwrap(), what };
        let pool = "gpt".parse().unwrap();
        let recorded = in_the_journal(QuotaFact::Moved { pool, movements: vec![movement] });
        assert_eq!(quota_event_from_record(&quota_event_to_record(&recorded)), Ok(recorded), "{limit:?}");
    }
}
