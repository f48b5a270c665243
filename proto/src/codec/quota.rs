//! Quota facts ⇄ records of the quota topic.

mod bursts;
mod governed;
pub(super) mod intent;
mod keys;
pub mod kinds;
mod moved;
mod org;

#[cfg(test)]
pub(super) mod golden;
#[cfg(test)]
mod properties;

use super::DecodeError;
use super::values::{parsed, present, rfc3339, timestamp_from_wire, timestamp_to_wire};
use crate::quota::v1 as wire;
use crate::record::{Attributes, Envelope, Record};
use prost::Message;
use weir_domain::authorship::Authorship;
use weir_domain::fact::{QuotaFact, QuotaRecorded};
use weir_domain::ids::PoolId;
use weir_domain::ledger::{Governed, TermsChanged};
use weir_domain::org::{Decided, Event};

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
    let envelope = Attributes::of(record)?;
    Ok(QuotaRecorded {
        id: parsed(envelope.id, "ce_id")?,
        node: parsed(envelope.source, "ce_source")?,
        fact: fact_from_wire(envelope.kind, record)?,
    })
}

fn fact_from_wire(kind: &str, record: &Record) -> Result<QuotaFact, DecodeError> {
    match kind {
        kinds::LEDGER_MOVED_V1 => return moved::from_wire(&decode(record, "weir.quota.v1.LedgerMoved")?),
        kinds::WRITER_RESUMED_V1 => {
            return moved::resumed_from_wire(&decode(record, "weir.quota.v1.WriterResumed")?);
        }
        _ => {}
    }
    for from_record in
        [governed::from_record, bursts::from_record, org::from_record, keys::from_record, intent::from_record]
    {
        if let Some(fact) = from_record(kind, record)? {
            return Ok(fact);
        }
    }
    Err(DecodeError::UnknownType { kind: kind.to_owned() })
}

fn decode<M: Message + Default>(record: &Record, message: &'static str) -> Result<M, DecodeError> {
    M::decode(record.payload.clone()).map_err(|source| DecodeError::Payload { message, source })
}

fn by_to_wire(by: &Authorship) -> wire::Authorship {
    wire::Authorship {
        author: by.author.clone(),
        reason: by.reason.clone(),
        at: Some(timestamp_to_wire(by.at)),
        commit: by.commit.clone().unwrap_or_default(),
    }
}

fn by_from_wire(wire: Option<wire::Authorship>) -> Result<Authorship, DecodeError> {
    let wire = wire.ok_or_else(|| DecodeError::field("by", "missing"))?;
    Ok(Authorship {
        at: timestamp_from_wire(wire.at.as_ref(), "by.at")?,
        author: wire.author,
        reason: wire.reason,
        commit: (!wire.commit.is_empty()).then_some(wire.commit),
    })
}

/// A decision about a pool.
fn governed(
    pool: PoolId,
    by: Option<wire::Authorship>,
    what: TermsChanged,
) -> Result<Option<QuotaFact>, DecodeError> {
    Ok(Some(QuotaFact::Governed { pool, event: Governed { by: by_from_wire(by)?, what } }))
}

/// A decision outside of any pool.
fn decided(by: Option<wire::Authorship>, what: Decided) -> Result<Option<QuotaFact>, DecodeError> {
    Ok(Some(QuotaFact::Org(Event { by: by_from_wire(by)?, what })))
}
