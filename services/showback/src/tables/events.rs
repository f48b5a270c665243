//! The events of one request.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use weir_domain::ids::RequestId;
use weir_domain::time::Timestamp;
use weir_proto::codec::rfc3339;

use super::{Error, Tables};

/// Ids as Weir shows them: without hyphens.
const SQL: &str = "
    SELECT replaceAll(toString(event_id), '-', '') AS event_id, node,
        replaceAll(toString(request_id), '-', '') AS request_id,
        replaceAll(toString(attempt_id), '-', '') AS attempt_id, attempt_number,
        team, service, caller_key, pool, upstream, deployment, model, operation, streamed,
        started, ended, first_byte_us, upstream_status, outcome,
        input_tokens, input_cached_tokens, input_audio_tokens,
        output_tokens, output_reasoning_tokens, output_audio_tokens,
        usage_source, total_low_tokens, total_high_tokens,
        replaceAll(toString(hold_id), '-', '') AS hold_id, held_tokens, traceparent,
        journal_topic, journal_partition, journal_offset
    FROM usage_events
    WHERE usage_events.request_id = toUUID(?)
    ORDER BY attempt_number, journal_offset";

/// A usage event as the API shows it. Field names are the columns'.
#[derive(Debug, Clone, Row, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the columns are documented with the tables")]
pub struct UsageEventView {
    pub event_id: String,
    pub node: String,
    pub request_id: String,
    pub attempt_id: String,
    pub attempt_number: u32,
    pub team: String,
    pub service: String,
    pub caller_key: String,
    pub pool: String,
    pub upstream: String,
    pub deployment: String,
    pub model: String,
    pub operation: String,
    pub streamed: bool,
    #[serde(serialize_with = "instant")]
    pub started: i64,
    #[serde(serialize_with = "instant")]
    pub ended: i64,
    pub first_byte_us: Option<u64>,
    pub upstream_status: Option<u16>,
    pub outcome: String,
    pub input_tokens: u64,
    pub input_cached_tokens: u64,
    pub input_audio_tokens: u64,
    pub output_tokens: u64,
    pub output_reasoning_tokens: u64,
    pub output_audio_tokens: u64,
    pub usage_source: String,
    pub total_low_tokens: u64,
    pub total_high_tokens: u64,
    pub hold_id: String,
    pub held_tokens: u64,
    pub traceparent: String,
    pub journal_topic: String,
    pub journal_partition: u32,
    pub journal_offset: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn instant<S: serde::Serializer>(nanos: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(Timestamp::from_nanos(*nanos)))
}

impl Tables {
    /// The events of a request, one for each attempt; none if it is not known, or not yet.
    pub async fn events(&self, request: RequestId) -> Result<Vec<UsageEventView>, Error> {
        let bits = request.as_u128();
        let uuid = format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            bits >> 96,
            (bits >> 80) & 0xffff,
            (bits >> 64) & 0xffff,
            (bits >> 48) & 0xffff,
            bits & 0xffff_ffff_ffff
        );
        let asked = self.client.query(SQL).bind(uuid).fetch_all::<UsageEventView>();
        self.within("find the events of a request", asked).await
    }
}
