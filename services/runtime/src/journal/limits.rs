//! How large a record and an append may be. The same for every implementation, so that one may replace the other.

use weir_proto::record::{Record, Topic};

use super::AppendError;

/// The most bytes of a record's key, headers and payload together. Usage and quota events are below 4 KiB; the
/// limit leaves room for what others send and the dead-letter topic keeps.
pub const RECORD_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The most bytes of one append: what a queue of appends surely has room for.
pub const APPEND_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Bytes of a record's key, headers and payload.
pub(super) fn record_bytes(record: &Record) -> usize {
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    record.key.len() + headers + record.payload.len()
}

/// Rejects an append that is above a limit; otherwise says how many bytes it has.
pub(super) fn check(topic: Topic, records: &[Record]) -> Result<usize, AppendError> {
    let rejected = |reason| AppendError::Rejected { topic: topic.name(), records: records.len(), reason };
    let mut total = 0;
    for record in records {
        let bytes = record_bytes(record);
        if bytes > RECORD_BYTES_MAX {
            return Err(rejected(format!(
                "a record of {bytes} bytes is above the limit of {RECORD_BYTES_MAX}"
            )));
        }
        total += bytes;
    }
    if total > APPEND_BYTES_MAX {
        return Err(rejected(format!("{total} bytes at once are above the limit of {APPEND_BYTES_MAX}")));
    }
    Ok(total)
}
