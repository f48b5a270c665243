//! Metrics of this crate.

use metrics::{Unit, describe_counter, describe_gauge};

/// How often the embedded engine was started again after it had died.
pub const RESTARTS: &str = "weir_embedded_clickhouse_restarts_total";
/// 1 while the embedded engine answers, 0 while it does not.
pub const UP: &str = "weir_embedded_clickhouse_up_bool";

/// Describes them; once a process, after the recorder is installed.
pub fn describe() {
    describe_counter!(
        RESTARTS,
        Unit::Count,
        "times that the embedded ClickHouse was started again after it had died"
    );
    describe_gauge!(UP, "whether the embedded ClickHouse answers");
}
