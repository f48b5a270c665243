//! Records, places and offsets between Kafka's terms and ours.

use bytes::Bytes;
use rdkafka::Message;
use rdkafka::message::{Header, Headers, OwnedHeaders};
use weir_proto::record::Record;

use super::super::{Offset, Partition, StoredRecord};

/// Topic and partition as Kafka names them.
pub(super) fn place(partition: Partition) -> (&'static str, i32) {
    (partition.topic.name(), i32::try_from(partition.index).expect("Kafka numbers partitions with an i32"))
}

/// A partition's number in our terms.
pub(super) fn index(partition: i32) -> u32 {
    u32::try_from(partition).expect("a partition that exists is not negative")
}

/// An offset in our terms. Kafka's special ones are negative and mean the beginning here.
pub(super) fn offset(offset: i64) -> Offset {
    Offset::new(u64::try_from(offset).unwrap_or(0))
}

/// An offset in Kafka's terms.
pub(super) fn kafka_offset(offset: Offset) -> i64 {
    i64::try_from(offset.get()).unwrap_or(i64::MAX)
}

/// Headers as librdkafka keeps them.
pub(super) fn headers(record: &Record) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
    for (key, value) in &record.headers {
        headers = headers.insert(Header { key, value: Some(value.as_ref()) });
    }
    headers
}

/// A message as a record. What Kafka calls null is empty.
pub(super) fn stored(partition: Partition, message: &impl Message) -> StoredRecord {
    let bytes = |bytes: Option<&[u8]>| bytes.map(Bytes::copy_from_slice).unwrap_or_default();
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    let record = Record {
        key: bytes(message.key()),
        headers: headers.map(|header| (header.key.to_owned(), bytes(header.value))).collect(),
        payload: bytes(message.payload()),
    };
    StoredRecord { partition, offset: offset(message.offset()), record }
}
