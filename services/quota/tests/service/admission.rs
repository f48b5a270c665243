//! Reserving, settling, releasing and headroom over the wire.

use std::time::Duration;

use tonic::Code;
use tonic_types::StatusExt;
use weir_proto::codec::duration_from_wire;
use weir_proto::quota::v1::reserve_response::Decision;
use weir_proto::quota::v1::{Limit, ReserveRequest};
use weir_quota::replay_ledger;
use weir_runtime::journal::SharedJournal;

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_500_concurrent_reservations_for_what_fits_100_exactly_100_are_admitted() {
    let service = Service::start().await.with_policy().await;
    let client = service.admission().await;
    let calls = (0..500).map(|number| {
        let (mut client, request) = (client.clone(), reserve(&service.hold(number), 10));
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
    let (one, two) = (service.hold(1), service.hold(2));
    for _ in 0..3 {
        assert!(admitted(&mut client, reserve(&one, 400)).await);
        assert!(admitted(&mut client, reserve(&two, 100)).await);
    }
    for first in [true, false, false] {
        assert_eq!(client.settle(settle(&one, 150)).await.unwrap().into_inner().charged, first);
        assert_eq!(client.release(release(&two)).await.unwrap().into_inner().released, first);
    }
    assert!(admitted(&mut client, reserve(&one, 400)).await, "a late retry is answered as before");
    let headroom = service.headroom("chat").await;
    assert_eq!((headroom.settled_total, headroom.held, headroom.holds), (150, 0, 0));
    assert_eq!(headroom.standing.unwrap().available, 850);
    service.stop().await;
}

#[tokio::test]
async fn a_refusal_names_its_limit_and_the_very_instant_at_which_the_same_passes() {
    let service = Service::start().await.with_policy().await;
    let mut client = service.admission().await;
    assert!(admitted(&mut client, reserve(&service.hold(1), 1_000)).await);
    let Decision::Refused(refused) = decision(&mut client, reserve(&service.hold(2), 250)).await else {
        panic!("nothing is left");
    };
    assert_eq!(refused.limit(), Limit::Baseline);
    assert_eq!(
        refused.message,
        "250 tokens were asked and 0 are available at 6000 a minute; they pass in 2.500 s"
    );
    let retry = duration_from_wire(refused.retry_after.as_ref().unwrap());
    assert_eq!(retry, Duration::from_millis(2_500));
    service.clock.advance(retry.saturating_sub(Duration::from_nanos(1)));
    assert!(!admitted(&mut client, reserve(&service.hold(3), 250)).await);
    service.clock.advance(Duration::from_nanos(1));
    assert!(admitted(&mut client, reserve(&service.hold(4), 250)).await);
    service.stop().await;
}

#[tokio::test]
async fn what_can_never_fit_is_told_so() {
    let service = Service::start().await.with_policy().await;
    let mut client = service.admission().await;
    let mut limit = async |request| match decision(&mut client, request).await {
        Decision::Refused(refused) => (refused.limit(), refused.retry_after),
        Decision::Admitted(admitted) => panic!("{admitted:?}"),
    };
    let request = reserve(&service.hold(1), 1_001);
    assert_eq!(limit(request.clone()).await, (Limit::RequestSize, None));
    let nobody = ReserveRequest { service: "nobody".into(), ..request.clone() };
    assert_eq!(limit(nobody).await, (Limit::NoAllocation, None));
    let nowhere = ReserveRequest { pool: "nowhere".into(), ..request };
    assert_eq!(limit(nowhere).await, (Limit::NoAllocation, None));
    service.stop().await;
}

#[tokio::test]
async fn a_burst_starts_and_ends_on_time_with_nobody_calling() {
    let service = Service::start().await.with_policy().await;
    let mut with_burst = policy();
    with_burst.bursts = vec![burst(12_000, (100, 200))];
    service.governance().await.apply_policy(apply(with_burst)).await.unwrap();
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
async fn a_restart_finds_everything_as_it_was() {
    let service = Service::start().await.with_policy().await;
    let mut client = service.admission().await;
    for number in 0..20 {
        let hold = service.hold(number);
        assert!(admitted(&mut client, reserve(&hold, 50)).await);
        match number % 4 {
            0 => assert!(client.settle(settle(&hold, 80)).await.unwrap().into_inner().charged),
            1 => assert!(client.settle(settle(&hold, 10)).await.unwrap().into_inner().charged),
            2 => assert!(client.release(release(&hold)).await.unwrap().into_inner().released),
            _ => {}
        }
        service.clock.advance(Duration::from_millis(317));
    }
    let before = service.headroom("chat").await;
    let service = service.restart().await;
    assert_eq!(service.headroom("chat").await, before);
    let mut client = service.admission().await;
    assert!(!client.settle(settle(&old_hold(0), 80)).await.unwrap().into_inner().charged);
    assert_eq!(service.headroom("chat").await, before);
    service.stop().await;
}

/// The id that `hold(number)` gave when the test began.
fn old_hold(number: u128) -> String {
    let ms = u128::try_from(START_S * 1_000).unwrap();
    weir_domain::ids::HoldId::new((ms << 80) | (7 << 76) | number).to_string()
}

#[tokio::test]
async fn the_journal_alone_tells_what_every_service_used() {
    let service = Service::start().await.with_policy().await;
    let mut client = service.admission().await;
    assert!(admitted(&mut client, reserve(&service.hold(1), 400)).await);
    client.settle(settle(&service.hold(1), 450)).await.unwrap();
    client.settle(settle(&service.hold(2), 25)).await.unwrap();
    assert!(admitted(&mut client, reserve(&service.hold(3), 100)).await);
    let journal: SharedJournal = service.journal.clone();
    let totals = replay_ledger(&journal).await.unwrap();
    assert_eq!(totals.len(), 1);
    let chat = totals[&("chat".parse().unwrap(), "gpt".parse().unwrap())];
    assert_eq!((chat.settled.get(), chat.held.get(), chat.overdrawn.get()), (475, 100, 75));
    service.stop().await;
}

#[tokio::test]
async fn bad_input_names_its_field() {
    let service = Service::start().await.with_policy().await;
    let mut client = service.admission().await;
    let good = reserve(&service.hold(1), 1);
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
    service.advance(3_600);
    let stale = client.reserve(good).await.unwrap_err();
    assert_eq!(stale.get_details_bad_request().unwrap().field_violations[0].field, "reservation_id");
    service.stop().await;
}
