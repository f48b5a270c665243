//! Facts as rows of the tables: the one place where columns and fields meet. The columns are in `sql/`.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use weir_domain::time::Timestamp;
use weir_domain::usage::{RefusalsCounted, UsageRecorded};
use weir_runtime::journal::{Offset, Partition};

use crate::price::PriceDecision;

/// A 128-bit id as ClickHouse's `UUID` travels in RowBinary: its two halves.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(into = "(u64, u64)", from = "(u64, u64)")]
pub(crate) struct Uuid(u64, u64);

impl From<Uuid> for (u64, u64) {
    fn from(id: Uuid) -> Self {
        (id.0, id.1)
    }
}

impl From<(u64, u64)> for Uuid {
    fn from((high, low): (u64, u64)) -> Self {
        Self(high, low)
    }
}

impl Uuid {
    pub(crate) fn new(bits: u128) -> Self {
        let low = u64::try_from(bits & u128::from(u64::MAX)).expect("64 bits are left");
        let high = u64::try_from(bits >> 64).expect("64 bits are left");
        Self(high, low)
    }

    pub(crate) fn as_u128(self) -> u128 {
        (u128::from(self.0) << 64) | u128::from(self.1)
    }
}

/// What every row has besides its fact: where it stands in the journal, and when it was written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) partition: Partition,
    pub(crate) offset: Offset,
    pub(crate) ingested: Timestamp,
}

/// A row of `usage_events`.
#[derive(Debug, Row, Serialize)]
pub(crate) struct UsageRow<'a> {
    node: &'a str,
    event_id: Uuid,
    request_id: Uuid,
    attempt_id: Uuid,
    attempt_number: u32,
    team: &'a str,
    service: &'a str,
    caller_key: &'a str,
    pool: &'a str,
    upstream: &'a str,
    deployment: &'a str,
    model: &'a str,
    operation: &'a str,
    streamed: bool,
    started: i64,
    ended: i64,
    first_byte_us: Option<u64>,
    upstream_status: Option<u16>,
    outcome: &'a str,
    input_tokens: u64,
    input_cached_tokens: u64,
    input_audio_tokens: u64,
    output_tokens: u64,
    output_reasoning_tokens: u64,
    output_audio_tokens: u64,
    usage_source: &'a str,
    total_low_tokens: u64,
    total_high_tokens: u64,
    hold_id: Uuid,
    held_tokens: u64,
    traceparent: &'a str,
    journal_topic: &'a str,
    journal_partition: u32,
    journal_offset: u64,
    ingested_at: i64,
}

impl<'a> UsageRow<'a> {
    pub(crate) fn new(place: Place, event: &'a UsageRecorded) -> Self {
        Self {
            node: event.node.as_str(),
            event_id: Uuid::new(event.id.as_u128()),
            request_id: Uuid::new(event.request.as_u128()),
            attempt_id: Uuid::new(event.attempt.as_u128()),
            attempt_number: event.attempt_number,
            team: event.team.as_str(),
            service: event.service.as_str(),
            caller_key: event.caller_key.as_str(),
            pool: event.pool.as_str(),
            upstream: event.upstream.as_str(),
            deployment: event.deployment.as_str(),
            model: event.model.as_str(),
            operation: event.operation.as_str(),
            streamed: event.streamed,
            started: event.started.as_nanos(),
            ended: event.ended.as_nanos(),
            first_byte_us: event
                .first_byte_after
                .map(|after| u64::try_from(after.as_micros()).unwrap_or(u64::MAX)),
            upstream_status: event.upstream_status,
            outcome: event.outcome.as_str(),
            input_tokens: event.usage.input.get(),
            input_cached_tokens: event.usage.input_cached.get(),
            input_audio_tokens: event.usage.input_audio.get(),
            output_tokens: event.usage.output.get(),
            output_reasoning_tokens: event.usage.output_reasoning.get(),
            output_audio_tokens: event.usage.output_audio.get(),
            usage_source: event.usage_source.as_str(),
            total_low_tokens: event.bounds.low.get(),
            total_high_tokens: event.bounds.high.get(),
            hold_id: Uuid::new(event.hold.as_u128()),
            held_tokens: event.held.get(),
            traceparent: &event.traceparent,
            journal_topic: place.partition.topic.name(),
            journal_partition: place.partition.index,
            journal_offset: place.offset.get(),
            ingested_at: place.ingested.as_millis(),
        }
    }
}

/// A row of `refusals`.
#[derive(Debug, Row, Serialize)]
pub(crate) struct RefusalRow<'a> {
    node: &'a str,
    event_id: Uuid,
    team: &'a str,
    service: &'a str,
    pool: &'a str,
    model: &'a str,
    limit_name: &'a str,
    requests: u64,
    tokens: u64,
    started: i64,
    ended: i64,
    journal_topic: &'a str,
    journal_partition: u32,
    journal_offset: u64,
    ingested_at: i64,
}

impl<'a> RefusalRow<'a> {
    pub(crate) fn new(place: Place, event: &'a RefusalsCounted) -> Self {
        Self {
            node: event.node.as_str(),
            event_id: Uuid::new(event.id.as_u128()),
            team: event.team.as_str(),
            service: event.service.as_str(),
            pool: event.pool.as_str(),
            model: event.model.as_str(),
            limit_name: &event.limit,
            requests: event.count.get(),
            tokens: event.tokens.get(),
            started: event.from.as_nanos(),
            ended: event.to.as_nanos(),
            journal_topic: place.partition.topic.name(),
            journal_partition: place.partition.index,
            journal_offset: place.offset.get(),
            ingested_at: place.ingested.as_millis(),
        }
    }
}

/// A row of `prices`.
#[derive(Debug, Row, Serialize)]
pub(crate) struct PriceRow<'a> {
    model: &'a str,
    valid_from: i64,
    removed: bool,
    currency: &'a str,
    input_pico: u64,
    input_cached_pico: u64,
    output_pico: u64,
    decided_at: i64,
    journal_topic: &'a str,
    journal_partition: u32,
    journal_offset: u64,
    ingested_at: i64,
}

impl<'a> PriceRow<'a> {
    pub(crate) fn new(place: Place, decision: &'a PriceDecision) -> Self {
        let price = decision.price.as_ref();
        Self {
            model: decision.model.as_str(),
            valid_from: decision.valid_from.as_nanos(),
            removed: price.is_none(),
            currency: price.map_or("", |price| price.currency.as_str()),
            input_pico: price.map_or(0, |price| price.input.get()),
            input_cached_pico: price.map_or(0, |price| price.input_cached.get()),
            output_pico: price.map_or(0, |price| price.output.get()),
            decided_at: decision.decided_at.as_nanos(),
            journal_topic: place.partition.topic.name(),
            journal_partition: place.partition.index,
            journal_offset: place.offset.get(),
            ingested_at: place.ingested.as_millis(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_two_halves() {
        let bits = 0x0193_4567_89ab_7def_8123_4567_89ab_cdef;
        assert_eq!(Uuid::new(bits).as_u128(), bits);
        assert_eq!(Uuid::new(u128::MAX).as_u128(), u128::MAX);
    }
}
