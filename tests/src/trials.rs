//! Trials that may lack something: reported as ignored with the reason, mandatory where `CI` is set.

use std::future::Future;

use libtest_mimic::{Completion, Failed, Trial};

use crate::kafka::KafkaBroker;

/// Whether this run must not ignore anything.
#[expect(
    clippy::disallowed_methods,
    reason = "the variable is the convention of build servers, not a setting"
)]
pub fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false")
}

/// Says something about a run that should be seen with its verdict, for instance its seed.
#[expect(clippy::print_stdout, reason = "this is a test's own report")]
pub fn say(text: &str) {
    println!("{text}");
}

/// A trial that cannot be run here: ignored with the reason, or failed where nothing may be ignored.
pub fn lacking(name: &str, reason: &str) -> Trial {
    let reason = reason.to_owned();
    Trial::ignorable_test(name, move || {
        if is_ci() { Err(Failed::from(reason)) } else { Ok(Completion::ignored_with(reason)) }
    })
}

/// A trial that needs Kafka's address: lacking where there is no broker.
pub fn kafka_trial<F>(name: &str, work: impl FnOnce(String) -> F + Send + 'static) -> Trial
where
    F: Future<Output = anyhow::Result<()>>,
{
    Trial::ignorable_test(name, move || {
        let broker = match KafkaBroker::shared() {
            Ok(broker) => broker,
            Err(missing) => return missing.verdict(),
        };
        block_on(work(broker.bootstrap()))
    })
}

/// A trial that needs a broker of its own: lacking where there is none.
pub fn broker_trial<F>(name: &str, work: impl FnOnce(KafkaBroker) -> F + Send + 'static) -> Trial
where
    F: Future<Output = anyhow::Result<()>>,
{
    Trial::ignorable_test(name, move || match KafkaBroker::start() {
        Ok(broker) => block_on(work(broker)),
        Err(missing) => missing.verdict(),
    })
}

/// A trial of asynchronous work, on a runtime of its own.
pub fn trial<F>(name: &str, work: impl FnOnce() -> F + Send + 'static) -> Trial
where
    F: Future<Output = anyhow::Result<()>>,
{
    Trial::ignorable_test(name, move || block_on(work()))
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> Result<Completion, Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(work);
    done.map(|()| Completion::Completed).map_err(|problem| {
        let problem = format!("{problem:#}");
        // The harness says it at the very end, and a run that is cut short never.
        say(&problem);
        Failed::from(problem)
    })
}
