//! Reserving, settling, releasing and extending over the wire.

use std::time::Duration;

use tonic::Code;
use tonic_types::StatusExt;
use weir_domain::desk::HOLD_LIFETIME;
use weir_proto::governance::v1 as governance;
use weir_proto::quota::v1::reserve_response::Decision;
use weir_proto::quota::v1::{ExtendRequest, Limit, NoRetry, ReleaseRequest, ReserveRequest, SettleRequest};
use weir_quota::replay_ledger;
use weir_runtime::journal::SharedJournal;

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_500_concurrent_reservations_for_what_fits_100_exactly_100_are_admitted() {
    let service = Service::start().await.with_policy().await;
    let client = service.admission().await;
    let calls = (0..500).map(|number| {
        let (mut client, request) = (client.clone(), reserve(&service.reservation(number), 10));
        async move { admitted(&mut client, request).await }
    });
    let outcomes = futures_util::future::join_all(calls).await;
    assert_eq!(outcomes.into_iter().filter(|admitted| *admitted).count(), 100);
    let headroom = service.headroom("chat").await;
    assert_eq!((headroom.held, headroom.holds), (1_000, 100));
    service.stop().await;
}

#[tokio::test]
async fn every_call_may_be_repeated_and_changes_nothing_more() {
    let service = Service::start().await.with_policy().await;
    let mut client = service.admission().await;
    let (one, two) = (service.admit(&mut client, 1, 400).await, service.admit(&mut client, 2, 100).await);
    for _ in 0..3 {
        assert_eq!(service.admit(&mut client, 1, 400).await, one);
        assert_eq!(service.admit(&mut client, 2, 100).await, two);
    }
    for first in [true, false, false] {
        assert_eq!(charged(&mut client, settle(&one, 150)).await, first);
        assert_eq!(client.release(release(&two)).await.unwrap().into_inner().released, first);
    }
    let over = refused(&mut client, reserve(&service.reservation(1), 400)).await;
    assert_eq!(
        over.limit(),
        Limit::ReservationOver,
        "its call is over, and another would be charged to nobody"
    );
    let headroom = service.headroom("chat").await;
    assert_eq!((headroom.settled_total, headroom.holds), (150, 0));
    assert_eq!(headroom.standing.unwrap().available, 850);
    service.stop().await;
}

#[tokio::test]
async fn a_refusal_names_its_limit_and_the_very_instant_at_which_the_same_passes() {
    let service = Service::start().await.with_policy().await;
    let mut client = service.admission().await;
    service.admit(&mut client, 1, 1_000).await;
    let refused = refused(&mut client, reserve(&service.reservation(2), 250)).await;
    assert_eq!(refused.limit(), Limit::Baseline);
    assert!(refused.message.contains("it passes in 2.500 s"), "{}", refused.message);
    let retry = passes_in(&refused);
    assert_eq!(retry, Duration::from_millis(2_500));
    service.clock.advance(retry.saturating_sub(Duration::from_nanos(1)));
    assert!(!admitted(&mut client, reserve(&service.reservation(3), 250)).await);
    service.clock.advance(Duration::from_nanos(1));
    assert!(admitted(&mut client, reserve(&service.reservation(4), 250)).await);
    service.stop().await;
}

#[tokio::test]
async fn what_can_never_fit_is_told_so() {
    let service = Service::start().await.with_policy().await;
    let mut client = service.admission().await;
    let request = reserve(&service.reservation(1), 1_001);
    let nobody = ReserveRequest { service: "nobody".into(), ..request.clone() };
    let nowhere = ReserveRequest { pool: "nowhere".into(), ..request.clone() };
    let cases =
        [(request, Limit::RequestSize), (nobody, Limit::NoAllocation), (nowhere, Limit::NoAllocation)];
    for (request, limit) in cases {
        let refused = refused(&mut client, request).await;
        assert_eq!((refused.limit(), no_retry(&refused)), (limit, NoRetry::Never));
    }
    service.stop().await;
}

#[tokio::test]
async fn what_a_gateway_gave_up_holds_nothing_even_if_it_arrives_late() {
    let service = Service::start().await.with_policy().await;
    let mut client = service.admission().await;
    let by_reservation = |number| ReleaseRequest {
        reservation_id: service.reservation(number),
        service: "chat".into(),
        pool: "gpt".into(),
        ..Default::default()
    };
    service.admit(&mut client, 1, 600).await;
    for first in [true, false] {
        assert_eq!(client.release(by_reservation(1)).await.unwrap().into_inner().released, first);
    }
    assert!(!client.release(by_reservation(2)).await.unwrap().into_inner().released, "it never arrived");
    let late = refused(&mut client, reserve(&service.reservation(2), 600)).await;
    assert_eq!(late.limit(), Limit::ReservationOver);
    let headroom = service.headroom("chat").await;
    assert_eq!((headroom.holds, headroom.standing.unwrap().available), (0, 1_000));
    service.stop().await;
}

#[tokio::test]
async fn a_hold_lives_as_long_as_it_is_extended_and_is_charged_however_late() {
    let service = Service::start().await;
    service.apply(policy_with(|allocation| allocation.in_flight_max = Some(1))).await;
    let mut client = service.admission().await;
    let hold = service.admit(&mut client, 1, 100).await;
    let extend = ExtendRequest { hold_id: hold.clone(), service: "chat".into(), pool: "gpt".into() };
    for number in 0..3 {
        service.clock.advance(HOLD_LIFETIME.saturating_sub(Duration::from_secs(1)));
        assert!(client.extend(extend.clone()).await.unwrap().into_inner().alive);
        let full = refused(&mut client, reserve(&service.reservation(100 + number), 1)).await;
        assert_eq!((full.limit(), no_retry(&full)), (Limit::InFlight, NoRetry::Unknown));
    }
    service.clock.advance(HOLD_LIFETIME);
    service.admit(&mut client, 200, 1).await;
    assert!(
        charged(&mut client, settle(&hold, 70)).await,
        "nobody extended it, and it is charged all the same"
    );
    assert!(!client.extend(extend).await.unwrap().into_inner().alive, "it is settled");
    assert_eq!(service.headroom("chat").await.settled_total, 70);
    service.stop().await;
}

#[tokio::test]
async fn a_burst_starts_and_ends_on_time_with_nobody_calling() {
    let service = Service::start().await.with_policy().await;
    service.apply(governance::Policy { bursts: vec![burst(12_000, (100, 200))], ..policy() }).await;
    let rate = async || service.headroom("chat").await.standing.unwrap().rate_per_minute;
    assert_eq!(rate().await, 6_000);
    service.advance(100);
    assert_eq!(rate().await, 18_000);
    assert_eq!(service.headroom("chat").await.bursts[0].id, "launch");
    service.advance(99);
    assert_eq!(rate().await, 18_000);
    assert_eq!(service.headroom("chat").await.standing.unwrap().available, 3_000);
    service.advance(1);
    assert_eq!(rate().await, 6_000);
    let after = service.headroom("chat").await;
    assert_eq!((after.standing.unwrap().available, after.bursts.len()), (1_000, 0));
    service.stop().await;
}

#[tokio::test]
async fn shadow_mode_lets_pass_what_a_limit_would_refuse_and_says_which() {
    let service = Service::start().await;
    service.apply(policy_with(|allocation| allocation.shadow = true)).await;
    let mut client = service.admission().await;
    let shadowed = async |client: &mut Admission, number, tokens| match decision(
        client,
        reserve(&service.reservation(number), tokens),
    )
    .await
    {
        Decision::Admitted(admitted) => admitted.shadowed(),
        Decision::Refused(refused) => panic!("{refused:?}"),
    };
    assert_eq!(shadowed(&mut client, 1, 1_000).await, Limit::Unspecified);
    assert_eq!(shadowed(&mut client, 2, 500).await, Limit::Baseline);
    assert_eq!(shadowed(&mut client, 3, 1_001).await, Limit::RequestSize);
    assert!(service.headroom("chat").await.shadow);
    service.stop().await;
}

fn monthly(limit: governance::budget::Limit) -> governance::Budget {
    governance::Budget {
        id: "monthly".into(),
        limit: Some(limit),
        period: governance::Period::Month.into(),
        zone: "Europe/Berlin".into(),
        soft: false,
        thresholds_percent: vec![50, 100],
    }
}

#[tokio::test]
async fn a_hard_budget_of_tokens_refuses_until_its_next_period() {
    let service = Service::start().await;
    let limit = governance::budget::Limit::Tokens(300);
    service.apply(policy_with(|allocation| allocation.budgets = vec![monthly(limit)])).await;
    let mut client = service.admission().await;
    let hold = service.admit(&mut client, 1, 200).await;
    assert!(charged(&mut client, settle(&hold, 250)).await);
    let refused = refused(&mut client, reserve(&service.reservation(2), 60)).await;
    assert_eq!((refused.limit(), refused.budget.as_str()), (Limit::Budget, "monthly"));
    let budget = service.headroom("chat").await.budgets.remove(0);
    assert_eq!((budget.limit, budget.used, budget.hard), (300, 250, true));
    let retry = passes_in(&refused);
    service.clock.advance(retry);
    service.admit(&mut client, 3, 60).await;
    service.stop().await;
}

#[tokio::test]
async fn a_budget_of_money_counts_what_calls_cost_by_the_price_book() {
    let service = Service::start().await;
    // A token of input costs 2,500 nano-units, one from the cache 1,250, one of output 10,000.
    let money = governance::MoneyLimit { nano: 10_000_000, currency: "USD".into() };
    let limit = governance::budget::Limit::Money(money);
    service.apply(policy_with(|allocation| allocation.budgets = vec![monthly(limit)])).await;
    let mut client = service.admission().await;
    let ask = ReserveRequest { model: "gpt-4o".into(), input: 600, ..reserve(&service.reservation(1), 900) };
    let Decision::Admitted(admitted) = decision(&mut client, ask.clone()).await else {
        panic!("4.5 of 10 fit")
    };
    let used = async || service.headroom("chat").await.budgets.remove(0).used;
    assert!(used().await >= 600 * 2_500 + 300 * 10_000, "what it may cost at most is held");
    let settle = SettleRequest {
        model: "gpt-4o".into(),
        input: 600,
        input_cached: 200,
        ..settle(&admitted.hold_id, 700)
    };
    assert!(charged(&mut client, settle).await);
    service.clock.advance(Duration::from_secs(2));
    assert_eq!(used().await, 400 * 2_500 + 200 * 1_250 + 100 * 10_000, "and what it has cost is used");
    let dear =
        ReserveRequest { reservation_id: service.reservation(2), model: String::new(), input: 0, ..ask };
    let refused = refused(&mut client, dear).await;
    assert_eq!(refused.limit(), Limit::Budget, "nobody knows that it would be less: {refused:?}");
    service.stop().await;
}

#[tokio::test]
async fn headroom_explains_itself() {
    let service = Service::start().await;
    let with_all = governance::Policy {
        bursts: vec![burst(12_000, (100, 200))],
        ..policy_with(|allocation| {
            allocation.ceiling_per_minute = 6_600;
            allocation.requests_per_minute = Some(600);
            allocation.in_flight_max = Some(9);
            allocation.open_tokens_per_outage = 5_000;
            allocation.budgets = vec![monthly(governance::budget::Limit::Tokens(1_000_000))];
        })
    };
    service.apply(with_all).await;
    let mut client = service.admission().await;
    let hold = service.admit(&mut client, 1, 1_000).await;
    assert!(charged(&mut client, settle(&hold, 1_000)).await);
    service.admit(&mut client, 2, 400).await;
    let headroom = service.headroom_for("chat", 900).await;
    assert_eq!((headroom.settled_total, headroom.holds, headroom.ceiling_per_minute), (1_000, 1, 6_600));
    assert_eq!((headroom.requests_per_minute, headroom.in_flight_max), (Some(600), Some(9)));
    assert_eq!(headroom.requests_available, Some(98), "ten seconds of them, less two");
    assert_eq!(headroom.open_tokens_per_outage, 5_000);
    assert!(headroom.borrowed >= 400, "{headroom:?}");
    let next = headroom.next_change.unwrap();
    assert_eq!((next.at, next.what.as_str()), (Some(s(100)), "burst launch starts"));
    assert_eq!(headroom.budgets[0].id, "monthly");
    assert!(!headroom.summary.is_empty());
    let prospect = headroom.prospect.unwrap();
    let told = refused(&mut client, reserve(&service.reservation(3), 900)).await;
    let prospected = prospect.refused.unwrap();
    assert_eq!(
        (prospect.tokens, prospected.limit, prospected.retry),
        (900, told.limit, told.retry),
        "as a reservation is told"
    );
    assert_eq!(service.headroom_for("chat", 1).await.prospect.unwrap().refused, None);
    service.stop().await;
}

#[tokio::test]
async fn the_journal_alone_tells_what_every_service_used() {
    let service = Service::start().await.with_policy().await;
    let mut client = service.admission().await;
    let hold = service.admit(&mut client, 1, 400).await;
    assert!(charged(&mut client, settle(&hold, 450)).await);
    service.admit(&mut client, 3, 100).await;
    let journal: SharedJournal = service.journal.clone();
    let totals = replay_ledger(&journal).await.unwrap();
    assert_eq!(totals.len(), 1);
    let chat = totals[&("chat".parse().unwrap(), "gpt".parse().unwrap())];
    assert_eq!((chat.settled.get(), chat.overdrawn.get()), (450, 50));
    assert!(chat.outstanding.get() >= 100);
    service.stop().await;
}

#[tokio::test]
async fn bad_input_names_its_field() {
    let service = Service::start().await.with_policy().await;
    let mut client = service.admission().await;
    let good = reserve(&service.reservation(1), 1);
    let version_4 = "0193456789ab4def8123456789abcdef".to_owned();
    let cases = [
        ("reservation_id", ReserveRequest { reservation_id: "x".into(), ..good.clone() }),
        ("reservation_id", ReserveRequest { reservation_id: version_4, ..good.clone() }),
        ("service", ReserveRequest { service: "No Name".into(), ..good.clone() }),
        ("pool", ReserveRequest { pool: String::new(), ..good.clone() }),
        ("tokens", ReserveRequest { tokens: u64::MAX, ..good.clone() }),
    ];
    for (field, request) in cases {
        let status = client.reserve(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        let violations = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations[0].field, field);
    }
    let neither = client.release(release("")).await.unwrap_err();
    assert_eq!(neither.get_details_bad_request().unwrap().field_violations[0].field, "hold_id");
    service.advance(3_600);
    let stale = refused(&mut client, good).await;
    assert_eq!(
        (stale.limit(), no_retry(&stale)),
        (Limit::ReservationStale, NoRetry::Unknown),
        "another id helps, no time does"
    );
    service.stop().await;
}
