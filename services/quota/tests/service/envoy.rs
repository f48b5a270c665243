//! What an Envoy rate-limit filter asks and is told.

mod mapping;
mod reports;

use tonic::Code as Status;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_types::StatusExt;
use weir_proto::codec::duration_from_wire;
use weir_proto::envoy::extensions::common::ratelimit::v3::RateLimitDescriptor;
use weir_proto::envoy::extensions::common::ratelimit::v3::rate_limit_descriptor::Entry;
use weir_proto::envoy::service::ratelimit::v3::rate_limit_response::rate_limit::Unit;
use weir_proto::envoy::service::ratelimit::v3::rate_limit_response::{Code, DescriptorStatus};
use weir_proto::envoy::service::ratelimit::v3::rate_limit_service_client::RateLimitServiceClient;
use weir_proto::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use weir_proto::governance::v1::budget::Limit;
use weir_proto::governance::v1::{Budget, MoneyLimit, Period, Role};
use weir_proto::quota::v1::{GetHeadroomRequest, Headroom};
use weir_proto::record::Topic;
use weir_quota::Config;
use weir_quota::config::{Auth, Charge, EntryKey, Envoy, Part, Rule, Unmatched};
use weir_runtime::journal::memory::Fault;
use weir_runtime::secrets::SecretSource;

use crate::people::access_key;
use crate::support::*;

fn entry(key: &str) -> Part {
    Part::Entry(EntryKey { entry: key.into() })
}

/// Whoever states a service takes from the pool `gpt`.
fn rule() -> Rule {
    Rule {
        domain: "llm".into(),
        entries: [].into(),
        service: entry("service"),
        pool: Part::Fixed("gpt".into()),
        model: Some(Part::Fixed("gpt-4o".into())),
        request: None,
        tokens_default: None,
        charge: Charge::OnRequest,
        shadow: false,
    }
}

/// A rule for descriptors that have an entry `phase` of this value.
fn in_phase(phase: &str, rule: Rule) -> Rule {
    Rule { entries: [("phase".to_owned(), phase.to_owned())].into(), ..rule }
}

async fn start(rules: Vec<Rule>) -> Service {
    start_with(Envoy { unmatched: Unmatched::Ok, rules }).await
}

async fn start_with(envoy: Envoy) -> Service {
    let config = Config { envoy, ..Config::default() };
    Service::start_with(Setup { config, ..Setup::default() }).await.with_policy().await
}

/// `key=value` entries, and how many tokens they take if that is stated.
fn descriptor(entries: &[(&str, &str)], hits: Option<u64>) -> RateLimitDescriptor {
    let entry = |(key, value): &(&str, &str)| Entry { key: (*key).into(), value: (*value).into() };
    RateLimitDescriptor { entries: entries.iter().map(entry).collect(), hits_addend: hits }
}

fn chat(tokens: u64) -> RateLimitDescriptor {
    descriptor(&[("service", "chat")], Some(tokens))
}

fn asking(descriptors: Vec<RateLimitDescriptor>) -> RateLimitRequest {
    RateLimitRequest { domain: "llm".into(), descriptors, hits_addend: 0 }
}

type Filter = RateLimitServiceClient<InterceptedService<Channel, Bearer>>;

/// A filter as it is configured to ask.
async fn filter(service: &Service) -> Filter {
    RateLimitServiceClient::with_interceptor(channel(service).await, Bearer(TOKEN))
}

async fn channel(service: &Service) -> Channel {
    Channel::from_shared(format!("http://{}", service.address)).unwrap().connect().await.unwrap()
}

async fn try_ask(service: &Service, request: RateLimitRequest) -> Result<RateLimitResponse, tonic::Status> {
    filter(service).await.should_rate_limit(request).await.map(tonic::Response::into_inner)
}

async fn ask(service: &Service, descriptors: Vec<RateLimitDescriptor>) -> RateLimitResponse {
    try_ask(service, asking(descriptors)).await.unwrap()
}

fn codes(response: &RateLimitResponse) -> Vec<Code> {
    response.statuses.iter().map(DescriptorStatus::code).collect()
}

fn header<'a>(response: &'a RateLimitResponse, name: &str) -> Option<&'a str> {
    let found = response.response_headers_to_add.iter().find(|header| header.key == name);
    found.map(|header| header.value.as_str())
}

fn error(response: &RateLimitResponse) -> serde_json::Value {
    serde_json::from_slice::<serde_json::Value>(&response.raw_body).unwrap()["error"].clone()
}

/// What is settled and what is held of a service.
async fn charged_and_held(service: &Service, name: &str) -> (u64, u64) {
    let headroom = service.headroom(name).await;
    (headroom.settled_total, headroom.held.saturating_sub(free(&headroom)))
}

/// The part of what is drawn that nobody holds: it is in hand, and available.
fn free(headroom: &Headroom) -> u64 {
    if headroom.holds == 0 { headroom.held } else { 0 }
}

#[tokio::test]
async fn what_is_admitted_is_charged_to_the_token_and_what_is_refused_is_not() {
    let service = start(vec![rule()]).await;
    let mut admitted = 0;
    for round in 0_u64..40 {
        let hits = 90 + round * 7;
        let response = ask(&service, vec![chat(hits)]).await;
        match response.overall_code() {
            Code::Ok => admitted += hits,
            code => assert_eq!(code, Code::OverLimit),
        }
        service.advance(1);
    }
    assert!(admitted > 3_000, "{admitted}: a second brings 100 tokens");
    assert_eq!(charged_and_held(&service, "chat").await, (admitted, 0));
    let service = service.crash().await;
    assert_eq!(
        service.headroom("chat").await.settled_total,
        admitted,
        "what was said to pass is in the journal"
    );
    service.stop().await;
}

#[tokio::test]
async fn of_500_concurrent_requests_for_what_fits_100_exactly_100_pass() {
    let service = start(vec![rule()]).await;
    let filter = filter(&service).await;
    let calls = (0..500).map(|_| {
        let mut filter = filter.clone();
        async move { filter.should_rate_limit(asking(vec![chat(10)])).await.unwrap().into_inner() }
    });
    let responses = futures_util::future::join_all(calls).await;
    let passed = responses.iter().filter(|response| response.overall_code() == Code::Ok).count();
    assert_eq!((passed, service.headroom("chat").await.settled_total), (100, 1_000));
    service.stop().await;
}

#[tokio::test]
async fn a_status_names_the_guarantee_a_minute_what_is_left_and_when_it_is_full() {
    let service = start(vec![rule()]).await;
    let response = ask(&service, vec![chat(250)]).await;
    let status = &response.statuses[0];
    let limit = status.current_limit.clone().unwrap();
    assert_eq!(
        (limit.name.as_str(), limit.requests_per_unit, limit.unit()),
        ("chat/gpt", 6_000, Unit::Minute)
    );
    assert_eq!(status.limit_remaining, 750);
    assert_eq!(header(&response, "x-ratelimit-limit-tokens"), Some("6000"));
    assert_eq!(header(&response, "x-ratelimit-remaining-tokens"), Some("750"));
    assert!(header(&response, "x-ratelimit-reset-tokens").is_some());
    assert_eq!((header(&response, "retry-after"), response.raw_body.is_empty()), (None, true));
    service.stop().await;
}

#[tokio::test]
async fn a_refusal_says_when_the_same_passes_and_then_it_does() {
    let service = start(vec![rule()]).await;
    assert_eq!(ask(&service, vec![chat(900)]).await.overall_code(), Code::Ok);
    let refused = ask(&service, vec![chat(1_000)]).await;
    assert_eq!((refused.overall_code(), codes(&refused)), (Code::OverLimit, vec![Code::OverLimit]));
    let wait_ms: u64 = header(&refused, "retry-after-ms").unwrap().parse().unwrap();
    let wait_s: u64 = header(&refused, "retry-after").unwrap().parse().unwrap();
    assert_eq!((wait_ms, wait_s), (9_000, 9), "900 tokens at 100 a second");
    let reset = refused.statuses[0].duration_until_reset.as_ref().map(duration_from_wire).unwrap();
    assert_eq!(reset.as_secs(), 9);
    let error = error(&refused);
    assert_eq!(
        (error["type"].as_str(), error["code"].as_str()),
        (Some("tokens"), Some("rate_limit_exceeded"))
    );
    assert!(
        error["message"].as_str().unwrap().contains("1000 tokens were asked") && error["param"].is_null()
    );
    assert_eq!(header(&refused, "content-type"), Some("application/json"));
    service.advance(8);
    assert_eq!(ask(&service, vec![chat(1_000)]).await.overall_code(), Code::OverLimit);
    service.advance(1);
    assert_eq!(ask(&service, vec![chat(1_000)]).await.overall_code(), Code::Ok);
    service.stop().await;
}

#[tokio::test]
async fn what_can_never_pass_tells_the_caller_to_stop() {
    let service = start(vec![rule()]).await;
    let nobody = descriptor(&[("service", "nobody")], Some(1));
    let no_name = descriptor(&[("service", "No Name!")], Some(1));
    for never in [chat(1_001), nobody, no_name] {
        let refused = ask(&service, vec![never]).await;
        assert_eq!(refused.overall_code(), Code::OverLimit);
        assert_eq!(header(&refused, "x-should-retry"), Some("false"));
        assert_eq!(header(&refused, "retry-after"), None);
        assert_eq!(error(&refused)["type"], "insufficient_quota");
    }
    service.stop().await;
}

#[tokio::test]
async fn a_request_that_one_descriptor_refuses_is_charged_to_none() {
    let mut policy = policy();
    policy.services.push(self::service("search", 600, 100));
    let service = start(vec![rule()]).await;
    service.apply(policy).await;
    let search = |tokens| descriptor(&[("service", "search")], Some(tokens));
    let both = ask(&service, vec![chat(400), search(60)]).await;
    assert_eq!((both.overall_code(), codes(&both)), (Code::Ok, vec![Code::Ok, Code::Ok]));
    let refused = ask(&service, vec![chat(400), search(60)]).await;
    assert_eq!((refused.overall_code(), codes(&refused)), (Code::OverLimit, vec![Code::Ok, Code::OverLimit]));
    assert_eq!(charged_and_held(&service, "chat").await, (400, 0));
    assert_eq!(charged_and_held(&service, "search").await, (60, 0));
    assert_eq!(ask(&service, vec![chat(600)]).await.overall_code(), Code::Ok, "what was held is back");
    service.stop().await;
}

#[tokio::test]
async fn zero_hits_ask_whether_the_usual_would_pass_and_take_nothing() {
    let service = start(vec![Rule { tokens_default: Some(600), ..rule() }]).await;
    for _ in 0..5 {
        assert_eq!(ask(&service, vec![chat(0)]).await.overall_code(), Code::Ok);
    }
    assert_eq!(ask(&service, vec![chat(500)]).await.overall_code(), Code::Ok);
    let refused = ask(&service, vec![chat(0)]).await;
    assert_eq!((refused.overall_code(), header(&refused, "retry-after")), (Code::OverLimit, Some("1")));
    assert_eq!(charged_and_held(&service, "chat").await, (500, 0));
    service.stop().await;
}

#[tokio::test]
async fn an_allocation_in_shadow_mode_lets_everything_pass_and_is_charged_for_it() {
    let service = start(vec![rule()]).await;
    service.apply(policy_with(|terms| terms.shadow = true)).await;
    for _ in 0..3 {
        assert_eq!(ask(&service, vec![chat(700)]).await.overall_code(), Code::Ok);
    }
    assert_eq!(service.headroom("chat").await.settled_total, 2_100);
    service.stop().await;
}

#[tokio::test]
async fn without_a_journal_there_is_no_decision_and_nothing_is_charged() {
    let service = start(vec![rule()]).await;
    assert_eq!(ask(&service, vec![chat(100)]).await.overall_code(), Code::Ok);
    for fault in [Fault::Rejected, Fault::Unknown { appended: 0 }] {
        service.journal.faults().next_append(Topic::Quota, fault);
        let status = try_ask(&service, asking(vec![chat(100)])).await.unwrap_err();
        assert_eq!(status.code(), Status::Unavailable, "{fault:?}: {status}");
        until_decided!(service.admission().await.get_headroom(GetHeadroomRequest {
            service: "chat".into(),
            pool: "gpt".into(),
            tokens: 0
        }));
        assert_eq!(service.headroom("chat").await.settled_total, 100, "{fault:?}");
    }
    service.stop().await;
}

#[tokio::test]
async fn a_budget_in_money_is_spent_by_hits_at_the_price_of_the_model() {
    let service = start(vec![rule()]).await;
    let limit = Limit::Money(MoneyLimit { nano: 5_000_000, currency: "USD".into() });
    let budget = Budget {
        id: "day".into(),
        limit: Some(limit),
        period: Period::Day.into(),
        zone: "UTC".into(),
        ..Default::default()
    };
    service.apply(policy_with(|terms| terms.budgets = vec![budget])).await;
    // 10 USD for a million tokens of output: 500 cost 5,000,000 nano-units.
    assert_eq!(ask(&service, vec![chat(500)]).await.overall_code(), Code::Ok);
    let headroom = service.headroom("chat").await;
    assert_eq!((headroom.settled_total, headroom.budgets[0].used), (500, 5_000_000));
    let refused = ask(&service, vec![chat(1)]).await;
    assert!(error(&refused)["message"].as_str().unwrap().contains("budget day"), "{refused:?}");
    service.stop().await;
}

#[tokio::test]
async fn a_gateways_token_asks_and_a_viewers_does_not() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("node.token"), "n0de\n").unwrap();
    let node_token = Some(SecretSource::File(dir.path().join("node.token")));
    let envoy = Envoy { rules: vec![rule()], ..Envoy::default() };
    let config = Config { envoy, auth: Auth { node_token, ..Auth::default() }, ..Config::default() };
    let service = Service::start_with(Setup { config, ..Setup::default() }).await.with_policy().await;
    let viewer = access_key("vera", Role::Viewer, "");
    service.governance().await.create_access_key(viewer).await.unwrap();
    let cases = [
        ("n0de", None),
        ("weir_access_vera", Some(Status::PermissionDenied)),
        ("guessed", Some(Status::Unauthenticated)),
    ];
    for (token, expected) in cases {
        let mut filter = RateLimitServiceClient::with_interceptor(channel(&service).await, Bearer(token));
        let said = filter.should_rate_limit(asking(vec![chat(10)])).await;
        assert_eq!(said.err().map(|status| status.code()), expected, "{token}");
    }
    assert_eq!(service.headroom("chat").await.settled_total, 10);
    service.stop().await;
}

#[tokio::test]
async fn health_and_reflection_know_the_service() {
    const NAME: &str = "envoy.service.ratelimit.v3.RateLimitService";
    let service = start(vec![]).await;
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel(&service).await);
    let request = tonic_health::pb::HealthCheckRequest { service: NAME.into() };
    let serving = tonic_health::pb::health_check_response::ServingStatus::Serving;
    assert_eq!(health.check(request).await.unwrap().into_inner().status(), serving);
    let mut reflection = ServerReflectionClient::with_interceptor(channel(&service).await, Bearer(TOKEN));
    let what = MessageRequest::FileContainingSymbol(NAME.into());
    let asked = ServerReflectionRequest { message_request: Some(what), ..Default::default() };
    let mut replies =
        reflection.server_reflection_info(futures_util::stream::iter([asked])).await.unwrap().into_inner();
    let described = replies.message().await.unwrap().unwrap().message_response;
    assert!(matches!(described, Some(MessageResponse::FileDescriptorResponse(_))), "{described:?}");
    service.stop().await;
}
