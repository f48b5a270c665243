//! The port through which time enters.

mod steady;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use metrics::{Unit, describe_gauge, gauge};
use weir_domain::time::Timestamp;

use steady::{Notice, Steady};

const BEHIND: &str = "weir_clock_behind_seconds";
/// How often the metric is set, at most: scrapes are rarer.
const GAUGE_INTERVAL: Duration = Duration::from_secs(1);

/// Tells the time of day.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// The time is not before this instant, which the journal has from a process before this one: its machine's clock may
    /// have been ahead, and a ledger's time must pass for anything to refill.
    fn not_before(&self, instant: Timestamp);
}

/// The machine's clock, told so that it never runs backwards, however it is set: see [`steady`].
///
/// A machine has one clock, so a process has one reading of it: all values of this type tell the same time.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

static TELLING: LazyLock<Mutex<Telling>> = LazyLock::new(|| Mutex::new(Telling::begin()));

struct Telling {
    begun: Instant,
    steady: Steady,
    gauge_set: Option<Duration>,
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        TELLING.lock().unwrap_or_else(PoisonError::into_inner).now()
    }

    fn not_before(&self, instant: Timestamp) {
        TELLING.lock().unwrap_or_else(PoisonError::into_inner).steady.not_before(instant);
    }
}

/// Says what the metric means.
pub(crate) fn describe() {
    describe_gauge!(
        BEHIND,
        Unit::Seconds,
        "How far the machine's clock is behind the time that is told: it was set back, and time goes slower until it has \
         caught up"
    );
}

impl Telling {
    fn begin() -> Self {
        let begun = monotonic();
        Self { begun, steady: Steady::new(wall(), Duration::ZERO), gauge_set: None }
    }

    fn now(&mut self) -> Timestamp {
        let at = monotonic().duration_since(self.begun);
        let (now, notice) = self.steady.tell(wall(), at);
        if let Some(notice) = notice {
            notice.log();
        }
        if notice.is_some() || self.gauge_set.is_none_or(|set| at.saturating_sub(set) >= GAUGE_INTERVAL) {
            self.gauge_set = Some(at);
            gauge!(BEHIND).set(self.steady.behind().as_secs_f64());
        }
        now
    }
}

impl Notice {
    fn log(self) {
        match self {
            Self::Ahead(by) => {
                let believed_s = steady::STEP_STAYS.as_secs();
                tracing::warn!(
                    ?by,
                    believed_s,
                    "the machine's clock is ahead; it is believed if it stays so"
                );
            }
            Self::Stepped(by) => tracing::warn!(?by, "time went ahead with the machine's clock"),
            Self::Behind(by) => {
                tracing::warn!(
                    ?by,
                    "the machine's clock was set back; time goes at half its pace until it has caught up"
                );
            }
            Self::CaughtUp => tracing::info!("the machine's clock has caught up with the time that was told"),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the machine's clock")]
fn wall() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp::EPOCH.plus(since.unwrap_or_default())
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock that nobody sets")]
fn monotonic() -> Instant {
    Instant::now()
}

/// A clock that stands still until it is moved. For tests.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows this time.
    pub fn new(at: Timestamp) -> Self {
        Self(AtomicI64::new(at.as_nanos()))
    }

    /// Moves it.
    pub fn advance(&self, by: Duration) {
        let nanos = i64::try_from(by.as_nanos()).unwrap_or(i64::MAX);
        self.0.fetch_add(nanos, Ordering::SeqCst);
    }

    /// Sets it, back too.
    pub fn set(&self, at: Timestamp) {
        self.0.store(at.as_nanos(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.0.load(Ordering::SeqCst))
    }

    fn not_before(&self, instant: Timestamp) {
        self.0.fetch_max(instant.as_nanos(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_threads_are_told_one_time_that_never_runs_backwards() {
        let last = AtomicI64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        let before = last.load(Ordering::SeqCst);
                        let now = SystemClock.now().as_nanos();
                        assert!(now >= before, "{now} was told after {before}");
                        last.fetch_max(now, Ordering::SeqCst);
                    }
                });
            }
        });
    }
}
