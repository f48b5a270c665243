//! Quota facts ⇄ records of the quota topic.

mod governed;
pub mod kinds;
mod moved;
mod org;

#[cfg(test)]
mod golden;

use super::DecodeError;
use super::values::rfc3339;
use crate::quota::v1 as wire;
use crate::record::{Envelope, Record};
use prost::Message;
use weir_domain::authorship::Authorship;
use weir_domain::fact::{QuotaFact, QuotaRecorded};
use weir_domain::ids::PoolId;

/// A `ce_type`, a `ce_subject` and a payload.
struct Body {
    kind: &'static str,
    subject: String,
    payload: Vec<u8>,
}

impl Body {
    fn new(kind: &'static str, subject: &impl ToString, message: &impl Message) -> Self {
        Self { kind, subject: subject.to_string(), payload: message.encode_to_vec() }
    }
}

/// A quota fact as a record, keyed by its pool, or `org`.
pub fn quota_event_to_record(recorded: &QuotaRecorded) -> Record {
    let body = match &recorded.fact {
        QuotaFact::Org(event) => org::to_wire(event),
        QuotaFact::Governed { pool, event } => governed::to_wire(pool, event),
        QuotaFact::Moved { pool, movements } => moved::to_wire(pool, movements),
        QuotaFact::Resumed { pool, at } => moved::resumed_to_wire(pool.as_ref(), *at),
    };
    let envelope = Envelope {
        id: recorded.id.to_string(),
        source: recorded.node.to_string(),
        kind: body.kind.to_owned(),
        time: rfc3339(recorded.fact.at()),
        subject: body.subject,
        traceparent: None,
    };
    envelope.seal(recorded.fact.key(), body.payload)
}

/// A quota fact from a record of the quota topic.
pub fn quota_event_from_record(record: &Record) -> Result<QuotaRecorded, DecodeError> {
    let envelope = Envelope::open(record)?;
    let fact = fact_from_wire(&envelope.kind, record)?;
    Ok(QuotaRecorded {
        id: parsed(&envelope.id, "ce_id")?,
        node: parsed(&envelope.source, "ce_source")?,
        fact,
    })
}

fn fact_from_wire(kind: &str, record: &Record) -> Result<QuotaFact, DecodeError> {
    match kind {
        kinds::LEDGER_MOVED_V1 => moved::from_wire(&decode(record, "weir.quota.v1.LedgerMoved")?),
        kinds::WRITER_RESUMED_V1 => moved::resumed_from_wire(&decode(record, "weir.quota.v1.WriterResumed")?),
        _ => match governed::from_record(kind, record)? {
            Some(fact) => Ok(fact),
            None => org::from_record(kind, record)?
                .ok_or_else(|| DecodeError::UnknownType { kind: kind.to_owned() }),
        },
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

fn pool(text: &str) -> Result<PoolId, DecodeError> {
    parsed(text, "pool")
}

fn present<'a, T>(field: Option<&'a T>, name: &'static str) -> Result<&'a T, DecodeError> {
    field.ok_or_else(|| DecodeError::field(name, "missing"))
}

fn by_to_wire(by: &Authorship) -> wire::Authorship {
    wire::Authorship {
        author: by.author.clone(),
        reason: by.reason.clone(),
        at: Some(super::timestamp_to_wire(by.at)),
    }
}

fn by_from_wire(wire: Option<&wire::Authorship>) -> Result<Authorship, DecodeError> {
    let wire = present(wire, "by")?;
    Ok(Authorship {
        author: wire.author.clone(),
        reason: wire.reason.clone(),
        at: super::timestamp_from_wire(wire.at.as_ref(), "by.at")?,
    })
}
