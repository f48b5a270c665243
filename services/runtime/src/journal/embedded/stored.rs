//! A record as bytes on disk, and back: `weir.storage.v1`.

use prost::Message;
use weir_domain::time::Timestamp;
use weir_proto::record::Record;
use weir_proto::storage::v1;

/// The bytes of a record that the journal took at this time.
pub(super) fn encode(record: Record, at: Timestamp) -> Vec<u8> {
    let header = |(name, value)| v1::Header { name, value };
    let stored = v1::StoredRecord {
        key: record.key,
        headers: record.headers.into_iter().map(header).collect(),
        payload: record.payload,
        appended_ms: at.as_millis(),
    };
    stored.encode_to_vec()
}

/// The record of these bytes.
pub(super) fn decode(bytes: Vec<u8>) -> Result<Record, prost::DecodeError> {
    let stored = v1::StoredRecord::decode(bytes::Bytes::from(bytes))?;
    let header = |header: v1::Header| (header.name, header.value);
    Ok(Record {
        key: stored.key,
        headers: stored.headers.into_iter().map(header).collect(),
        payload: stored.payload,
    })
}
