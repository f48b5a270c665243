//! A policy tried on the past: what is found, what is refused, and that one runs at a time.

use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt;
use weir_domain::amount::Tokens;
use weir_domain::ids::{AttemptId, EventId, HoldId, RequestId};
use weir_domain::time::Timestamp;
use weir_domain::usage::{
    AttemptOutcome, Operation, TokenUsage, UsageBounds, UsageEvent, UsageRecorded, UsageSource,
};
use weir_proto::codec::usage_to_record;
use weir_proto::governance::v1 as wire;
use weir_proto::record::{Record, Topic};
use weir_runtime::journal::Journal;
use wire::simulate_response::Step;

use crate::support::*;

/// Seconds between two requests of `chat`, and how many there are: 6,000 tokens a minute for ten minutes, an hour ago.
const APART_S: i64 = 10;
const REQUESTS: i64 = 60;

fn attempt(number: i64) -> Record {
    let id = u128::from(number.unsigned_abs()) + 1;
    let started = Timestamp::from_secs(START_S - 3_600 + number * APART_S);
    let usage = TokenUsage { input: Tokens::new(1_000), ..TokenUsage::default() };
    usage_to_record(&UsageEvent::Recorded(Box::new(UsageRecorded {
        id: EventId::new(id),
        node: "gateway-1".parse().unwrap(),
        request: RequestId::new(id),
        attempt: AttemptId::new(id),
        attempt_number: 1,
        team: "web".parse().unwrap(),
        service: "chat".parse().unwrap(),
        caller_key: "key".parse().unwrap(),
        pool: "gpt".parse().unwrap(),
        upstream: "azure".parse().unwrap(),
        deployment: "gpt-4o-eu".parse().unwrap(),
        model: "gpt-4o".parse().unwrap(),
        operation: Operation::ChatCompletions,
        streamed: false,
        started,
        ended: started.plus(std::time::Duration::from_secs(1)),
        first_byte_after: None,
        upstream_status: Some(200),
        outcome: AttemptOutcome::Completed,
        usage,
        usage_source: UsageSource::Reported,
        bounds: UsageBounds::exact(usage.total()),
        hold: HoldId::new(id),
        held: Tokens::new(1_000),
        traceparent: String::new(),
    })))
}

/// A service whose gateways have recorded an hour ago what `chat` used, one of it twice.
async fn with_a_past() -> Service {
    let service = Service::start().await.with_policy().await;
    let mut records: Vec<_> = (0..REQUESTS).map(attempt).collect();
    records.push(attempt(7));
    service.journal.append(Topic::Usage, records).await.unwrap();
    service
}

fn trying(policy: wire::Policy) -> wire::SimulateRequest {
    wire::SimulateRequest { policy: Some(policy), from: Some(s(-3_600)), to: Some(s(0)) }
}

fn with_baseline(baseline: u64) -> wire::Policy {
    policy_with(|chat| chat.baseline_per_minute = baseline)
}

/// All that is told, the report apart.
async fn told(
    mut stream: Streaming<wire::SimulateResponse>,
) -> Result<(Vec<wire::SimulationProgress>, wire::SimulationReport), Status> {
    let mut progress = Vec::new();
    loop {
        let told = stream.message().await?.expect("a report is last");
        match told.step.unwrap() {
            Step::Progress(how_far) => progress.push(how_far),
            Step::Report(report) => {
                assert!(stream.message().await?.is_none(), "a report is last");
                return Ok((progress, report));
            }
        }
    }
}

async fn simulated(
    service: &Service,
    request: wire::SimulateRequest,
) -> Result<wire::SimulationReport, Status> {
    let stream = service.governance().await.simulate(request).await?.into_inner();
    Ok(told(stream).await?.1)
}

fn refused(outcome: Option<&wire::AllocationOutcome>) -> Vec<(String, u64)> {
    let refused = |by: &wire::SimulatedRefusals| (by.limit.clone(), by.refused.unwrap().requests);
    outcome.unwrap().by_limit.iter().map(refused).collect()
}

#[tokio::test]
async fn a_candidate_is_tried_beside_the_policy_as_it_stands_and_nothing_changes() {
    let service = with_a_past().await;
    let before = (service.journal_records().await, service.headroom("chat").await);
    let stream = service.governance().await.simulate(trying(with_baseline(3_000))).await.unwrap();
    let (progress, report) = told(stream.into_inner()).await.unwrap();
    let stages: Vec<_> = progress.iter().map(wire::SimulationProgress::stage).collect();
    assert!(stages.is_sorted() && stages.contains(&wire::SimulationStage::Reading), "{stages:?}");
    assert_eq!((report.allocations.len(), report.pools.len(), report.unreadable), (1, 1, 0));
    let chat = &report.allocations[0];
    assert_eq!((chat.pool.as_str(), chat.service.as_str()), ("gpt", "chat"));
    assert_eq!(refused(chat.now.as_ref()), []);
    assert_eq!(refused(chat.candidate.as_ref()), [("baseline".to_owned(), 30)]);
    let asked = chat.candidate.as_ref().unwrap().asked.unwrap();
    assert_eq!((asked.requests, asked.tokens), (60, 60_000), "what is recorded twice counts once");
    assert_eq!((service.journal_records().await, service.headroom("chat").await), before);
    service.stop().await;
}

#[tokio::test]
async fn what_a_plan_would_refuse_is_refused_in_the_same_words() {
    let service = with_a_past().await;
    let unsound = with_baseline(70_000);
    let plan = weir_proto::governance::v1::ApplyPolicyRequest { dry_run: true, ..apply(unsound.clone()) };
    let planned = service.governance().await.apply_policy(plan).await.unwrap_err();
    let tried = simulated(&service, trying(unsound)).await.unwrap_err();
    assert_eq!((tried.code(), tried.message()), (planned.code(), planned.message()));
    let violations = |status: &Status| -> Vec<(String, String)> {
        let found = status.get_details_bad_request().unwrap().field_violations;
        found.into_iter().map(|found| (found.field, found.description)).collect()
    };
    assert_eq!(violations(&tried), violations(&planned));
    assert_eq!(violations(&tried)[0].0, "pool gpt");
    service.stop().await;
}

#[tokio::test]
async fn a_span_that_makes_no_sense_is_told_by_its_field() {
    let service = with_a_past().await;
    let request = |from, to| wire::SimulateRequest { from, to, ..trying(policy()) };
    for (request, field) in [
        (request(None, Some(s(0))), "from"),
        (request(Some(s(0)), None), "to"),
        (request(Some(s(0)), Some(s(0))), "to"),
        (request(Some(s(-400 * 86_400)), Some(s(0))), "from"),
        (wire::SimulateRequest { policy: None, ..trying(policy()) }, "policy"),
    ] {
        let status = simulated(&service, request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, field);
    }
    service.stop().await;
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_left_out_and_counted() {
    let service = with_a_past().await;
    let poison = Record { payload: vec![0xff; 7].into(), ..attempt(1) };
    service.journal.append(Topic::Usage, vec![poison]).await.unwrap();
    let report = simulated(&service, trying(policy())).await.unwrap();
    assert_eq!((report.unreadable, refused(report.allocations[0].candidate.as_ref())), (1, vec![]));
    service.stop().await;
}

#[tokio::test]
async fn a_journal_that_cannot_be_read_is_told_and_the_next_simulation_runs() {
    let service = with_a_past().await;
    service.journal.faults().fail_reads(1);
    let status = simulated(&service, trying(policy())).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(status.message().contains("weir.usage.v1"), "{status}");
    let report = loop {
        match simulated(&service, trying(policy())).await {
            Ok(report) => break report,
            Err(status) => assert_eq!(status.code(), Code::ResourceExhausted, "{status}"),
        }
    };
    assert_eq!(report.allocations.len(), 1);
    service.stop().await;
}
