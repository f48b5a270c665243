//! Records to aggregate.

use bytes::Bytes;
use weir_domain::amount::{Requests, Tokens};
use weir_domain::ids::{
    AttemptId, CallerKeyId, DeploymentId, EventId, HoldId, ModelName, NodeId, PoolId, RequestId, ServiceId,
    TeamId, UpstreamId,
};
use weir_domain::time::Timestamp;
use weir_domain::usage::{
    AttemptOutcome, Operation, RefusalsCounted, TokenUsage, UsageBounds, UsageEvent, UsageRecorded,
    UsageSource,
};
use weir_proto::codec::usage_to_record;
use weir_proto::record::Record;

/// 2026-11-20T00:00:00Z.
pub(super) const NOVEMBER_SECS: i64 = 1_795_132_800;

/// 2026-12-01T00:00:00Z.
pub(super) const DECEMBER_SECS: i64 = 1_796_083_200;

/// The usage event of this number, at this time.
pub(super) fn usage(id: u128, ended_secs: i64) -> Record {
    usage_to_record(&UsageEvent::Recorded(Box::new(recorded(id, ended_secs))))
}

/// The usage event of this number for an attempt from this time to that.
pub(super) fn usage_between(id: u128, started_secs: i64, ended_secs: i64) -> Record {
    let started = Timestamp::from_secs(started_secs);
    usage_to_record(&UsageEvent::Recorded(Box::new(UsageRecorded { started, ..recorded(id, ended_secs) })))
}

/// The refusals of this number, at this time.
pub(super) fn refusals(id: u128, ended_secs: i64) -> Record {
    usage_to_record(&UsageEvent::Refused(RefusalsCounted {
        id: EventId::new(id),
        node: NodeId::try_new("gateway-1").unwrap(),
        team: TeamId::try_new("search").unwrap(),
        service: ServiceId::try_new("chat").unwrap(),
        pool: PoolId::try_new("gpt").unwrap(),
        model: ModelName::try_new("gpt-4o").unwrap(),
        limit: "baseline".into(),
        count: Requests::new(3),
        tokens: Tokens::new(300),
        from: Timestamp::from_secs(ended_secs - 1),
        to: Timestamp::from_secs(ended_secs),
    }))
}

/// A record that nobody can read.
pub(super) fn poison() -> Record {
    Record { key: Bytes::from_static(b"chat"), headers: vec![], payload: Bytes::from_static(&[1]) }
}

fn recorded(id: u128, ended_secs: i64) -> UsageRecorded {
    let ended = Timestamp::from_secs(ended_secs);
    UsageRecorded {
        id: EventId::new(id),
        node: NodeId::try_new("gateway-1").unwrap(),
        request: RequestId::new(id),
        attempt: AttemptId::new(id),
        attempt_number: 1,
        team: TeamId::try_new("search").unwrap(),
        service: ServiceId::try_new("chat").unwrap(),
        caller_key: CallerKeyId::try_new("key").unwrap(),
        pool: PoolId::try_new("gpt").unwrap(),
        upstream: UpstreamId::try_new("azure").unwrap(),
        deployment: DeploymentId::try_new("gpt-4o").unwrap(),
        model: ModelName::try_new("gpt-4o").unwrap(),
        operation: Operation::ChatCompletions,
        streamed: false,
        started: ended,
        ended,
        first_byte_after: None,
        upstream_status: Some(200),
        outcome: AttemptOutcome::Completed,
        usage: TokenUsage { input: Tokens::new(10), output: Tokens::new(5), ..TokenUsage::default() },
        usage_source: UsageSource::Reported,
        bounds: UsageBounds::exact(Tokens::new(15)),
        hold: HoldId::new(id),
        held: Tokens::new(20),
        traceparent: String::new(),
    }
}
