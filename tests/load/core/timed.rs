//! How long a piece of work takes, by the processor time of this thread: what others use of the machine is not in it.
//! (What they put into its caches is.)

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use weir_tests::load::moment::Moment;
use weir_tests::load::rounds::{Compare, Metric, Sample};

/// Mean processor time.
pub(super) const MEAN: Metric = Metric { name: "ns mean", compare: Compare::Ratio };
/// The median of runs of [`RUN`].
pub(super) const MEDIAN: Metric = Metric { name: "ns median", compare: Compare::Ratio };
/// Events for the journal that a pair makes, its settle included.
pub(super) const EVENTS: Metric = Metric { name: "events", compare: Compare::Ratio };

/// How often the work is done between two looks at the clock, which take half a microsecond together.
const RUN: u32 = 64;

/// Does a piece of work for about so long. What it took, and how often it was done.
pub(super) fn sample(span: Duration, mut work: impl FnMut()) -> (Sample, u64) {
    let begun = Moment::now();
    let mut runs: Vec<f64> = Vec::new();
    while begun.elapsed() < span {
        let before = own_ns();
        (0..RUN).for_each(|_| work());
        runs.push((own_ns() - before) / f64::from(RUN));
    }
    #[expect(clippy::cast_precision_loss, reason = "nobody makes 2^52 runs in a round")]
    let mean = runs.iter().sum::<f64>() / runs.len() as f64;
    let count = runs.len() as u64 * u64::from(RUN);
    runs.sort_by(f64::total_cmp);
    (vec![(MEDIAN, runs[runs.len() / 2]), (MEAN, mean)], count)
}

/// The processor time of this thread in nanoseconds.
fn own_ns() -> f64 {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "2^52 nanoseconds are 52 days")]
    let ns = (used.tv_sec * 1_000_000_000 + used.tv_nsec) as f64;
    ns
}
