//! Holds that nobody settles, told over the wire: the oldest first, to those who may see them.

use tonic::Code;
use tonic_types::StatusExt;
use weir_proto::governance::v1 as wire;
use weir_proto::quota::v1 as quota;

use crate::people::*;
use crate::support::{Service, TOKEN, s};

fn all() -> wire::ListHoldsRequest {
    wire::ListHoldsRequest::default()
}

async fn told(person: &mut Person, request: wire::ListHoldsRequest) -> wire::ListHoldsResponse {
    person.governance.list_holds(request).await.unwrap().into_inner()
}

fn services(told: &wire::ListHoldsResponse) -> Vec<&str> {
    told.holds.iter().map(|hold| hold.service.as_str()).collect()
}

/// `gateway-1` holds tokens for a service. The hold's id.
async fn hold(service: &Service, (number, name, pool): (u128, &str, &str), tokens: u64) -> String {
    let mut gateway = Person::named(service, "gateway-1").await;
    let request = quota::ReserveRequest {
        reservation_id: service.reservation(number),
        service: name.into(),
        pool: pool.into(),
        tokens,
        ..Default::default()
    };
    let reply = gateway.admission.reserve(request).await.unwrap().into_inner();
    match reply.decision {
        Some(quota::reserve_response::Decision::Admitted(admitted)) => admitted.hold_id,
        refused => panic!("{refused:?}"),
    }
}

/// `chat` holds since the start, `batch` since a minute later, in one pool and the other.
async fn with_holds() -> Service {
    let service = organisation().await;
    hold(&service, (1, "chat", "gpt"), 100).await;
    service.advance(60);
    hold(&service, (2, "batch", "gpt"), 90).await;
    hold(&service, (3, "batch", "ada"), 50).await;
    service
}

#[tokio::test]
async fn what_a_gateway_left_behind_is_told_the_oldest_first_until_it_is_settled() {
    let service = organisation().await;
    let reservation = service.reservation(1);
    let first = hold(&service, (1, "chat", "gpt"), 100).await;
    service.advance(60);
    hold(&service, (2, "batch", "gpt"), 90).await;
    let mut victor = Person::named(&service, "victor").await;
    let known = told(&mut victor, all()).await;
    assert_eq!((services(&known), known.next_page_token.as_str()), (vec!["chat", "batch"], ""));
    let oldest = &known.holds[0];
    assert_eq!((oldest.reservation_id.as_str(), &oldest.hold_id), (reservation.as_str(), &first));
    assert_eq!((oldest.pool.as_str(), oldest.node.as_str(), oldest.tokens), ("gpt", "gateway-1", 100));
    assert_eq!((oldest.since, oldest.expires), (Some(s(0)), Some(s(120))));
    service.advance(90);
    assert_eq!(told(&mut victor, all()).await.holds[0].expires, None, "nobody keeps it alive");
    let settle = quota::SettleRequest {
        hold_id: first,
        service: "chat".into(),
        pool: "gpt".into(),
        used: 80,
        ..Default::default()
    };
    let mut gateway = Person::named(&service, "gateway-1").await;
    assert!(gateway.admission.settle(settle).await.unwrap().into_inner().charged);
    assert_eq!(services(&told(&mut victor, all()).await), ["batch"]);
    service.stop().await;
}

#[tokio::test]
async fn holds_are_told_by_service_pool_and_age() {
    let service = with_holds().await;
    let mut victor = Person::named(&service, "victor").await;
    let age = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    for (request, expected) in [
        (wire::ListHoldsRequest { service: "chat".into(), ..all() }, &["chat"][..]),
        (wire::ListHoldsRequest { pool: "ada".into(), ..all() }, &["batch"]),
        (wire::ListHoldsRequest { older_than: age(30), ..all() }, &["chat"]),
        (wire::ListHoldsRequest { older_than: age(60), ..all() }, &["chat"]),
        (wire::ListHoldsRequest { older_than: age(61), ..all() }, &[]),
        (wire::ListHoldsRequest { older_than: age(0), ..all() }, &["chat", "batch", "batch"]),
    ] {
        assert_eq!(services(&told(&mut victor, request.clone()).await), expected, "{request:?}");
    }
    service.stop().await;
}

#[tokio::test]
async fn a_lead_is_told_of_their_teams_holds_and_a_node_of_none() {
    let service = with_holds().await;
    for (name, expected) in [("wendy", &["chat"][..]), ("olga", &["batch", "batch"])] {
        assert_eq!(services(&told(&mut Person::named(&service, name).await, all()).await), expected);
    }
    let mut olga = Person::named(&service, "olga").await;
    let others = wire::ListHoldsRequest { service: "chat".into(), ..all() };
    assert_eq!(olga.governance.list_holds(others).await.unwrap_err().code(), Code::PermissionDenied);
    let mut gateway = Person::named(&service, "gateway-1").await;
    assert_eq!(gateway.governance.list_holds(all()).await.unwrap_err().code(), Code::PermissionDenied);
    service.stop().await;
}

#[tokio::test]
async fn since_when_holds_are_known_is_told_and_a_restart_forgets() {
    let service = with_holds().await;
    let mut victor = Person::named(&service, "victor").await;
    assert_eq!(told(&mut victor, all()).await.known_since, Some(s(0)), "not before the service began");
    let service = service.restart().await;
    let mut victor = Person::named(&service, "victor").await;
    let forgotten = told(&mut victor, all()).await;
    assert_eq!((services(&forgotten), forgotten.known_since), (vec![], Some(s(60))));
    service.advance(1_000);
    hold(&service, (4, "chat", "gpt"), 100).await;
    let gpt = wire::ListHoldsRequest { pool: "gpt".into(), ..all() };
    let known = told(&mut victor, gpt).await;
    let since = known.known_since.unwrap().seconds - s(60).seconds;
    assert_eq!((services(&known), since), (vec!["chat"], 100), "a quarter of an hour at most");
    service.stop().await;
}

#[tokio::test]
async fn what_a_removed_service_holds_is_told_by_its_name_and_a_name_that_never_was_is_not_found() {
    let service = with_holds().await;
    let mut root = Person::with(&service, TOKEN).await;
    root.governance.apply_policy(applying(policy_without("ops"))).await.unwrap();
    let mut victor = Person::named(&service, "victor").await;
    let batch = |older_than: Option<i64>| wire::ListHoldsRequest {
        service: "batch".into(),
        older_than: older_than.map(|seconds| prost_types::Duration { seconds, nanos: 0 }),
        ..all()
    };
    assert_eq!(services(&told(&mut victor, batch(None)).await), ["batch", "batch"]);
    let ada = wire::ListHoldsRequest { pool: "ada".into(), ..all() };
    assert_eq!(services(&told(&mut victor, ada).await), ["batch"]);
    assert_eq!(services(&told(&mut victor, batch(Some(3_600))).await), [""; 0], "it was there");
    let never = wire::ListHoldsRequest { service: "never".into(), ..all() };
    assert_eq!(victor.governance.list_holds(never).await.unwrap_err().code(), Code::NotFound);
    let never = wire::ListHoldsRequest { pool: "never".into(), ..all() };
    assert_eq!(victor.governance.list_holds(never).await.unwrap_err().code(), Code::NotFound);
    service.stop().await;
}

#[tokio::test]
async fn pages_tell_every_hold_once_in_order() {
    let service = organisation().await;
    for number in 1..=10 {
        let pool = if number % 2 == 0 { "gpt" } else { "ada" };
        hold(&service, (number, "batch", pool), 1).await;
        service.advance(1);
    }
    let mut victor = Person::named(&service, "victor").await;
    let (mut request, mut seen) = (wire::ListHoldsRequest { page_size: 3, ..all() }, Vec::new());
    loop {
        let page = told(&mut victor, request.clone()).await;
        assert!(page.holds.len() <= 3);
        seen.extend(page.holds.into_iter().map(|hold| hold.reservation_id));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    let expected: Vec<_> = told(&mut victor, all()).await.holds;
    assert!(expected.is_sorted_by_key(|hold| hold.since.map(|since| since.seconds)));
    assert_eq!(seen, expected.into_iter().map(|hold| hold.reservation_id).collect::<Vec<_>>());
    assert_eq!(seen.len(), 10);
    service.stop().await;
}

#[tokio::test]
async fn what_cannot_be_asked_of_holds_is_named() {
    let service = organisation().await;
    let mut victor = Person::named(&service, "victor").await;
    let age = Some(prost_types::Duration { seconds: -1, nanos: 0 });
    for (field, request) in [
        ("page_size", wire::ListHoldsRequest { page_size: 1_001, ..all() }),
        ("page_token", wire::ListHoldsRequest { page_token: "next".into(), ..all() }),
        ("older_than", wire::ListHoldsRequest { older_than: age, ..all() }),
    ] {
        let refused = victor.governance.list_holds(request).await.unwrap_err();
        let violations = refused.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations[0].field, field, "{refused}");
    }
    let nosuch = wire::ListHoldsRequest { service: "chatt".into(), ..all() };
    let refused = victor.governance.list_holds(nosuch).await.unwrap_err();
    assert_eq!(refused.message(), "there is no service named chatt; near to it: chat");
    service.stop().await;
}
