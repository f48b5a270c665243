//! Policy, keys, the directory and who may call, over the wire.

use tonic::Code;
use tonic_types::StatusExt;
use weir_proto::governance::v1 as wire;

use crate::support::{service as allocated, *};

#[tokio::test]
async fn a_policy_is_applied_once_and_says_what_it_changed() {
    let service = Service::start().await;
    let mut client = service.governance().await;
    let changes = client.apply_policy(apply(policy())).await.unwrap().into_inner().changes;
    assert_eq!(
        changes,
        [
            "pool gpt: new, 60000 tokens a minute",
            "service chat in pool gpt: 6000 tokens a minute, requests up to 1000 (new)",
            "team web: Web",
            "service chat: of team web, owned by Ada",
            "price of gpt-4o: set from 2025-06-15T15:06:40Z on, in USD",
        ]
    );
    let again = client.apply_policy(apply(policy())).await.unwrap().into_inner().changes;
    assert_eq!(again, Vec::<String>::new());
    service.stop().await;
}

#[tokio::test]
async fn a_policy_that_does_not_hold_together_is_refused_whole() {
    let service = Service::start().await;
    let mut client = service.governance().await;
    let mut wrong = policy();
    wrong.services.push(allocated("search", 60_000, 1));
    wrong.services.push(wire::Service { team: "nobody".into(), ..allocated("batch", 0, 1) });
    let status = client.apply_policy(apply(wrong)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let violations = status.get_details_bad_request().unwrap().field_violations;
    let places: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(places, ["service batch", "pool gpt"]);
    assert_eq!(service.journal_records().await, 0, "nothing of it is recorded");
    service.stop().await;
}

#[tokio::test]
async fn watchers_see_the_directory_now_and_after_every_change() {
    let service = Service::start().await.with_policy().await;
    let mut client = service.governance().await;
    let request = wire::WatchDirectoryRequest { node: "gateway-1".into() };
    let mut stream = client.watch_directory(request).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap();
    assert_eq!(first.services[0].pools, ["gpt"]);
    assert_eq!(first.keys.len(), 0);

    assert!(client.create_caller_key(key("chat-1", 1)).await.unwrap().into_inner().created);
    let second = stream.message().await.unwrap().unwrap();
    assert_eq!(second.keys[0].id, "chat-1");
    assert!(second.version > first.version);

    let request =
        wire::RevokeCallerKeyRequest { author: "ada".into(), reason: "left".into(), id: "chat-1".into() };
    assert!(client.revoke_caller_key(request.clone()).await.unwrap().into_inner().revoked);
    assert!(!client.revoke_caller_key(request).await.unwrap().into_inner().revoked);
    assert_eq!(stream.message().await.unwrap().unwrap().keys.len(), 0);
    service.stop().await;
    assert!(stream.message().await.is_ok_and(|end| end.is_none()), "a watch ends with the service");
}

#[tokio::test]
async fn keys_outlive_a_restart_and_their_names_are_never_used_again() {
    let service = Service::start().await.with_policy().await;
    let mut client = service.governance().await;
    client.create_caller_key(key("chat-1", 1)).await.unwrap();
    let service = service.restart().await;
    let mut client = service.governance().await;
    let listed = client.list_caller_keys(wire::ListCallerKeysRequest {}).await.unwrap().into_inner();
    assert_eq!(listed.keys[0].sha256, [1; 32]);
    assert!(!client.create_caller_key(key("chat-1", 1)).await.unwrap().into_inner().created);
    assert_eq!(client.create_caller_key(key("chat-1", 2)).await.unwrap_err().code(), Code::AlreadyExists);
    assert_eq!(client.create_caller_key(key("chat-2", 1)).await.unwrap_err().code(), Code::InvalidArgument);
    service.stop().await;
}

#[tokio::test]
async fn a_decision_without_author_or_reason_is_refused() {
    let service = Service::start().await;
    let mut client = service.governance().await;
    for (field, author, reason) in [("author", " ", "why"), ("reason", "ada", "")] {
        let request =
            wire::ApplyPolicyRequest { author: author.into(), reason: reason.into(), policy: Some(policy()) };
        let status = client.apply_policy(request).await.unwrap_err();
        assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, field);
    }
    service.stop().await;
}

#[tokio::test]
async fn a_wrong_token_gets_nothing_but_health() {
    let service = Service::start().await.with_policy().await;
    let mut client = service.governance_as("guessed").await;
    let status = client.list_caller_keys(wire::ListCallerKeysRequest {}).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);

    let channel = tonic::transport::Channel::from_shared(format!("http://{}", service.address)).unwrap();
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel.connect().await.unwrap());
    let request = tonic_health::pb::HealthCheckRequest { service: "weir.quota.v1.AdmissionService".into() };
    let reply = health.check(request).await.unwrap().into_inner();
    assert_eq!(reply.status(), tonic_health::pb::health_check_response::ServingStatus::Serving);
    assert_eq!(service.health.problems(), Vec::<String>::new());
    service.stop().await;
}

#[tokio::test]
async fn reflection_describes_the_services() {
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    let service = Service::start().await;
    let channel = tonic::transport::Channel::from_shared(format!("http://{}", service.address)).unwrap();
    let channel = channel.connect().await.unwrap();
    let mut client = ServerReflectionClient::with_interceptor(channel, Bearer(TOKEN));
    let request = tonic_reflection::pb::v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut replies =
        client.server_reflection_info(futures_util::stream::iter([request])).await.unwrap().into_inner();
    let reply = replies.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = reply else { panic!("{reply:?}") };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    assert!(names.contains(&"weir.quota.v1.AdmissionService"), "{names:?}");
    assert!(names.contains(&"weir.governance.v1.GovernanceService"), "{names:?}");
    service.stop().await;
}
