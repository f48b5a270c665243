//! Latencies, kept as a histogram of nanoseconds.

use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest latency that is told apart: a minute.
const NANOS_MAX: u64 = 60_000_000_000;
/// Three digits: 0.1 %.
const DIGITS: u8 = 3;

/// Latencies of one measurement.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, NANOS_MAX, DIGITS).expect("the bounds are right"))
    }
}

impl Latencies {
    /// Adds one.
    pub fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(NANOS_MAX));
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The latency in microseconds that this share of all stays within, for instance 0.99.
    #[expect(clippy::cast_precision_loss, reason = "three digits are kept")]
    pub fn quantile_us(&self, share: f64) -> f64 {
        self.0.value_at_quantile(share) as f64 / 1e3
    }
}
