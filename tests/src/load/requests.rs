//! A side that answers calls: throughput, latencies and processor time of it, under any load of calls.

use std::time::Duration;

use async_trait::async_trait;

use super::closed::{Caller, Calls, closed_loop};
use super::cpu::CpuClock;
use super::metered::metered;
use super::open::open_loop;
use super::rounds::{Compare, Load, Metric, Sample, Side};

/// Calls answered in a second, of a closed loop.
pub const PER_SECOND: Metric = Metric { name: "requests/s", compare: Compare::Ratio };
/// Half of the calls took no longer.
pub const P50_US: Metric = Metric { name: "p50 µs", compare: Compare::Added };
/// All but one of a hundred calls took no longer.
pub const P99_US: Metric = Metric { name: "p99 µs", compare: Compare::Added };
/// What the servers used for one call.
pub const CPU_US: Metric = Metric { name: "CPU µs", compare: Compare::Ratio };
/// The part of it that only the first of several processes used: the one that is called.
pub const OWN_CPU_US: Metric = Metric { name: "of it own", compare: Compare::Ratio };

/// What the servers and whoever calls them used for one call: on one core that nobody else uses, a saturated load makes so
/// many calls a second as fit. Where others use the core too, this is what its ratio to the floor's says all the same.
pub const ALL_CPU_US: Metric = Metric { name: "all CPU µs", compare: Compare::Ratio };

/// A side that is called.
pub struct Requests<C> {
    name: &'static str,
    callers: Vec<C>,
    clocks: Vec<CpuClock>,
    /// Calls that were answered rightly so far.
    answered: u64,
}

impl<C: Caller> Requests<C> {
    /// A side whose servers have these clocks, that of the one which is called first.
    pub fn new(name: &'static str, callers: Vec<C>, clocks: Vec<CpuClock>) -> Self {
        Self { name, callers, clocks, answered: 0 }
    }

    /// Calls that were answered rightly so far, warm-up included.
    pub fn answered(&self) -> u64 {
        self.answered
    }

    async fn calls(&mut self, load: Load, span: Duration) -> anyhow::Result<Calls> {
        match load {
            Load::Closed { callers } => closed_loop(&mut self.callers[..callers], span).await,
            Load::Open { per_second } | Load::Streams { per_second } => {
                open_loop(&mut self.callers, per_second, span).await
            }
            Load::Batches { .. } | Load::Start { .. } | Load::Events { .. } => {
                anyhow::bail!("these are no calls")
            }
        }
    }
}

#[async_trait(?Send)]
impl<C: Caller> Side for Requests<C> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn clocks(&self) -> Vec<CpuClock> {
        self.clocks.clone()
    }

    async fn run(&mut self, load: Load, span: Duration) -> anyhow::Result<Sample> {
        let clocks = self.clocks.clone();
        let (callers, before) = (CpuClock::own(), CpuClock::own().read()?);
        let (calls, used) = metered(&clocks, self.calls(load, span)).await?;
        self.answered += calls.latencies.count();
        Ok(sample(load, &calls, &used, callers.read()?.since(&before)))
    }
}

#[expect(clippy::cast_precision_loss, reason = "calls of a run are far below 2^52")]
fn sample(load: Load, calls: &Calls, used: &[Duration], by_callers: Duration) -> Sample {
    let count = calls.latencies.count() as f64;
    let mut sample = Vec::new();
    if matches!(load, Load::Closed { .. }) {
        sample.push((PER_SECOND, count / calls.took.as_secs_f64()));
    }
    sample.push((P50_US, calls.latencies.quantile_us(0.5)));
    sample.push((P99_US, calls.latencies.quantile_us(0.99)));
    if let Some(own) = used.first() {
        let by_servers = used.iter().sum::<Duration>();
        sample.push((CPU_US, by_servers.as_secs_f64() * 1e6 / count));
        sample.push((ALL_CPU_US, (by_servers + by_callers).as_secs_f64() * 1e6 / count));
        if used.len() > 1 {
            sample.push((OWN_CPU_US, own.as_secs_f64() * 1e6 / count));
        }
    }
    sample
}
