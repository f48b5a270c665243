//! Trouble: what keeps parts of the aggregator from their work, how they wait for it to end, and readiness.
//!
//! An outage of the journal or of ClickHouse is nothing to die of: everything waits in the journal. It is tried
//! again with doubling pauses, logged, counted, and told to whoever asks whether this process is ready.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_runtime::health::Component;

use crate::config::Config;
use crate::metrics;

/// Shutdown began while waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stopped;

/// All present trouble of this process. Clones share it.
#[derive(Clone)]
pub(crate) struct Troubles(Arc<Shared>);

struct Shared {
    component: Component,
    present: Mutex<BTreeMap<String, String>>,
}

impl Troubles {
    pub(crate) fn new(component: Component) -> Self {
        Self(Arc::new(Shared { component, present: Mutex::default() }))
    }

    /// Somebody cannot work.
    pub(crate) fn begin(&self, who: &str, why: String) {
        self.change(|present| {
            present.insert(who.to_owned(), why);
        });
    }

    /// Somebody can work again, or need not any more.
    pub(crate) fn end(&self, who: &str) {
        self.change(|present| {
            present.remove(who);
        });
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, String>)) {
        let mut present = self.0.present.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut present);
        match present.iter().next() {
            None => self.0.component.ready(),
            Some((who, why)) => self.0.component.not_ready(format!("{who}: {why}")),
        }
    }
}

/// The pauses of one part of the aggregator.
pub(crate) struct Backoff {
    who: String,
    troubles: Troubles,
    stop: CancellationToken,
    pauses: Pauses,
    failures: u32,
}

/// How long to wait after a failure: at first, and at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pauses {
    min: Duration,
    max: Duration,
}

impl Pauses {
    pub(crate) fn new(config: &Config) -> Self {
        let min = Duration::from_millis(config.retry_min_ms.max(1));
        Self { min, max: Duration::from_millis(config.retry_max_ms).max(min) }
    }

    pub(crate) fn after(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        self.min.saturating_mul(1 << doublings).min(self.max)
    }
}

impl Backoff {
    pub(crate) fn new(who: String, troubles: Troubles, pauses: Pauses, stop: CancellationToken) -> Self {
        Self { who, troubles, stop, pauses, failures: 0 }
    }

    /// Tells of a failure and waits before the next try.
    pub(crate) async fn failed(
        &mut self,
        operation: &'static str,
        problem: &(dyn Display + Sync),
    ) -> Result<(), Stopped> {
        self.failures += 1;
        let pause = self.pauses.after(self.failures);
        metrics::failed(operation);
        tracing::warn!(who = %self.who, operation, %problem, tries = self.failures, ?pause, "will try again");
        self.troubles.begin(&self.who, problem.to_string());
        tokio::select! {
            () = self.stop.cancelled() => Err(Stopped),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }

    /// The operation that failed before has succeeded.
    pub(crate) fn succeeded(&mut self) {
        if self.failures > 0 {
            tracing::info!(who = %self.who, tries = self.failures, "recovered");
            self.failures = 0;
            self.troubles.end(&self.who);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_runtime::health::Health;

    #[test]
    fn pauses_double_up_to_their_limit() {
        let pauses = Pauses { min: Duration::from_millis(100), max: Duration::from_millis(500) };
        let millis = |failures| pauses.after(failures).as_millis();
        assert_eq!([1, 2, 3, 4, 1_000].map(millis), [100, 200, 400, 500, 500]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_process_is_ready_when_nobody_has_trouble() {
        let health = Health::default();
        let troubles = Troubles::new(health.component("aggregator"));
        let pauses = Pauses::new(&Config::default());
        let backoff =
            |who: &str| Backoff::new(who.to_owned(), troubles.clone(), pauses, CancellationToken::new());
        let (mut one, mut other) = (backoff("one"), backoff("other"));
        one.failed("insert", &"clickhouse is down").await.unwrap();
        other.failed("insert", &"clickhouse is down").await.unwrap();
        one.succeeded();
        assert_eq!(health.problems(), ["aggregator: other: clickhouse is down"]);
        other.succeeded();
        assert_eq!(health.problems(), Vec::<String>::new());
    }

    #[tokio::test(start_paused = true)]
    async fn shutdown_ends_a_pause() {
        let stop = CancellationToken::new();
        let troubles = Troubles::new(Health::default().component("aggregator"));
        let mut backoff = Backoff::new("one".into(), troubles, Pauses::new(&Config::default()), stop.clone());
        stop.cancel();
        assert_eq!(backoff.failed("insert", &"clickhouse is down").await, Err(Stopped));
    }
}
