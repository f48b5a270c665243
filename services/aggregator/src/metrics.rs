//! What the aggregator counts. The only place where its metrics are named.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use std::time::Duration;
use weir_runtime::journal::Partition;

use crate::warehouse::Table;

const LAG: &str = "weir_aggregator_lag_records";
const ROWS: &str = "weir_aggregator_rows_total";
const BATCHES: &str = "weir_aggregator_batches_total";
const BATCH_SECONDS: &str = "weir_aggregator_batch_duration_seconds";
const DUPLICATES: &str = "weir_aggregator_duplicates_total";
const REJECTED: &str = "weir_aggregator_rejected_records_total";
const FAILURES: &str = "weir_aggregator_failures_total";
const RESUMED: &str = "weir_aggregator_resumed_batches_total";

/// Tells the recorder what the metrics mean.
pub(crate) fn describe() {
    describe_gauge!(LAG, Unit::Count, "Records of a partition that are not in the tables yet");
    describe_counter!(ROWS, Unit::Count, "Rows inserted, by table");
    describe_counter!(BATCHES, Unit::Count, "Batches done");
    describe_histogram!(BATCH_SECONDS, Unit::Seconds, "From the intent to its end");
    describe_counter!(DUPLICATES, Unit::Count, "Records left out because they repeat a fact");
    describe_counter!(REJECTED, Unit::Count, "Records set aside as dead letters");
    describe_counter!(FAILURES, Unit::Count, "Failed operations that are tried again, by operation");
    describe_counter!(RESUMED, Unit::Count, "Batches that somebody began and this aggregator finished");
}

pub(crate) fn lag(partition: Partition, records: u64) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; 2^53 records are beyond any journal")]
    let records = records as f64;
    let labels = [("topic", partition.topic.name().to_owned()), ("partition", partition.index.to_string())];
    gauge!(LAG, &labels).set(records);
}

pub(crate) fn batch_done(took: Duration) {
    counter!(BATCHES).increment(1);
    histogram!(BATCH_SECONDS).record(took.as_secs_f64());
}

pub(crate) fn batch_resumed() {
    counter!(RESUMED).increment(1);
}

pub(crate) fn rows_inserted(table: Table, rows: usize) {
    counter!(ROWS, "table" => table.name()).increment(rows as u64);
}

pub(crate) fn left_out(duplicates: usize, rejected: usize) {
    counter!(DUPLICATES).increment(duplicates as u64);
    counter!(REJECTED).increment(rejected as u64);
}

pub(crate) fn failed(operation: &'static str) {
    counter!(FAILURES, "operation" => operation).increment(1);
}
