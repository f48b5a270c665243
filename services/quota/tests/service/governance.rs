//! Policy and exceptions over the wire.

use tonic::Code;
use tonic_types::StatusExt;
use weir_domain::fact::QuotaFact;
use weir_proto::codec::quota_event_from_record;
use weir_proto::governance::v1 as wire;
use weir_proto::record::Topic;
use weir_runtime::journal::{Journal, Offset, Partition};

use crate::people::*;
use crate::support::{Bearer, Service, TOKEN, s};

async fn root(service: &Service) -> Person {
    Person::with(service, TOKEN).await
}

async fn apply(person: &mut Person, policy: wire::Policy) -> wire::ApplyPolicyResponse {
    person.governance.apply_policy(applying(policy)).await.unwrap().into_inner()
}

async fn export(person: &mut Person) -> wire::ExportPolicyResponse {
    person.governance.export_policy(wire::ExportPolicyRequest {}).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_policy_is_applied_once_and_says_what_it_changed() {
    let service = Service::start().await;
    let mut root = root(&service).await;
    let applied = apply(&mut root, policy()).await;
    for about in [
        "pool ada",
        "pool gpt",
        "service chat in pool gpt",
        "team web",
        "service batch",
        "price of model gpt-4o",
    ] {
        assert!(
            applied.changes.iter().any(|line| line.starts_with(about)),
            "{about}: {:#?}",
            applied.changes
        );
    }
    let before = service.journal_records().await;
    let again = apply(&mut root, policy()).await;
    assert_eq!((again.changes, again.etag), (vec![], applied.etag));
    assert_eq!(service.journal_records().await, before);
    service.stop().await;
}

#[tokio::test]
async fn a_policy_with_several_problems_names_all_and_nothing_of_it_is_done() {
    let service = Service::start().await;
    let mut root = root(&service).await;
    let mut wrong = policy();
    wrong.services[0].team = "unheard".into();
    wrong.services[1].allocations = vec![share("gpt", 60_000)];
    wrong.services.push(wire::Service { allocations: vec![share("unheard", 1)], ..of("web", "search") });
    wrong.prices.push(wrong.prices[0].clone());
    let status = root.governance.apply_policy(applying(wrong)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let violations = status.get_details_bad_request().unwrap().field_violations;
    let places: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
    for place in ["service batch", "service search", "price of model embedding", "pool gpt"] {
        assert!(places.iter().any(|found| found.starts_with(place)), "{place}: {places:?}");
        assert!(status.message().contains(place), "{place}: {status}");
    }
    assert_eq!(service.journal_records().await, 0, "nothing of it is recorded");
    service.stop().await;
}

#[tokio::test]
async fn what_the_journal_would_not_take_is_told_before_it_gets_there() {
    let service = organisation().await;
    let before = service.journal_records().await;
    let (mut root, mut wendy) = (root(&service).await, Person::named(&service, "wendy").await);
    let field = |status: tonic::Status| {
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        status.get_details_bad_request().unwrap().field_violations[0].field.clone()
    };
    let mut wide = policy();
    wide.teams[1].contact = "x".repeat(65 << 10);
    assert_eq!(field(root.governance.apply_policy(applying(wide)).await.unwrap_err()), "policy.teams[1]");
    let verbose = wire::Burst { requester: "x".repeat(3 << 20), ..burst("launch", (10, 20)) };
    assert_eq!(field(wendy.governance.request_burst(asking(verbose)).await.unwrap_err()), "burst");
    let verbose = wire::Burst { reason: "x".repeat(5 << 10), ..burst("launch", (10, 20)) };
    assert_eq!(field(wendy.governance.request_burst(asking(verbose)).await.unwrap_err()), "reason");
    let verbose = wire::DecideBurstRequest { author: "x".repeat(257), ..deciding("launch") };
    assert_eq!(field(root.governance.deny_burst(verbose).await.unwrap_err()), "author");
    assert_eq!(service.journal_records().await, before);

    let mut large = policy();
    let teams = (0..100).map(|number| format!("team-{number}"));
    large.teams.extend(teams.map(|id| wire::Team { contact: "x".repeat(60 << 10), ..team(&id) }));
    let applied = apply(&mut root, large).await;
    assert_eq!(applied.changes.len(), 100, "6 MB in small things is a policy like any other");
    service.stop().await;
}

#[tokio::test]
async fn a_plan_says_what_would_change_and_changes_nothing() {
    let service = Service::start().await;
    let mut root = root(&service).await;
    let plan = wire::ApplyPolicyRequest { dry_run: true, ..applying(policy()) };
    let planned = root.governance.apply_policy(plan).await.unwrap().into_inner();
    assert_eq!(service.journal_records().await, 0);
    let applied = apply(&mut root, policy()).await;
    assert_eq!(planned.changes, applied.changes);
    assert_ne!(planned.etag, applied.etag);

    let mut full = policy();
    full.services[0].allocations[0].baseline_per_minute = 50_000;
    full.services[0].allocations[0].ceiling_per_minute = 50_000;
    let plan = wire::ApplyPolicyRequest { dry_run: true, ..applying(full) };
    let planned = root.governance.apply_policy(plan).await.unwrap().into_inner();
    assert!(
        planned.warnings.iter().any(|warning| warning.starts_with("pool gpt:")),
        "{:?}",
        planned.warnings
    );
    service.stop().await;
}

#[tokio::test]
async fn whoever_saw_an_older_policy_must_look_again() {
    let service = Service::start().await;
    let mut root = root(&service).await;
    let seen = export(&mut root).await.etag;
    let now = apply(&mut root, policy()).await.etag;
    let mut other = policy();
    other.teams[0].title = "Operations".into();
    let late = wire::ApplyPolicyRequest { etag: seen.clone(), ..applying(other.clone()) };
    let aborted = root.governance.apply_policy(late).await.unwrap_err();
    assert_eq!(aborted.code(), Code::Aborted);
    let info = aborted.get_details_error_info().unwrap();
    assert_eq!((&info.metadata["expected"], &info.metadata["found"]), (&seen, &now));
    let same = wire::ApplyPolicyRequest { etag: seen, ..applying(policy()) };
    assert!(root.governance.apply_policy(same).await.is_ok(), "what is so already is right in every version");
    let fresh = wire::ApplyPolicyRequest { etag: now, ..applying(other) };
    assert_eq!(root.governance.apply_policy(fresh).await.unwrap().into_inner().changes.len(), 1);
    service.stop().await;
}

#[tokio::test]
async fn every_decision_says_who_took_it_why_and_from_which_commit() {
    let service = Service::start().await;
    let mut root = root(&service).await;
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let request = wire::ApplyPolicyRequest {
        author: "grace".into(),
        reason: "review of July".into(),
        commit: commit.into(),
        ..applying(policy())
    };
    root.governance.apply_policy(request).await.unwrap();
    let mut decisions = 0;
    for index in 0..service.journal.partitions(Topic::Quota).await.unwrap() {
        let partition = Partition { topic: Topic::Quota, index };
        let mut reader = service.journal.read(partition, Offset::ZERO).await.unwrap();
        for stored in reader.next(100, std::time::Duration::ZERO).await.unwrap() {
            let by = match quota_event_from_record(&stored.record).unwrap().fact {
                QuotaFact::Org(event) => event.by,
                QuotaFact::Governed { event, .. } => event.by,
                _ => continue,
            };
            assert_eq!((by.author.as_str(), by.reason.as_str()), ("grace", "review of July"));
            assert_eq!(by.commit.as_deref(), Some(commit));
            decisions += 1;
        }
    }
    assert!(decisions > 8, "{decisions}");
    service.stop().await;
}

/// A policy that uses every field there is.
fn whole() -> wire::Policy {
    let mut policy = policy();
    policy.pools[0].requests_per_minute = Some(600);
    policy.pools[0].thresholds =
        Some(wire::Thresholds { critical_percent: 5, standard_percent: 10, batch_percent: 15 });
    let chat = &mut policy.services[1];
    chat.contact = "#chat".into();
    chat.population = "all customers".into();
    chat.metric = "tickets solved".into();
    chat.environment = wire::Environment::Staging.into();
    chat.data_class = wire::DataClass::Restricted.into();
    chat.regions = vec!["swedencentral".into(), "westeurope".into()];
    chat.priority = wire::Priority::Critical.into();
    let money = wire::budget::Limit::Money(wire::MoneyLimit { nano: 5_000_000_000, currency: "USD".into() });
    let budget = |id: &str, limit, soft| wire::Budget {
        id: id.into(),
        limit: Some(limit),
        period: wire::Period::Month.into(),
        zone: "Europe/Berlin".into(),
        soft,
        thresholds_percent: vec![50, 80, 100],
    };
    chat.allocations = vec![wire::Allocation {
        ceiling_per_minute: 20_000,
        lending_per_minute: Some(1_000),
        requests_per_minute: Some(60),
        in_flight_max: Some(8),
        open_tokens_per_outage: 500,
        shadow: true,
        budgets: vec![
            budget("money", money, false),
            budget("tokens", wire::budget::Limit::Tokens(1_000_000), true),
        ],
        priority: wire::Priority::Critical.into(),
        ..share("gpt", 6_000)
    }];
    policy.services[0].allocations[0].requests_per_minute = Some(30);
    policy.services[0].owner = String::new();
    let end = Some(s(5_000));
    policy.exceptions = vec![wire::Exception {
        waives_sandbox_limit: true,
        waives_other: String::new(),
        end,
        ..exception("no-owner", "batch", 0)
    }];
    let granted = |id: &str, best_effort| wire::Burst {
        approved_by: "grace".into(),
        requester: "wendy".into(),
        best_effort,
        ..burst(id, (60, 120))
    };
    policy.bursts = vec![granted("b1", false), granted("b2", true)];
    policy
}

#[tokio::test]
async fn an_export_applied_to_an_empty_journal_exports_the_same() {
    let service = Service::start().await;
    let mut first = root(&service).await;
    apply(&mut first, whole()).await;
    let request = wire::RequestBurstRequest { author: "wendy".into(), ..asking(burst("asked", (200, 300))) };
    first.governance.request_burst(request).await.unwrap();
    let approve = wire::ApproveBurstRequest { author: "grace".into(), ..approving("asked") };
    first.governance.approve_burst(approve).await.unwrap();
    let exported = export(&mut first).await.policy.unwrap();
    assert_eq!(exported.bursts.len(), 3);
    assert_eq!(exported.exceptions.len(), 1);
    assert_eq!(apply(&mut first, exported.clone()).await.changes, [""; 0], "it is so already");

    let other = Service::start().await;
    let mut second = root(&other).await;
    apply(&mut second, exported.clone()).await;
    assert_eq!(export(&mut second).await.policy.unwrap(), exported);
    assert_eq!(apply(&mut second, exported.clone()).await.changes, [""; 0], "applying twice changes nothing");
    let other = other.restart().await;
    assert_eq!(export(&mut root(&other).await).await.policy.unwrap(), exported);
    service.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn exceptions_end_by_themselves_or_when_somebody_says_so() {
    let service = organisation().await;
    let mut grace = Person::named(&service, "grace").await;
    for (id, end) in [("later", 300), ("sooner", 100), ("ended", 500)] {
        let granted = grace.governance.grant_exception(granting(exception(id, "chat", end))).await.unwrap();
        assert!(granted.into_inner().changed);
    }
    let again = grace.governance.grant_exception(granting(exception("later", "chat", 300))).await.unwrap();
    assert!(!again.into_inner().changed);
    let end = wire::EndExceptionRequest { reason: "built".into(), id: "ended".into(), ..Default::default() };
    assert!(grace.governance.end_exception(end.clone()).await.unwrap().into_inner().ended);
    assert!(!grace.governance.end_exception(end).await.unwrap().into_inner().ended);
    let mut open = async || {
        let listed =
            grace.governance.list_exceptions(wire::ListExceptionsRequest {}).await.unwrap().into_inner();
        listed.exceptions.into_iter().map(|exception| exception.id).collect::<Vec<_>>()
    };
    assert_eq!(open().await, ["sooner", "later"]);
    service.advance(100);
    assert_eq!(open().await, ["later"]);
    service.stop().await;
}

#[tokio::test]
async fn what_stands_by_an_exception_ends_with_it() {
    let service = organisation().await;
    let (mut root, mut grace) = (root(&service).await, Person::named(&service, "grace").await);
    let mut anonymous = policy();
    anonymous.services[1].owner = String::new();
    let refused = root.governance.apply_policy(applying(anonymous.clone())).await.unwrap_err();
    assert!(refused.message().contains("sandbox"), "{refused}");
    let waiver = wire::Exception {
        waives_sandbox_limit: true,
        waives_other: String::new(),
        ..exception("no-owner", "chat", 300)
    };
    grace.governance.grant_exception(granting(waiver)).await.unwrap();
    apply(&mut root, anonymous).await;
    assert_eq!(service.headroom("chat").await.standing.unwrap().rate_per_minute, 6_000);
    let service = service.restart().await;
    service.advance(300);
    assert_eq!(service.headroom("chat").await.standing.unwrap().rate_per_minute, 1_000, "the sandbox");
    service.stop().await;
}

#[tokio::test]
async fn a_decision_without_author_or_reason_is_refused() {
    let service = Service::start().await;
    let mut root = root(&service).await;
    for (field, author, reason) in [("author", " ", "why"), ("reason", "ada", "")] {
        let request =
            wire::ApplyPolicyRequest { author: author.into(), reason: reason.into(), ..applying(policy()) };
        let status = root.governance.apply_policy(request).await.unwrap_err();
        assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, field);
    }
    service.stop().await;
}

#[tokio::test]
async fn health_is_open_to_all() {
    let service = organisation().await;
    let channel = tonic::transport::Channel::from_shared(format!("http://{}", service.address)).unwrap();
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel.connect().await.unwrap());
    let request = tonic_health::pb::HealthCheckRequest { service: "weir.quota.v1.AdmissionService".into() };
    let reply = health.check(request).await.unwrap().into_inner();
    assert_eq!(reply.status(), tonic_health::pb::health_check_response::ServingStatus::Serving);
    assert_eq!(service.health.problems(), Vec::<String>::new());
    service.stop().await;
}

#[tokio::test]
async fn reflection_describes_the_services_to_whoever_is_known() {
    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    let service = Service::start().await;
    let channel = tonic::transport::Channel::from_shared(format!("http://{}", service.address)).unwrap();
    let channel = channel.connect().await.unwrap();
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let asked = || futures_util::stream::iter([request.clone()]);
    let mut stranger = ServerReflectionClient::with_interceptor(channel.clone(), Bearer("guessed"));
    assert_eq!(stranger.server_reflection_info(asked()).await.unwrap_err().code(), Code::Unauthenticated);
    let mut client = ServerReflectionClient::with_interceptor(channel, Bearer(TOKEN));
    let mut replies = client.server_reflection_info(asked()).await.unwrap().into_inner();
    let reply = replies.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = reply else { panic!("{reply:?}") };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    assert!(names.contains(&"weir.quota.v1.AdmissionService"), "{names:?}");
    assert!(names.contains(&"weir.governance.v1.GovernanceService"), "{names:?}");
    service.stop().await;
}
