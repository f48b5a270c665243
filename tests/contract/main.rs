//! The contract of the journal, run on every implementation, and what only one of them promises.
//!
//! Kafka's part needs a JVM; where there is none it is reported as ignored, unless `CI` is set. What the embedded
//! journal promises about crashes runs this same program as a child that is killed.

mod brokers;
mod children;
mod crashes;
mod embedded;
mod engines;
mod faults;
mod groups;
mod promises;
mod reading;

use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures_util::future::BoxFuture;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use weir_runtime::journal::SharedJournal;

use engines::{Engine, Fresh};

/// No promise takes so long; a run that does hangs.
const TRIAL_SECS_MAX: u64 = 60;

/// A promise of every implementation.
type Promise = fn(SharedJournal) -> BoxFuture<'static, anyhow::Result<()>>;

/// Names a promise and boxes its future.
macro_rules! promises {
    ($($module:ident :: $name:ident),+ $(,)?) => {
        [$((stringify!($name), (|journal| Box::pin($module::$name(journal))) as Promise)),+]
    };
}

const PROMISES: &[(&str, Promise)] = &promises![
    promises::records_with_equal_keys_keep_their_order,
    promises::an_append_says_where_each_record_went,
    promises::keys_are_spread_over_partitions_as_kafka_spreads_them,
    promises::every_byte_of_a_record_survives,
    promises::concurrent_appends_all_land_once_and_in_order,
    promises::a_record_above_the_limit_is_rejected_and_the_next_is_not,
    promises::nothing_is_appended_for_nothing,
    reading::a_partition_is_replayed_from_any_offset,
    reading::a_reader_at_the_end_waits_for_what_comes,
    reading::a_read_that_is_given_up_skips_nothing,
    groups::a_commit_is_found_again_with_its_note_by_its_group_alone,
    groups::a_note_above_the_limit_is_refused,
    groups::two_members_share_the_partitions_and_a_lost_ones_come_back,
    groups::what_was_revoked_cannot_be_committed,
    groups::a_member_goes_on_where_the_last_one_stopped,
];

fn main() -> ExitCode {
    if let Some(outcome) = children::run_if_asked() {
        return outcome;
    }
    let arguments = Arguments::from_args();
    let engines = engines::all();
    let mut trials = Vec::new();
    for engine in &engines {
        for (name, promise) in PROMISES {
            let engine = Arc::clone(engine);
            let label = format!("{}::{name}", engine.name());
            trials.push(Trial::ignorable_test(label, move || keep(engine.as_ref(), *promise)));
        }
    }
    trials.extend(embedded::trials());
    trials.extend(crashes::trials());
    trials.extend(faults::trials());
    trials.extend(brokers::trials());
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn keep(engine: &dyn Engine, promise: Promise) -> Result<Completion, Failed> {
    if let Err(missing) = engine.prepare() {
        return missing.verdict();
    }
    let kept = in_time(async {
        let Fresh { journal, keep } = engine.fresh().await?;
        promise(journal).await?;
        drop(keep);
        Ok(())
    });
    kept.map(|()| Completion::Completed).map_err(|broken| Failed::from(format!("{broken:?}")))
}

/// A test that is a future.
pub(crate) fn trial<F, T>(name: &str, test: T) -> Trial
where
    F: Future<Output = anyhow::Result<()>>,
    T: FnOnce() -> F + Send + 'static,
{
    Trial::test(name, move || in_time(test()).map_err(|broken| Failed::from(format!("{broken:?}"))))
}

pub(crate) fn in_time<T>(test: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let limit = Duration::from_secs(TRIAL_SECS_MAX);
    let outcome = runtime.block_on(async { tokio::time::timeout(limit, test).await });
    runtime.shutdown_background();
    outcome.with_context(|| format!("did not end within {TRIAL_SECS_MAX} s"))?
}
