//! The metrics of the quota service, described once.

mod decisions;
mod flow;

use metrics::{Unit, counter, gauge};
use weir_domain::ledger::Limit;

pub(crate) use decisions::Decisions;
pub(crate) use flow::{Flow, Survey};

const DECISIONS: &str = "weir_quota_decisions_total";
const SETTLES: &str = "weir_quota_settles_total";
const DEBT: &str = "weir_quota_debt_tokens_total";
const LEVEL: &str = "weir_quota_pool_level_tokens";
const DEFICIT: &str = "weir_quota_pool_deficit_tokens";
const HOLDS: &str = "weir_quota_outstanding_holds";
const SLICES: &str = "weir_quota_slices_drawn_total";
const DRAWN: &str = "weir_quota_drawn_tokens_total";
const BORROWED: &str = "weir_quota_borrowed_tokens_total";
const BORROWED_NOW: &str = "weir_quota_borrowed_tokens";
const LENT: &str = "weir_quota_lent_tokens_per_minute";
const LAPSED: &str = "weir_quota_slices_lapsed_total";
const SHADOWED: &str = "weir_quota_shadowed_requests_total";
const THRESHOLDS: &str = "weir_quota_budget_thresholds_total";
const BUDGET_USED: &str = "weir_quota_budget_used_ratio";
const APPEND: &str = "weir_quota_append_seconds";
const APPEND_FAILURES: &str = "weir_quota_append_failures_total";
const BATCH: &str = "weir_quota_batch_events";
const REBUILD: &str = "weir_quota_rebuild_seconds";
const SNAPSHOTS: &str = "weir_quota_snapshots_total";
const SESSIONS: &str = "weir_quota_sessions";
const VIOLATIONS: &str = "weir_quota_invariant_violations_total";
const AUTH_FAILURES: &str = "weir_quota_auth_failures_total";
const ENVOY: &str = "weir_quota_envoy_descriptors_total";

/// Describes every metric. Called once, when the service starts.
pub(crate) fn describe() {
    describe_admission();
    describe_ledger();
    describe_machinery();
}

fn describe_admission() {
    use metrics::{describe_counter, describe_gauge};
    describe_counter!(
        DECISIONS,
        "Reservations by outcome: admitted, refused, or shadowed (passed in spite of a limit); and the limit"
    );
    describe_counter!(SETTLES, "Settles by outcome: charged, or repeated");
    describe_counter!(DEBT, "Tokens used above what was held");
    describe_gauge!(HOLDS, "Requests under way");
    describe_counter!(
        SHADOWED,
        "Requests that passed in shadow mode only, by the limit that would have bound"
    );
    describe_gauge!(SESSIONS, "Sessions that are open");
    describe_counter!(
        ENVOY,
        "Descriptors of Envoy filters by what was asked (admit, check, report, nothing) and outcome: ok, over_limit, unknown, or shadowed (let pass in spite of a refusal)"
    );
    describe_counter!(AUTH_FAILURES, "Calls without the right token");
}

fn describe_ledger() {
    use metrics::{describe_counter, describe_gauge};
    describe_gauge!(LEVEL, "Tokens in a pool's bucket, negative in debt");
    describe_gauge!(
        DEFICIT,
        "By how many tokens a pool falls short of its guarantees; nobody borrows while it does"
    );
    describe_counter!(SLICES, "Slices drawn, by who hands them out: quota itself, or a node");
    describe_counter!(DRAWN, "Tokens drawn in slices");
    describe_counter!(BORROWED, "Tokens drawn that were borrowed");
    describe_gauge!(BORROWED_NOW, "Tokens borrowed in a pool and not refilled yet");
    describe_gauge!(LENT, "Tokens a minute that full guarantees lend to the pool now");
    describe_counter!(LAPSED, "Slices that count as spent because whoever held them is gone");
    describe_gauge!(BUDGET_USED, "The part of a budget that is settled or drawn in its period, as a ratio");
    describe_counter!(THRESHOLDS, "Thresholds of budgets that were reached");
}

fn describe_machinery() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_histogram!(APPEND, Unit::Seconds, "How long the journal took for one group commit");
    describe_counter!(
        APPEND_FAILURES,
        "Group commits that the journal did not take, or that nobody can say of"
    );
    describe_histogram!(BATCH, "Events in one group commit");
    describe_gauge!(REBUILD, Unit::Seconds, "How long the last rebuild from the journal took");
    describe_counter!(SNAPSHOTS, "Snapshots by outcome: written, or failed");
    describe_counter!(VIOLATIONS, "Promises of the ledger found broken at run time: always a defect");
}

/// A call named a pool that there is not.
pub(crate) fn decided_without_pool() {
    counter!(DECISIONS, "pool" => "", "service" => "", "outcome" => "refused", "limit" => Limit::NoAllocation.as_str())
        .increment(1);
}

pub(crate) fn envoy_answered(asked: &'static str, outcome: &'static str) {
    counter!(ENVOY, "asked" => asked, "outcome" => outcome).increment(1);
}

pub(crate) fn append_failed(key: &str) {
    counter!(APPEND_FAILURES, "key" => key.to_owned()).increment(1);
}

pub(crate) fn rebuilt(took: std::time::Duration) {
    gauge!(REBUILD).set(took.as_secs_f64());
}

pub(crate) fn snapshot(outcome: &'static str) {
    counter!(SNAPSHOTS, "outcome" => outcome).increment(1);
}

pub(crate) fn violated(promise: &'static str) {
    counter!(VIOLATIONS, "promise" => promise).increment(1);
}

pub(crate) fn authentication_failed() {
    counter!(AUTH_FAILURES).increment(1);
}

/// Counts a session while it is open.
pub(crate) struct OpenSession(());

impl OpenSession {
    pub(crate) fn count() -> Self {
        gauge!(SESSIONS).increment(1);
        Self(())
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        gauge!(SESSIONS).decrement(1);
    }
}
