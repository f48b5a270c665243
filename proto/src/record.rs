//! A fact as it stands in the journal: a key, CloudEvents 1.0 headers in binary mode, and a protobuf payload.

use bytes::Bytes;

/// A topic of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// `weir.usage.v1`, keyed by service.
    Usage,
    /// `weir.quota.v1`, keyed by pool, or `org`.
    Quota,
    /// `weir.deadletter.v1`, keyed by the topic that the record came from.
    DeadLetter,
}

impl Topic {
    /// Every topic there is.
    pub const ALL: [Self; 3] = [Self::Usage, Self::Quota, Self::DeadLetter];

    /// Its name in Kafka.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Usage => "weir.usage.v1",
            Self::Quota => "weir.quota.v1",
            Self::DeadLetter => "weir.deadletter.v1",
        }
    }
}

/// What is appended to the journal and read from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Decides the partition; records with the same key keep their order.
    pub key: Bytes,
    /// Names and values, in the order they were written.
    pub headers: Vec<(String, Bytes)>,
    /// The protobuf message that `ce_type` names.
    pub payload: Bytes,
}

/// The CloudEvents attributes that every record of Weir carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// `ce_id`: with `source`, the identity of the event.
    pub id: String,
    /// `ce_source`: who recorded it.
    pub source: String,
    /// `ce_type`, for instance `weir.usage.recorded.v1`.
    pub kind: String,
    /// `ce_time`, RFC 3339.
    pub time: String,
    /// `ce_subject`: what it is about, for instance the service.
    pub subject: String,
    /// `ce_traceparent`, if the event belongs to a trace.
    pub traceparent: Option<String>,
}

/// Why a record has no envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// A header is missing.
    #[error("header {name} is missing")]
    Missing {
        /// The header.
        name: &'static str,
    },
    /// A header is not text.
    #[error("header {name} is not UTF-8")]
    NotText {
        /// The header.
        name: &'static str,
    },
    /// The payload is something else.
    #[error("content-type is {found:?}, not {CONTENT_TYPE:?}")]
    ContentType {
        /// What the header says.
        found: String,
    },
}

const CONTENT_TYPE: &str = "application/protobuf";
const SPEC_VERSION: &str = "1.0";

impl Envelope {
    /// Makes a record of this envelope around a payload.
    pub fn seal(self, key: &str, payload: Vec<u8>) -> Record {
        let mut headers = vec![
            ("ce_specversion".to_owned(), Bytes::from_static(SPEC_VERSION.as_bytes())),
            ("ce_id".to_owned(), self.id.into()),
            ("ce_source".to_owned(), self.source.into()),
            ("ce_type".to_owned(), self.kind.into()),
            ("ce_time".to_owned(), self.time.into()),
            ("ce_subject".to_owned(), self.subject.into()),
            ("content-type".to_owned(), Bytes::from_static(CONTENT_TYPE.as_bytes())),
        ];
        headers.extend(self.traceparent.map(|parent| ("ce_traceparent".to_owned(), parent.into())));
        Record { key: Bytes::copy_from_slice(key.as_bytes()), headers, payload: payload.into() }
    }

    /// Reads the envelope of a record.
    pub fn open(record: &Record) -> Result<Self, EnvelopeError> {
        let attributes = Attributes::of(record)?;
        Ok(Self {
            id: attributes.id.to_owned(),
            source: attributes.source.to_owned(),
            kind: attributes.kind.to_owned(),
            time: attributes.time.to_owned(),
            subject: attributes.subject.to_owned(),
            traceparent: attributes.traceparent.map(str::to_owned),
        })
    }
}

/// An envelope that is read where it stands: for those who read millions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes<'a> {
    /// `ce_id`.
    pub id: &'a str,
    /// `ce_source`.
    pub source: &'a str,
    /// `ce_type`.
    pub kind: &'a str,
    /// `ce_time`.
    pub time: &'a str,
    /// `ce_subject`.
    pub subject: &'a str,
    /// `ce_traceparent`.
    pub traceparent: Option<&'a str>,
}

impl<'a> Attributes<'a> {
    /// Those of a record. Where a header is there twice, the last one counts.
    pub fn of(record: &'a Record) -> Result<Self, EnvelopeError> {
        let find = |wanted: &str| record.headers.iter().rfind(|(name, _)| name == wanted);
        let text = |name: &'static str| {
            let (_, value) = find(name).ok_or(EnvelopeError::Missing { name })?;
            std::str::from_utf8(value).map_err(|_| EnvelopeError::NotText { name })
        };
        let content_type = text("content-type")?;
        if content_type != CONTENT_TYPE {
            return Err(EnvelopeError::ContentType { found: content_type.to_owned() });
        }
        Ok(Self {
            id: text("ce_id")?,
            source: text("ce_source")?,
            kind: text("ce_type")?,
            time: text("ce_time")?,
            subject: text("ce_subject")?,
            traceparent: text("ce_traceparent").ok(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_survives_the_journal() {
        let envelope = Envelope {
            id: "1".into(),
            source: "gateway-1".into(),
            kind: "weir.usage.recorded.v1".into(),
            time: "2026-01-01T00:00:00Z".into(),
            subject: "chat".into(),
            traceparent: Some("00-1-2-01".into()),
        };
        let record = envelope.clone().seal("chat", vec![1, 2]);
        assert_eq!(Envelope::open(&record), Ok(envelope));
    }

    #[test]
    fn a_record_without_identity_is_named_as_such() {
        let record = Record { key: Bytes::new(), headers: vec![], payload: Bytes::new() };
        assert_eq!(Envelope::open(&record), Err(EnvelopeError::Missing { name: "content-type" }));
    }
}
