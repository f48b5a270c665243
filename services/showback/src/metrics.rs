//! What showback counts. The only place where its metrics are named.

use std::time::Duration;

use metrics::{Unit, describe_histogram, histogram};

const REQUEST_SECONDS: &str = "weir_showback_request_duration_seconds";

/// Tells the recorder what the metrics mean.
pub(crate) fn describe() {
    describe_histogram!(REQUEST_SECONDS, Unit::Seconds, "Time to answer, by route and status");
}

pub(crate) fn answered(route: &str, status: u16, took: Duration) {
    let labels = [("route", route.to_owned()), ("status", status.to_string())];
    histogram!(REQUEST_SECONDS, &labels).record(took.as_secs_f64());
}
