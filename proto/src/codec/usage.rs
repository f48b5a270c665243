//! Usage events ⇄ records of the usage topic.

use super::DecodeError;
use super::values::{duration_from_wire, duration_to_wire, rfc3339, timestamp_from_wire, timestamp_to_wire};
use crate::record::{Envelope, Record};
use crate::usage::v1 as wire;
use prost::Message;
use weir_domain::amount::{Requests, Tokens};
use weir_domain::ids::EventId;
use weir_domain::usage::{
    AttemptOutcome, Operation, RefusalsCounted, TokenUsage, UsageBounds, UsageEvent, UsageRecorded,
    UsageSource,
};

/// `ce_type` of a [`UsageRecorded`].
pub const RECORDED_V1: &str = "weir.usage.recorded.v1";
/// `ce_type` of a [`RefusalsCounted`].
pub const REFUSED_V1: &str = "weir.usage.refused.v1";

/// A usage event as a record, keyed by its service.
pub fn usage_to_record(event: &UsageEvent) -> Record {
    let (kind, payload, traceparent) = match event {
        UsageEvent::Recorded(event) => {
            (RECORDED_V1, recorded_to_wire(event).encode_to_vec(), Some(event.traceparent.clone()))
        }
        UsageEvent::Refused(event) => (REFUSED_V1, refused_to_wire(event).encode_to_vec(), None),
    };
    let service = event.service().as_str();
    let envelope = Envelope {
        id: event.id().to_string(),
        source: event.node().to_string(),
        kind: kind.to_owned(),
        time: rfc3339(event.time()),
        subject: service.to_owned(),
        traceparent,
    };
    envelope.seal(service, payload)
}

/// A usage event from a record of the usage topic.
pub fn usage_from_record(record: &Record) -> Result<UsageEvent, DecodeError> {
    let envelope = Envelope::open(record)?;
    match envelope.kind.as_str() {
        RECORDED_V1 => {
            let message = decode(record, "weir.usage.v1.UsageRecorded")?;
            recorded_from_wire(&envelope, &message).map(|event| UsageEvent::Recorded(Box::new(event)))
        }
        REFUSED_V1 => {
            let message = decode(record, "weir.usage.v1.RefusalsCounted")?;
            refused_from_wire(&envelope, &message).map(UsageEvent::Refused)
        }
        _ => Err(DecodeError::UnknownType { kind: envelope.kind }),
    }
}

fn decode<M: Message + Default>(record: &Record, message: &'static str) -> Result<M, DecodeError> {
    M::decode(record.payload.clone()).map_err(|source| DecodeError::Payload { message, source })
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    text: &str,
    field: &'static str,
) -> Result<T, DecodeError> {
    text.parse().map_err(|problem| DecodeError::field(field, problem))
}

fn event_id(envelope: &Envelope) -> Result<EventId, DecodeError> {
    parsed(&envelope.id, "ce_id")
}

fn recorded_to_wire(event: &UsageRecorded) -> wire::UsageRecorded {
    wire::UsageRecorded {
        request_id: event.request.to_string(),
        attempt_id: event.attempt.to_string(),
        attempt_number: event.attempt_number,
        team: event.team.to_string(),
        service: event.service.to_string(),
        caller_key: event.caller_key.to_string(),
        pool: event.pool.to_string(),
        upstream: event.upstream.to_string(),
        deployment: event.deployment.to_string(),
        model: event.model.to_string(),
        operation: operation_to_wire(event.operation).into(),
        streamed: event.streamed,
        started: Some(timestamp_to_wire(event.started)),
        ended: Some(timestamp_to_wire(event.ended)),
        first_byte_after: event.first_byte_after.map(duration_to_wire),
        upstream_status: event.upstream_status.map(u32::from),
        outcome: outcome_to_wire(event.outcome).into(),
        usage: Some(tokens_to_wire(&event.usage)),
        usage_source: source_to_wire(event.usage_source).into(),
        total_low: event.bounds.low.get(),
        total_high: event.bounds.high.get(),
        hold_id: event.hold.to_string(),
        held: event.held.get(),
    }
}

fn recorded_from_wire(envelope: &Envelope, wire: &wire::UsageRecorded) -> Result<UsageRecorded, DecodeError> {
    let status = wire.upstream_status.map(u16::try_from).transpose();
    let usage = wire.usage.as_ref().ok_or_else(|| DecodeError::field("usage", "missing"))?;
    Ok(UsageRecorded {
        id: event_id(envelope)?,
        node: parsed(&envelope.source, "ce_source")?,
        request: parsed(&wire.request_id, "request_id")?,
        attempt: parsed(&wire.attempt_id, "attempt_id")?,
        attempt_number: wire.attempt_number,
        team: parsed(&wire.team, "team")?,
        service: parsed(&wire.service, "service")?,
        caller_key: parsed(&wire.caller_key, "caller_key")?,
        pool: parsed(&wire.pool, "pool")?,
        upstream: parsed(&wire.upstream, "upstream")?,
        deployment: parsed(&wire.deployment, "deployment")?,
        model: parsed(&wire.model, "model")?,
        operation: operation_from_wire(wire.operation())?,
        streamed: wire.streamed,
        started: timestamp_from_wire(wire.started.as_ref(), "started")?,
        ended: timestamp_from_wire(wire.ended.as_ref(), "ended")?,
        first_byte_after: wire.first_byte_after.as_ref().map(duration_from_wire),
        upstream_status: status.map_err(|problem| DecodeError::field("upstream_status", problem))?,
        outcome: outcome_from_wire(wire.outcome())?,
        usage: tokens_from_wire(usage),
        usage_source: source_from_wire(wire.usage_source())?,
        bounds: UsageBounds { low: Tokens::new(wire.total_low), high: Tokens::new(wire.total_high) },
        hold: parsed(&wire.hold_id, "hold_id")?,
        held: Tokens::new(wire.held),
        traceparent: envelope.traceparent.clone().unwrap_or_default(),
    })
}

fn refused_to_wire(event: &RefusalsCounted) -> wire::RefusalsCounted {
    wire::RefusalsCounted {
        team: event.team.to_string(),
        service: event.service.to_string(),
        pool: event.pool.to_string(),
        model: event.model.to_string(),
        limit: event.limit.clone(),
        count: event.count.get(),
        tokens: event.tokens.get(),
        from: Some(timestamp_to_wire(event.from)),
        to: Some(timestamp_to_wire(event.to)),
    }
}

fn refused_from_wire(
    envelope: &Envelope,
    wire: &wire::RefusalsCounted,
) -> Result<RefusalsCounted, DecodeError> {
    Ok(RefusalsCounted {
        id: event_id(envelope)?,
        node: parsed(&envelope.source, "ce_source")?,
        team: parsed(&wire.team, "team")?,
        service: parsed(&wire.service, "service")?,
        pool: parsed(&wire.pool, "pool")?,
        model: parsed(&wire.model, "model")?,
        limit: wire.limit.clone(),
        count: Requests::new(wire.count),
        tokens: Tokens::new(wire.tokens),
        from: timestamp_from_wire(wire.from.as_ref(), "from")?,
        to: timestamp_from_wire(wire.to.as_ref(), "to")?,
    })
}

pub(super) fn tokens_to_wire(usage: &TokenUsage) -> wire::TokenUsage {
    wire::TokenUsage {
        input: usage.input.get(),
        input_cached: usage.input_cached.get(),
        input_audio: usage.input_audio.get(),
        output: usage.output.get(),
        output_reasoning: usage.output_reasoning.get(),
        output_audio: usage.output_audio.get(),
    }
}

pub(super) fn tokens_from_wire(wire: &wire::TokenUsage) -> TokenUsage {
    TokenUsage {
        input: Tokens::new(wire.input),
        input_cached: Tokens::new(wire.input_cached),
        input_audio: Tokens::new(wire.input_audio),
        output: Tokens::new(wire.output),
        output_reasoning: Tokens::new(wire.output_reasoning),
        output_audio: Tokens::new(wire.output_audio),
    }
}

pub(super) fn operation_to_wire(operation: Operation) -> wire::Operation {
    match operation {
        Operation::ChatCompletions => wire::Operation::ChatCompletions,
        Operation::Embeddings => wire::Operation::Embeddings,
    }
}

pub(super) fn operation_from_wire(wire: wire::Operation) -> Result<Operation, DecodeError> {
    match wire {
        wire::Operation::Unspecified => Err(DecodeError::field("operation", "missing or unknown")),
        wire::Operation::ChatCompletions => Ok(Operation::ChatCompletions),
        wire::Operation::Embeddings => Ok(Operation::Embeddings),
    }
}

pub(super) fn outcome_to_wire(outcome: AttemptOutcome) -> wire::AttemptOutcome {
    match outcome {
        AttemptOutcome::Completed => wire::AttemptOutcome::Completed,
        AttemptOutcome::CallerLeft => wire::AttemptOutcome::CallerLeft,
        AttemptOutcome::UpstreamRefused => wire::AttemptOutcome::UpstreamRefused,
        AttemptOutcome::UpstreamBroke => wire::AttemptOutcome::UpstreamBroke,
        AttemptOutcome::GatewayLost => wire::AttemptOutcome::GatewayLost,
    }
}

pub(super) fn outcome_from_wire(wire: wire::AttemptOutcome) -> Result<AttemptOutcome, DecodeError> {
    match wire {
        wire::AttemptOutcome::Unspecified => Err(DecodeError::field("outcome", "missing or unknown")),
        wire::AttemptOutcome::Completed => Ok(AttemptOutcome::Completed),
        wire::AttemptOutcome::CallerLeft => Ok(AttemptOutcome::CallerLeft),
        wire::AttemptOutcome::UpstreamRefused => Ok(AttemptOutcome::UpstreamRefused),
        wire::AttemptOutcome::UpstreamBroke => Ok(AttemptOutcome::UpstreamBroke),
        wire::AttemptOutcome::GatewayLost => Ok(AttemptOutcome::GatewayLost),
    }
}

pub(super) fn source_to_wire(source: UsageSource) -> wire::UsageSource {
    match source {
        UsageSource::Reported => wire::UsageSource::Reported,
        UsageSource::Counted => wire::UsageSource::Counted,
        UsageSource::Estimated => wire::UsageSource::Estimated,
        UsageSource::Unbilled => wire::UsageSource::Unbilled,
    }
}

pub(super) fn source_from_wire(wire: wire::UsageSource) -> Result<UsageSource, DecodeError> {
    match wire {
        wire::UsageSource::Unspecified => Err(DecodeError::field("usage_source", "missing or unknown")),
        wire::UsageSource::Reported => Ok(UsageSource::Reported),
        wire::UsageSource::Counted => Ok(UsageSource::Counted),
        wire::UsageSource::Estimated => Ok(UsageSource::Estimated),
        wire::UsageSource::Unbilled => Ok(UsageSource::Unbilled),
    }
}
