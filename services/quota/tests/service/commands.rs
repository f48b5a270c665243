//! What every command has in common: it is known when it comes again, and it holds for what whoever gives it has seen. And
//! who may have a burst at all.

use tonic::Code;
use tonic_types::StatusExt;
use weir_proto::governance::v1 as wire;
use weir_proto::quota::v1 as quota;
use weir_quota::Config;

use crate::people::*;
use crate::support::{Service, Setup, TOKEN, s};

fn ending(exception: &str, secs: i64, request_id: &str) -> wire::GrantExceptionRequest {
    let mut exception = exception_of(exception);
    exception.end = Some(s(secs));
    wire::GrantExceptionRequest { request_id: request_id.into(), ..granting(exception) }
}

fn exception_of(name: &str) -> wire::Exception {
    exception(name, "chat", 500)
}

/// When the only exception ends.
async fn end_of(person: &mut Person) -> Option<prost_types::Timestamp> {
    let listed =
        person.governance.list_exceptions(wire::ListExceptionsRequest {}).await.unwrap().into_inner();
    listed.exceptions[0].end
}

/// The organisation's version.
async fn version(person: &mut Person) -> String {
    person.governance.list_exceptions(wire::ListExceptionsRequest {}).await.unwrap().into_inner().etag
}

#[tokio::test]
async fn a_command_that_comes_late_a_second_time_undoes_nothing_even_after_a_crash() {
    let mut service = organisation().await;
    for restart in [false, true] {
        let name = format!("more-{restart}");
        let mut grace = Person::named(&service, "grace").await;
        let first = ending(&name, 500, &name);
        assert!(grace.governance.grant_exception(first.clone()).await.unwrap().into_inner().changed);
        let longer = ending(&name, 900, "");
        assert!(grace.governance.grant_exception(longer).await.unwrap().into_inner().changed);
        if restart {
            service = service.crash().await;
            grace = Person::named(&service, "grace").await;
        }
        assert!(!grace.governance.grant_exception(first).await.unwrap().into_inner().changed);
        assert_eq!(end_of(&mut grace).await, Some(s(900)));
        let end = wire::EndExceptionRequest { reason: "over".into(), id: name, ..Default::default() };
        grace.governance.end_exception(end).await.unwrap();
    }
    service.stop().await;
}

#[tokio::test]
async fn no_two_commands_have_one_request_id() {
    let service = organisation().await;
    let mut grace = Person::named(&service, "grace").await;
    grace.governance.grant_exception(ending("one", 500, "4711")).await.unwrap();
    let mut ada = Person::named(&service, "ada").await;
    for refused in [
        grace.governance.grant_exception(ending("one", 600, "4711")).await,
        ada.governance.grant_exception(ending("one", 500, "4711")).await,
    ] {
        let refused = refused.unwrap_err();
        let violations = refused.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations[0].field, "request_id", "{refused}");
    }
    service.stop().await;
}

#[tokio::test]
async fn a_command_that_changed_nothing_undoes_nothing_when_it_comes_late_and_its_id_is_used_up() {
    let mut service = organisation().await;
    let mut grace = Person::named(&service, "grace").await;
    assert!(grace.governance.grant_exception(ending("one", 500, "")).await.unwrap().into_inner().changed);
    let again = ending("one", 500, "4711");
    let etag = version(&mut grace).await;
    assert!(!grace.governance.grant_exception(again.clone()).await.unwrap().into_inner().changed);
    assert_eq!(version(&mut grace).await, etag, "nothing was decided");
    assert!(grace.governance.grant_exception(ending("one", 900, "")).await.unwrap().into_inner().changed);
    for restart in [false, true] {
        if restart {
            service = service.crash().await;
            grace = Person::named(&service, "grace").await;
        }
        let late = grace.governance.grant_exception(again.clone()).await.unwrap().into_inner();
        assert!(!late.changed);
        assert_eq!(end_of(&mut grace).await, Some(s(900)));
        let other = grace.governance.grant_exception(ending("two", 500, "4711")).await.unwrap_err();
        assert_eq!(other.get_details_bad_request().unwrap().field_violations[0].field, "request_id");
    }
    let forgive = wire::ForgiveDebtRequest {
        reason: "none".into(),
        pool: "gpt".into(),
        service: "chat".into(),
        request_id: "4712".into(),
        ..Default::default()
    };
    let mut ada = Person::named(&service, "ada").await;
    assert!(!ada.governance.forgive_debt(forgive).await.unwrap().into_inner().changed, "nothing is owed");
    service.stop().await;
}

#[tokio::test]
async fn a_command_holds_for_the_version_that_was_seen_and_no_other() {
    let service = organisation().await;
    let mut wendy = Person::named(&service, "wendy").await;
    let listed =
        wendy.governance.list_caller_keys(wire::ListCallerKeysRequest {}).await.unwrap().into_inner();
    let create = |id| wire::CreateCallerKeyRequest { etag: listed.etag.clone(), ..caller_key(id, "chat") };
    wendy.governance.create_caller_key(create("one")).await.unwrap();
    let refused = wendy.governance.create_caller_key(create("two")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Aborted, "{refused}");
    assert!(
        !wendy.governance.create_caller_key(create("one")).await.unwrap().into_inner().created,
        "it is so"
    );
    let late = wire::RequestBurstRequest { etag: listed.etag.clone(), ..asking(burst("launch", (60, 120))) };
    let refused = wendy.governance.request_burst(late).await.unwrap_err();
    assert_eq!(refused.code(), Code::Aborted, "{refused}");
    service.stop().await;
}

#[tokio::test]
async fn where_two_are_wanted_nobody_approves_what_they_asked_for() {
    let service = organisation_with(Config { requester_may_approve: false, ..Config::default() }).await;
    let mut ada = Person::named(&service, "ada").await;
    ada.governance.request_burst(asking(burst("launch", (60, 120)))).await.unwrap();
    let refused = ada.governance.approve_burst(approving("launch")).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    let mut grace = Person::named(&service, "grace").await;
    let approved = grace.governance.approve_burst(approving("launch")).await.unwrap().into_inner();
    assert_eq!(approved.burst.unwrap().decision_reason, approving("launch").reason);
    service.stop().await;
}

#[tokio::test]
async fn a_service_for_which_nobody_answers_is_given_no_burst() {
    let service = organisation().await;
    let mut ada = Person::named(&service, "ada").await;
    let mut policy = ada
        .governance
        .export_policy(wire::ExportPolicyRequest {})
        .await
        .unwrap()
        .into_inner()
        .policy
        .unwrap();
    let chat = policy.services.iter_mut().find(|service| service.id == "chat").unwrap();
    chat.owner.clear();
    chat.allocations[0].baseline_per_minute = 1_000;
    chat.allocations[0].ceiling_per_minute = 1_000;
    chat.allocations[0].lending_per_minute = None;
    ada.governance.apply_policy(applying(policy)).await.unwrap();
    let refused = ada.governance.request_burst(asking(burst("launch", (60, 120)))).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert!(refused.message().contains("names no owner or no use case"), "{refused}");
    service.stop().await;
}

#[tokio::test]
async fn headroom_tells_of_bursts_that_are_to_come() {
    let service = organisation().await;
    let (mut wendy, mut grace) =
        (Person::named(&service, "wendy").await, Person::named(&service, "grace").await);
    wendy.governance.request_burst(asking(burst("launch", (60, 120)))).await.unwrap();
    let coming = async |service: &Service| {
        let told = service.headroom("chat").await.coming;
        told.into_iter().map(|change| (change.at.unwrap(), change.what)).collect::<Vec<_>>()
    };
    assert_eq!(coming(&service).await, [], "nobody has approved it");
    grace.governance.approve_burst(approving("launch")).await.unwrap();
    let told = coming(&service).await;
    assert_eq!((told.len(), told[0].0), (1, s(60)));
    assert!(told[0].1.starts_with("burst launch begins: "), "{told:?}");
    service.advance(60);
    assert_eq!(coming(&service).await, [], "it is active now");
    service.stop().await;
}

#[tokio::test]
async fn a_gateway_with_a_key_of_its_own_opens_no_session_as_another() {
    let service = organisation().await;
    let mut gateway = Person::named(&service, "gateway-1").await;
    let mut open = async |node: &str| {
        let open = quota::SessionOpen { node: node.into(), ..Default::default() };
        let open = quota::SessionRequest { request: Some(quota::session_request::Request::Open(open)) };
        let asked = tokio_stream_of(open);
        let mut answers = gateway.admission.session(asked).await.unwrap().into_inner();
        answers.message().await
    };
    assert!(open("gateway-1").await.is_ok());
    let refused = open("gateway-2").await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().starts_with("open.node: is gateway-2, and the key"), "{refused}");
    service.stop().await;
}

fn tokio_stream_of(
    open: quota::SessionRequest,
) -> impl futures_util::Stream<Item = quota::SessionRequest> + Send + 'static {
    use futures_util::{StreamExt, stream};
    stream::iter([open]).chain(stream::pending())
}

#[tokio::test]
async fn a_fleet_of_gateways_that_share_a_name_is_not_counted_as_one_person() {
    let service = Service::start_with(Setup::default()).await.with_policy().await;
    let mut admin = Person::with(&service, TOKEN).await;
    for _ in 0..59 {
        let watch = wire::WatchDirectoryRequest { node: "gateway".into() };
        admin.governance.watch_directory(watch).await.unwrap();
    }
    for _ in 0..20 {
        admin.who().await.unwrap();
    }
    service.stop().await;
}
