//! On which processors a measurement runs.

use std::fmt;
use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Where the load generator and all servers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// All on the first processor that this process may use, as `taskset -c` does it.
    Pinned,
    /// Where the scheduler puts them.
    Free,
}

impl Placement {
    /// Its name in options and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::Free => "free",
        }
    }

    /// Runs work on a thread of its own, so placed. Threads and processes that it starts inherit the placement.
    pub fn run<T: Send>(self, work: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
        let placed = move || {
            if self == Self::Pinned {
                pin()?;
            }
            work()
        };
        std::thread::scope(|scope| scope.spawn(placed).join())
            .unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pinned => "pinned to one core",
            Self::Free => "free",
        })
    }
}

fn pin() -> io::Result<()> {
    let allowed = sched_getaffinity(None)?;
    let first = (0..CpuSet::MAX_CPU).find(|cpu| allowed.is_set(*cpu));
    let mut one = CpuSet::new();
    one.set(first.ok_or_else(|| io::Error::other("this process may run nowhere"))?);
    Ok(sched_setaffinity(None, &one)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pinned_sees_one_processor() {
        let seen =
            |placement: Placement| placement.run(|| Ok(std::thread::available_parallelism()?.get())).unwrap();
        let all = std::thread::available_parallelism().unwrap().get();
        assert_eq!((seen(Placement::Pinned), seen(Placement::Free)), (1, all));
    }
}
