//! What is measured here. Teams and pools may be labels, callers never are.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use weir_domain::amount::Tokens;
use weir_domain::ids::{PoolId, TeamId};
use weir_domain::usage::{UsageRecorded, UsageSource};

const REQUESTS: &str = "weir_gateway_requests_total";
const IN_FLIGHT: &str = "weir_gateway_in_flight_requests";
const ADDED_LATENCY: &str = "weir_gateway_added_latency_seconds";
const REFUSALS: &str = "weir_gateway_refusals_total";
const QUOTA_UNAVAILABLE: &str = "weir_gateway_quota_unavailable_total";
const OUTAGES: &str = "weir_gateway_quota_outages_total";
const ADMITTED_OPEN: &str = "weir_gateway_open_tokens_total";
const EXTEND_FAILURES: &str = "weir_gateway_extend_failures_total";
const ATTEMPTS: &str = "weir_gateway_attempts_total";
const TOKENS: &str = "weir_gateway_tokens_total";
const UNCHARGED: &str = "weir_tokens_uncharged_total";
const PUBLISHED: &str = "weir_gateway_published_events_total";
const PUBLISH_FAILURES: &str = "weir_gateway_publish_failures_total";
const SETTLE_FAILURES: &str = "weir_gateway_settle_failures_total";
const DIRECTORY_AGE: &str = "weir_gateway_directory_age_seconds";
const UNFINISHED: &str = "weir_gateway_unfinished_attempts";

/// Says what each means, and shows those that must be 0 from the beginning.
pub(crate) fn describe() {
    describe_counter!(REQUESTS, "Requests answered, by status class");
    describe_gauge!(IN_FLIGHT, "Requests whose answer has not been delivered");
    describe_histogram!(
        ADDED_LATENCY,
        Unit::Seconds,
        "From a request's last byte to the call of its upstream"
    );
    describe_counter!(REFUSALS, "Requests refused, by team, pool and limit");
    describe_counter!(QUOTA_UNAVAILABLE, "Requests refused because quota did not answer");
    describe_counter!(OUTAGES, "Times that reservations of a pool began to go unanswered");
    describe_counter!(
        ADMITTED_OPEN,
        "Tokens admitted without quota, by team and pool: the failure mode is open"
    );
    describe_counter!(
        EXTEND_FAILURES,
        "Holds of requests under way that could not be extended and are tried again"
    );
    describe_counter!(ATTEMPTS, "Upstream attempts that ended, by where their usage comes from");
    describe_counter!(TOKENS, "Tokens used, by team and pool");
    describe_counter!(UNCHARGED, "Tokens that nobody was charged for; anything but 0 is a defect");
    describe_counter!(PUBLISHED, "Events taken by the journal");
    describe_counter!(PUBLISH_FAILURES, "Appends that the journal did not take and that were tried again");
    describe_counter!(SETTLE_FAILURES, "Settles that were not acknowledged and were tried again");
    describe_gauge!(
        DIRECTORY_AGE,
        Unit::Seconds,
        "How long ago quota stood by the directory that the gateway goes by"
    );
    describe_gauge!(UNFINISHED, "Attempts under way, not yet in the journal, or not yet settled");
    counter!(UNCHARGED).absolute(0);
    counter!(QUOTA_UNAVAILABLE).absolute(0);
}

/// Counts a request as in flight until it is dropped.
pub(crate) struct InFlight(());

impl InFlight {
    /// One more.
    pub(crate) fn begin() -> Self {
        gauge!(IN_FLIGHT).increment(1.0);
        Self(())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        gauge!(IN_FLIGHT).decrement(1.0);
    }
}

/// A request was answered.
pub(crate) fn answered(status: http::StatusCode) {
    let class = match status.as_u16() {
        200..300 => "2xx",
        429 => "429",
        300..500 => "4xx",
        _ => "5xx",
    };
    counter!(REQUESTS, "status" => class).increment(1);
}

/// An upstream is called, so long after the request was there.
pub(crate) fn added_latency(span: Duration) {
    histogram!(ADDED_LATENCY).record(span);
}

/// A request was refused.
pub(crate) fn refused(team: &TeamId, pool: &PoolId, limit: &'static str) {
    counter!(REFUSALS, "team" => team.to_string(), "pool" => pool.to_string(), "limit" => limit).increment(1);
}

/// Quota did not answer.
pub(crate) fn quota_unavailable() {
    counter!(QUOTA_UNAVAILABLE).increment(1);
}

/// Reservations of a pool begin to go unanswered.
pub(crate) fn outage_began(pool: &PoolId) {
    counter!(OUTAGES, "pool" => pool.to_string()).increment(1);
}

/// So many tokens were admitted without quota.
pub(crate) fn admitted_open(team: &TeamId, pool: &PoolId, tokens: Tokens) {
    let (team, pool) = (team.to_string(), pool.to_string());
    counter!(ADMITTED_OPEN, "team" => team, "pool" => pool).increment(tokens.get());
}

/// A hold could not be extended.
pub(crate) fn extend_failed() {
    counter!(EXTEND_FAILURES).increment(1);
}

/// An attempt ended.
pub(crate) fn attempt_ended(event: &UsageRecorded) {
    let source = match event.usage_source {
        UsageSource::Reported => "reported",
        UsageSource::Counted => "counted",
        UsageSource::Estimated => "estimated",
        UsageSource::Unbilled => "unbilled",
    };
    counter!(ATTEMPTS, "usage_source" => source).increment(1);
    let (team, pool) = (event.team.to_string(), event.pool.to_string());
    counter!(TOKENS, "team" => team, "pool" => pool).increment(event.usage.total().get());
}

/// Events are in the journal.
pub(crate) fn published(events: usize) {
    counter!(PUBLISHED).increment(events as u64);
}

/// An append must be tried again.
pub(crate) fn publish_failed() {
    counter!(PUBLISH_FAILURES).increment(1);
}

/// A settle must be tried again.
pub(crate) fn settle_failed() {
    counter!(SETTLE_FAILURES).increment(1);
}

/// Quota stood by the directory so long ago.
pub(crate) fn directory_age(age: Duration) {
    gauge!(DIRECTORY_AGE).set(age.as_secs_f64());
}

/// So many attempts are not finished.
pub(crate) fn unfinished(attempts: usize) {
    gauge!(UNFINISHED).set(u32::try_from(attempts).unwrap_or(u32::MAX));
}

/// Quota did not charge a settle: it says that one which was sent for the first time had been charged before, or it
/// refuses it for good.
pub(crate) fn uncharged(tokens: Tokens) {
    counter!(UNCHARGED).increment(tokens.get());
}
