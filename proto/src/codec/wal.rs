//! Records of a gateway's write-ahead log ⇄ frames on disk.
//!
//! What is known before an upstream is called and what is known afterwards are two records; together they are the
//! usage event of the attempt.

use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use weir_domain::amount::Tokens;
use weir_domain::ids::{
    AttemptId, CallerKeyId, DeploymentId, EventId, HoldId, ModelName, NodeId, PoolId, RequestId, ServiceId,
    TeamId, UpstreamId,
};
use weir_domain::time::Timestamp;
use weir_domain::usage::{AttemptOutcome, Operation, TokenUsage, UsageBounds, UsageRecorded, UsageSource};

use super::DecodeError;
use super::usage::{
    operation_from_wire, operation_to_wire, outcome_from_wire, outcome_to_wire, source_from_wire,
    source_to_wire, tokens_from_wire, tokens_to_wire,
};
use super::values::{duration_from_wire, duration_to_wire, timestamp_from_wire, timestamp_to_wire};
use crate::storage::v1 as wire;
use wire::wal_record::Record as WireRecord;

/// A record of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalRecord {
    /// An upstream is about to be called.
    Started(Box<AttemptStarted>),
    /// The attempt is over.
    Ended(Box<AttemptEnded>),
    /// The events of these attempts are in the journal.
    Published(Vec<AttemptId>),
    /// The settles of these attempts were acknowledged.
    Settled(Vec<AttemptId>),
}

/// What is known of an attempt before its upstream is called. Fields as in [`UsageRecorded`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of `UsageRecorded`, documented there")]
pub struct AttemptStarted {
    pub attempt: AttemptId,
    pub request: RequestId,
    pub node: NodeId,
    pub attempt_number: u32,
    pub team: TeamId,
    pub service: ServiceId,
    pub caller_key: CallerKeyId,
    pub pool: PoolId,
    pub upstream: UpstreamId,
    pub deployment: DeploymentId,
    pub model: ModelName,
    pub operation: Operation,
    pub streamed: bool,
    pub started: Timestamp,
    pub hold: HoldId,
    pub held: Tokens,
    /// The input, counted before the call: what is left to go by if the gateway dies.
    pub input: Tokens,
    pub traceparent: String,
}

/// What is known of an attempt when it is over. Fields as in [`UsageRecorded`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of `UsageRecorded`, documented there")]
pub struct AttemptEnded {
    pub attempt: AttemptId,
    pub ended: Timestamp,
    pub first_byte_after: Option<Duration>,
    pub upstream_status: Option<u16>,
    pub outcome: AttemptOutcome,
    pub usage: TokenUsage,
    pub usage_source: UsageSource,
    pub bounds: UsageBounds,
}

impl AttemptStarted {
    /// The usage event of an attempt that ended so. Its id is that of the attempt, so that the same attempt always
    /// has the same event.
    pub fn ended(&self, end: &AttemptEnded) -> UsageRecorded {
        UsageRecorded {
            id: EventId::new(self.attempt.as_u128()),
            node: self.node.clone(),
            request: self.request,
            attempt: self.attempt,
            attempt_number: self.attempt_number,
            team: self.team.clone(),
            service: self.service.clone(),
            caller_key: self.caller_key.clone(),
            pool: self.pool.clone(),
            upstream: self.upstream.clone(),
            deployment: self.deployment.clone(),
            model: self.model.clone(),
            operation: self.operation,
            streamed: self.streamed,
            started: self.started,
            ended: end.ended,
            first_byte_after: end.first_byte_after,
            upstream_status: end.upstream_status,
            outcome: end.outcome,
            usage: end.usage,
            usage_source: end.usage_source,
            bounds: end.bounds,
            hold: self.hold,
            held: self.held,
            traceparent: self.traceparent.clone(),
        }
    }
}

/// A record as the payload of a frame.
pub fn wal_to_bytes(record: &WalRecord) -> Vec<u8> {
    let record = match record {
        WalRecord::Started(started) => WireRecord::Started(started_to_wire(started)),
        WalRecord::Ended(ended) => WireRecord::Ended(ended_to_wire(ended)),
        WalRecord::Published(attempts) => WireRecord::Published(attempts_to_wire(attempts)),
        WalRecord::Settled(attempts) => WireRecord::Settled(attempts_to_wire(attempts)),
    };
    wire::WalRecord { record: Some(record) }.encode_to_vec()
}

/// A record from the payload of a frame.
pub fn wal_from_bytes(payload: &[u8]) -> Result<WalRecord, DecodeError> {
    let message = wire::WalRecord::decode(payload)
        .map_err(|source| DecodeError::Payload { message: "weir.storage.v1.WalRecord", source })?;
    match message.record.ok_or_else(|| DecodeError::field("record", "missing or unknown"))? {
        WireRecord::Started(started) => Ok(WalRecord::Started(Box::new(started_from_wire(&started)?))),
        WireRecord::Ended(ended) => Ok(WalRecord::Ended(Box::new(ended_from_wire(&ended)?))),
        WireRecord::Published(attempts) => attempts_from_wire(&attempts).map(WalRecord::Published),
        WireRecord::Settled(attempts) => attempts_from_wire(&attempts).map(WalRecord::Settled),
    }
}

fn started_to_wire(started: &AttemptStarted) -> wire::WalAttemptStarted {
    wire::WalAttemptStarted {
        attempt_id: id_to_wire(started.attempt.as_u128()),
        request_id: id_to_wire(started.request.as_u128()),
        node: started.node.to_string(),
        attempt_number: started.attempt_number,
        team: started.team.to_string(),
        service: started.service.to_string(),
        caller_key: started.caller_key.to_string(),
        pool: started.pool.to_string(),
        upstream: started.upstream.to_string(),
        deployment: started.deployment.to_string(),
        model: started.model.to_string(),
        operation: operation_to_wire(started.operation).into(),
        streamed: started.streamed,
        started: Some(timestamp_to_wire(started.started)),
        hold_id: id_to_wire(started.hold.as_u128()),
        held: started.held.get(),
        input: started.input.get(),
        traceparent: started.traceparent.clone(),
    }
}

fn started_from_wire(wire: &wire::WalAttemptStarted) -> Result<AttemptStarted, DecodeError> {
    Ok(AttemptStarted {
        attempt: AttemptId::new(id_from_wire(&wire.attempt_id, "attempt_id")?),
        request: RequestId::new(id_from_wire(&wire.request_id, "request_id")?),
        node: name(&wire.node, "node")?,
        attempt_number: wire.attempt_number,
        team: name(&wire.team, "team")?,
        service: name(&wire.service, "service")?,
        caller_key: name(&wire.caller_key, "caller_key")?,
        pool: name(&wire.pool, "pool")?,
        upstream: name(&wire.upstream, "upstream")?,
        deployment: name(&wire.deployment, "deployment")?,
        model: name(&wire.model, "model")?,
        operation: operation_from_wire(wire.operation())?,
        streamed: wire.streamed,
        started: timestamp_from_wire(wire.started.as_ref(), "started")?,
        hold: HoldId::new(id_from_wire(&wire.hold_id, "hold_id")?),
        held: Tokens::new(wire.held),
        input: Tokens::new(wire.input),
        traceparent: wire.traceparent.clone(),
    })
}

fn ended_to_wire(ended: &AttemptEnded) -> wire::WalAttemptEnded {
    wire::WalAttemptEnded {
        attempt_id: id_to_wire(ended.attempt.as_u128()),
        ended: Some(timestamp_to_wire(ended.ended)),
        first_byte_after: ended.first_byte_after.map(duration_to_wire),
        upstream_status: ended.upstream_status.map(u32::from),
        outcome: outcome_to_wire(ended.outcome).into(),
        usage: Some(tokens_to_wire(&ended.usage)),
        usage_source: source_to_wire(ended.usage_source).into(),
        total_low: ended.bounds.low.get(),
        total_high: ended.bounds.high.get(),
    }
}

fn ended_from_wire(wire: &wire::WalAttemptEnded) -> Result<AttemptEnded, DecodeError> {
    let usage = wire.usage.as_ref().ok_or_else(|| DecodeError::field("usage", "missing"))?;
    let status = wire.upstream_status.map(u16::try_from).transpose();
    Ok(AttemptEnded {
        attempt: AttemptId::new(id_from_wire(&wire.attempt_id, "attempt_id")?),
        ended: timestamp_from_wire(wire.ended.as_ref(), "ended")?,
        first_byte_after: wire.first_byte_after.as_ref().map(duration_from_wire),
        upstream_status: status.map_err(|problem| DecodeError::field("upstream_status", problem))?,
        outcome: outcome_from_wire(wire.outcome())?,
        usage: tokens_from_wire(usage),
        usage_source: source_from_wire(wire.usage_source())?,
        bounds: UsageBounds { low: Tokens::new(wire.total_low), high: Tokens::new(wire.total_high) },
    })
}

fn attempts_to_wire(attempts: &[AttemptId]) -> wire::WalAttempts {
    let attempt_ids = attempts.iter().map(|attempt| id_to_wire(attempt.as_u128())).collect();
    wire::WalAttempts { attempt_ids }
}

fn attempts_from_wire(wire: &wire::WalAttempts) -> Result<Vec<AttemptId>, DecodeError> {
    wire.attempt_ids.iter().map(|id| id_from_wire(id, "attempt_ids").map(AttemptId::new)).collect()
}

fn id_to_wire(bits: u128) -> Bytes {
    Bytes::copy_from_slice(&bits.to_be_bytes())
}

fn id_from_wire(bytes: &[u8], field: &'static str) -> Result<u128, DecodeError> {
    bytes.try_into().map(u128::from_be_bytes).map_err(|_| DecodeError::field(field, "is not 16 bytes"))
}

fn name<T: std::str::FromStr<Err: std::fmt::Display>>(
    text: &str,
    field: &'static str,
) -> Result<T, DecodeError> {
    text.parse().map_err(|problem| DecodeError::field(field, problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started() -> AttemptStarted {
        AttemptStarted {
            attempt: AttemptId::new(0x0193_0000_0000_7000_8000_0000_0000_0001),
            request: RequestId::new(2),
            node: NodeId::try_new("gateway-1").unwrap(),
            attempt_number: 1,
            team: TeamId::try_new("t").unwrap(),
            service: ServiceId::try_new("s").unwrap(),
            caller_key: CallerKeyId::try_new("k").unwrap(),
            pool: PoolId::try_new("p").unwrap(),
            upstream: UpstreamId::try_new("u").unwrap(),
            deployment: DeploymentId::try_new("d").unwrap(),
            model: ModelName::try_new("m").unwrap(),
            operation: Operation::Embeddings,
            streamed: true,
            started: Timestamp::from_secs(1),
            hold: HoldId::new(3),
            held: Tokens::new(100),
            input: Tokens::new(7),
            traceparent: "00-1-2-01".to_owned(),
        }
    }

    fn ended() -> AttemptEnded {
        AttemptEnded {
            attempt: started().attempt,
            ended: Timestamp::from_secs(2),
            first_byte_after: Some(Duration::from_millis(30)),
            upstream_status: Some(200),
            outcome: AttemptOutcome::CallerLeft,
            usage: TokenUsage { input: Tokens::new(7), output: Tokens::new(9), ..TokenUsage::default() },
            usage_source: UsageSource::Counted,
            bounds: UsageBounds::exact(Tokens::new(16)),
        }
    }

    #[test]
    fn every_record_survives_the_disk() {
        let attempts = vec![started().attempt, AttemptId::new(u128::MAX)];
        for record in [
            WalRecord::Started(Box::new(started())),
            WalRecord::Ended(Box::new(ended())),
            WalRecord::Ended(Box::new(AttemptEnded {
                first_byte_after: None,
                upstream_status: None,
                ..ended()
            })),
            WalRecord::Published(attempts.clone()),
            WalRecord::Settled(attempts),
        ] {
            assert_eq!(wal_from_bytes(&wal_to_bytes(&record)), Ok(record));
        }
    }

    #[test]
    fn the_bytes_of_version_1_stay_readable() {
        // What the first version wrote. Never change a line; add some.
        let golden = [
            (
                WalRecord::Ended(Box::new(ended())),
                "122e0a1001930000000070008000000000000001120208021a05108087a70e20c8012802320408072009380240104810",
            ),
            (
                WalRecord::Started(Box::new(started())),
                "0a720a10019300000000700080000000000000011210000000000000000000000000000000021a09676174657761792d3120012a01743201733a016b4201704a01755201645a016d60026801720208017a100000000000000000000000000000000380016488010792010930302d312d322d3031",
            ),
            (WalRecord::Published(vec![AttemptId::new(5)]), "1a120a1000000000000000000000000000000005"),
            (WalRecord::Settled(vec![AttemptId::new(5)]), "22120a1000000000000000000000000000000005"),
        ];
        for (record, expected) in golden {
            let hex: Vec<_> = wal_to_bytes(&record).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex.concat(), expected);
        }
    }

    #[test]
    fn the_event_of_an_attempt_has_the_attempts_id() {
        let event = started().ended(&ended());
        assert_eq!(event.id.as_u128(), started().attempt.as_u128());
        assert_eq!((event.usage.total(), event.held), (Tokens::new(16), Tokens::new(100)));
    }

    #[test]
    fn bytes_that_are_no_record_are_an_error() {
        assert!(wal_from_bytes(&[]).is_err());
        assert!(wal_from_bytes(&[0xff; 8]).is_err());
        assert!(wal_from_bytes(&[0x1a, 0x03, 0x0a, 0x01, 0x00]).is_err(), "an id of one byte");
    }
}
