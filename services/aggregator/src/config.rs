//! Settings of the aggregator.

use std::time::Duration;

use serde::Deserialize;

/// Settings of the aggregator.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Config {
    /// A batch is closed at this many records. ClickHouse likes few large inserts.
    pub batch_records_max: usize,
    /// A batch is closed at this many bytes of records. With `batches_in_flight_max` it bounds the memory.
    pub batch_bytes_max: usize,
    /// How long a batch that is not full waits for more, in milliseconds: how much older than needed a report may be.
    pub linger_ms: u64,
    /// How many partitions may fill or insert a batch at a time; the others wait their turn.
    pub batches_in_flight_max: usize,
    /// How long ClickHouse may take to accept an insert, in milliseconds.
    pub insert_timeout_ms: u64,
    /// How long ClickHouse may take to answer a question, in milliseconds.
    pub query_timeout_ms: u64,
    /// The first pause after a failure of the journal or of ClickHouse, in milliseconds; it doubles.
    pub retry_min_ms: u64,
    /// The longest pause between two tries, in milliseconds.
    pub retry_max_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            batch_records_max: 20_000,
            batch_bytes_max: 8 << 20,
            linger_ms: 500,
            batches_in_flight_max: 4,
            insert_timeout_ms: 60_000,
            query_timeout_ms: 30_000,
            retry_min_ms: 100,
            retry_max_ms: 10_000,
        }
    }
}

/// When a batch is closed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) records_max: usize,
    pub(crate) bytes_max: usize,
    pub(crate) linger: Duration,
}

impl Config {
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            records_max: self.batch_records_max.max(1),
            bytes_max: self.batch_bytes_max,
            linger: Duration::from_millis(self.linger_ms),
        }
    }
}
