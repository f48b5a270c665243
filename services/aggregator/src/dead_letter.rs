//! Dead letters: records that cannot be read, set aside with where they stood and what is wrong with them.
//!
//! They are appended at least once: a crash between the append and the commit appends them again. Their id is made
//! of topic, partition and offset, so a reader knows a repetition when it sees one. A letter that would be too large
//! for the journal keeps the beginning of its payload and says so.

use bytes::Bytes;
use weir_domain::time::Timestamp;
use weir_proto::codec::rfc3339;
use weir_proto::record::Record;
use weir_runtime::journal::{APPEND_BYTES_MAX, RECORD_BYTES_MAX};

use crate::batch::{Rejected, record_bytes};

/// The `ce_type` of a dead letter.
const REJECTED_V1: &str = "weir.deadletter.rejected.v1";

/// The `ce_source` of a dead letter. The same for all aggregators, for the id alone must tell a repetition.
const SOURCE: &str = "weir-aggregator";

/// What stands before the names of the rejected record's own headers.
const ORIGINAL: &str = "original_";

/// The dead letter of a record. Its payload and headers are kept as they are, the payload's meaning unknown.
pub(crate) fn letter(rejected: &Rejected, now: Timestamp) -> Record {
    let stored = &rejected.stored;
    let topic = stored.partition.topic.name();
    let own = [
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", format!("{}/{}", stored.partition, stored.offset)),
        ("ce_source", SOURCE.to_owned()),
        ("ce_type", REJECTED_V1.to_owned()),
        ("ce_time", rfc3339(now)),
        ("ce_subject", topic.to_owned()),
        ("content-type", "application/octet-stream".to_owned()),
        ("weir_topic", topic.to_owned()),
        ("weir_partition", stored.partition.index.to_string()),
        ("weir_offset", stored.offset.to_string()),
        ("weir_problem", problem(rejected)),
    ];
    let mut headers: Vec<(String, Bytes)> =
        own.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    headers.push((format!("{ORIGINAL}key"), stored.record.key.clone()));
    let originals = stored.record.headers.iter();
    headers.extend(originals.map(|(name, value)| (format!("{ORIGINAL}{name}"), value.clone())));
    let key = Bytes::from_static(topic.as_bytes());
    fitted(Record { key, headers, payload: stored.record.payload.clone() })
}

/// The letter within the journal's limit: without the end of its payload if need be, then without original headers.
fn fitted(mut letter: Record) -> Record {
    let bytes = record_bytes(&letter);
    if bytes <= RECORD_BYTES_MAX {
        return letter;
    }
    letter.headers.push(("weir_truncated".to_owned(), bytes.to_string().into()));
    let excess = record_bytes(&letter) - RECORD_BYTES_MAX;
    letter.payload.truncate(letter.payload.len().saturating_sub(excess));
    if record_bytes(&letter) > RECORD_BYTES_MAX {
        letter.headers.retain(|(name, _)| !name.starts_with(ORIGINAL));
    }
    letter
}

/// Letters in as few appends as the journal's limit allows.
pub(crate) fn appends(letters: Vec<Record>) -> Vec<Vec<Record>> {
    let (mut appends, mut bytes) = (Vec::<Vec<Record>>::new(), 0);
    for letter in letters {
        let more = record_bytes(&letter);
        match appends.last_mut() {
            Some(append) if bytes + more <= APPEND_BYTES_MAX => append.push(letter),
            _ => {
                appends.push(vec![letter]);
                bytes = 0;
            }
        }
        bytes += more;
    }
    appends
}

/// What is wrong, with its causes.
pub(crate) fn problem(rejected: &Rejected) -> String {
    let mut text = rejected.problem.to_string();
    let mut cause = std::error::Error::source(&rejected.problem);
    while let Some(because) = cause {
        text = format!("{text}: {because}");
        cause = because.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_proto::codec::DecodeError;
    use weir_proto::record::Topic;
    use weir_runtime::journal::{Offset, Partition, StoredRecord};

    fn header<'a>(record: &'a Record, name: &str) -> &'a str {
        let (_, value) = record.headers.iter().find(|(found, _)| found == name).unwrap();
        std::str::from_utf8(value).unwrap()
    }

    #[test]
    fn a_dead_letter_says_where_it_comes_from_and_keeps_what_it_was() {
        let record = Record {
            key: Bytes::from_static(b"chat"),
            headers: vec![("ce_type".into(), Bytes::from_static(b"weir.usage.recorded.v9"))],
            payload: Bytes::from_static(&[255, 0]),
        };
        let partition = Partition { topic: Topic::Usage, index: 3 };
        let stored = StoredRecord { partition, offset: Offset::new(17), record };
        let problem = DecodeError::UnknownType { kind: "weir.usage.recorded.v9".into() };
        let letter = letter(&Rejected { stored, problem }, Timestamp::EPOCH);

        assert_eq!(letter.key, "weir.usage.v1");
        assert_eq!(letter.payload, Bytes::from_static(&[255, 0]));
        assert_eq!(header(&letter, "ce_id"), "weir.usage.v1/3/17");
        assert_eq!(header(&letter, "weir_offset"), "17");
        assert!(header(&letter, "weir_problem").contains("weir.usage.recorded.v9"));
        assert_eq!(header(&letter, "original_ce_type"), "weir.usage.recorded.v9");
        assert_eq!(header(&letter, "original_key"), "chat");
    }
    #[test]
    fn however_large_a_record_is_its_letter_fits_the_journal() {
        let header = |bytes: usize| vec![("x".to_owned(), Bytes::from(vec![0; bytes]))];
        for (headers, payload) in [(0, RECORD_BYTES_MAX), (RECORD_BYTES_MAX - 10, 0), (1_000_000, 1_000_000)]
        {
            let record = Record {
                key: Bytes::new(),
                headers: header(headers),
                payload: Bytes::from(vec![0; payload]),
            };
            let partition = Partition { topic: Topic::Usage, index: 3 };
            let stored = StoredRecord { partition, offset: Offset::new(17), record };
            let problem = DecodeError::UnknownType { kind: "?".into() };
            let letter = letter(&Rejected { stored, problem }, Timestamp::EPOCH);
            assert!(record_bytes(&letter) <= RECORD_BYTES_MAX);
            assert_eq!(header_count(&letter, "weir_offset"), 1);
        }
    }

    #[test]
    fn many_letters_go_in_several_appends() {
        let letter = |bytes| Record { key: Bytes::new(), headers: vec![], payload: vec![0; bytes].into() };
        let letters = vec![letter(APPEND_BYTES_MAX / 2), letter(APPEND_BYTES_MAX / 2), letter(1), letter(1)];
        assert_eq!(appends(letters).iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
        assert!(appends(vec![]).is_empty());
    }

    fn header_count(record: &Record, name: &str) -> usize {
        record.headers.iter().filter(|(found, _)| found == name).count()
    }
}
