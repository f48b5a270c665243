//! The metrics of the quota service, described once.

use std::collections::HashMap;

use metrics::{Counter, Gauge, Histogram, Unit, counter, gauge, histogram};
use weir_domain::amount::Tokens;
use weir_domain::ids::{PoolId, ServiceId};

const DECISIONS: &str = "weir_quota_decisions_total";
const SETTLES: &str = "weir_quota_settles_total";
const DEBT: &str = "weir_quota_debt_tokens_total";
const LEVEL: &str = "weir_quota_pool_level_tokens";
const DEFICIT: &str = "weir_quota_pool_deficit_tokens";
const HOLDS: &str = "weir_quota_outstanding_holds";
const APPEND: &str = "weir_quota_append_seconds";
const APPEND_FAILURES: &str = "weir_quota_append_failures_total";
const BATCH: &str = "weir_quota_batch_commands";
const REBUILD: &str = "weir_quota_rebuild_seconds";
const VIOLATIONS: &str = "weir_quota_invariant_violations_total";
const AUTH_FAILURES: &str = "weir_quota_auth_failures_total";

/// Describes every metric. Called once, when the service starts.
pub(crate) fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!(DECISIONS, "Reservations by outcome and, where refused, the limit that bound");
    describe_counter!(
        SETTLES,
        "Settles by outcome: charged, repeated, or stale (too late to tell, so not charged)"
    );
    describe_counter!(DEBT, "Tokens used above what was held");
    describe_gauge!(LEVEL, "Tokens in a pool's bucket, negative in debt, as of its last command");
    describe_gauge!(
        DEFICIT,
        "By how many tokens a pool falls short of its guarantees, as of its last command"
    );
    describe_gauge!(HOLDS, "Holds that have been neither settled nor released");
    describe_histogram!(APPEND, Unit::Seconds, "How long the journal took for one group commit");
    describe_counter!(
        APPEND_FAILURES,
        "Group commits that the journal did not take, or that nobody can say of"
    );
    describe_histogram!(BATCH, "Commands in one group commit");
    describe_gauge!(REBUILD, Unit::Seconds, "How long the last rebuild from the journal took");
    describe_counter!(VIOLATIONS, "Promises of the ledger found broken at run time: always a defect");
    describe_counter!(AUTH_FAILURES, "Calls without the right token");
}

/// The metrics of one pool.
pub(crate) struct PoolMetrics {
    pool: String,
    decisions: HashMap<(Option<ServiceId>, &'static str), Counter>,
    level: Gauge,
    deficit: Gauge,
    holds: Gauge,
    debt: Counter,
    settles: [Counter; 3],
    append: Histogram,
    batch: Histogram,
}

/// What became of a settle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SettleOutcome {
    Charged,
    Repeated,
    Stale,
}

impl PoolMetrics {
    pub(crate) fn new(pool: &PoolId) -> Self {
        let pool = pool.to_string();
        let settles = |outcome: &'static str| counter!(SETTLES, "pool" => pool.clone(), "outcome" => outcome);
        Self {
            decisions: HashMap::new(),
            level: gauge!(LEVEL, "pool" => pool.clone()),
            deficit: gauge!(DEFICIT, "pool" => pool.clone()),
            holds: gauge!(HOLDS, "pool" => pool.clone()),
            debt: counter!(DEBT, "pool" => pool.clone()),
            settles: [settles("charged"), settles("repeated"), settles("stale")],
            append: histogram!(APPEND, "pool" => pool.clone()),
            batch: histogram!(BATCH, "pool" => pool.clone()),
            pool,
        }
    }

    /// A reservation was decided. The service is named only if it has an account, so that names stay bounded.
    pub(crate) fn decided(&mut self, service: Option<&ServiceId>, limit: Option<&'static str>) {
        let limit = limit.unwrap_or_default();
        let pool = &self.pool;
        let counter = self.decisions.entry((service.cloned(), limit)).or_insert_with(|| {
            let name = service.map(ToString::to_string).unwrap_or_default();
            let outcome = if limit.is_empty() { "admitted" } else { "refused" };
            counter!(DECISIONS, "pool" => pool.clone(), "service" => name, "outcome" => outcome, "limit" => limit)
        });
        counter.increment(1);
    }

    pub(crate) fn settled(&self, outcome: SettleOutcome) {
        self.settles[outcome as usize].increment(1);
    }

    pub(crate) fn indebted(&self, tokens: Tokens) {
        self.debt.increment(tokens.get());
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge of tokens needs no more than 53 bits")]
    pub(crate) fn levels(&self, level_tokens: i64, deficit: Tokens, holds: usize) {
        self.level.set(level_tokens as f64);
        self.deficit.set(deficit.get() as f64);
        self.holds.set(holds as f64);
    }

    #[expect(clippy::cast_precision_loss, reason = "a batch has far fewer than 2^53 commands")]
    pub(crate) fn batch(&self, commands: usize) {
        self.batch.record(commands as f64);
    }

    pub(crate) fn appended(&self, took: std::time::Duration) {
        self.append.record(took.as_secs_f64());
    }
}

/// A call named a pool that there is not.
pub(crate) fn decided_without_pool() {
    counter!(DECISIONS, "pool" => "", "service" => "", "outcome" => "refused", "limit" => "no_allocation")
        .increment(1);
}

pub(crate) fn append_failed(key: &str) {
    counter!(APPEND_FAILURES, "key" => key.to_owned()).increment(1);
}

pub(crate) fn rebuilt(took: std::time::Duration) {
    gauge!(REBUILD).set(took.as_secs_f64());
}

pub(crate) fn violated(promise: &'static str) {
    counter!(VIOLATIONS, "promise" => promise).increment(1);
}

pub(crate) fn authentication_failed() {
    counter!(AUTH_FAILURES).increment(1);
}
