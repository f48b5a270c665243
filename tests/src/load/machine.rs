//! What the figures were taken on, and who else used it meanwhile.

use std::fs;
use std::io;

use serde::Serialize;

/// The machine, as far as figures depend on it.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// How many processors this process may use.
    pub processors: usize,
    /// The kernel.
    pub kernel: String,
    /// Whether this program was built with optimisation.
    pub optimised: bool,
}

impl Machine {
    /// This one.
    pub fn this() -> Self {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model =
            info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            processor: model.map_or("unknown", |(_, name)| name).trim().to_owned(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: kernel.trim().to_owned(),
            optimised: !cfg!(debug_assertions),
        }
    }
}

/// Time of all processors together, in the kernel's ticks.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    busy: u64,
    total: u64,
}

impl Usage {
    /// Reads `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal (proc(5)).
    pub fn read() -> io::Result<Self> {
        let text = fs::read_to_string("/proc/stat")?;
        let first = text.lines().next().unwrap_or_default();
        let ticks: Vec<u64> =
            first.split_whitespace().skip(1).take(8).filter_map(|tick| tick.parse().ok()).collect();
        let total = ticks.iter().sum();
        let idle: u64 = ticks.iter().skip(3).take(2).sum();
        Ok(Self { busy: total - idle, total })
    }

    /// The share of the machine, 0 to 1, that was busy since then.
    #[expect(clippy::cast_precision_loss, reason = "ticks of a run are far below 2^52")]
    pub fn busy_share_since(self, earlier: Self) -> f64 {
        let total = self.total.saturating_sub(earlier.total).max(1);
        self.busy.saturating_sub(earlier.busy) as f64 / total as f64
    }
}
