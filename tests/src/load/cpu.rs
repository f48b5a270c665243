//! The processor time that processes have used, from the kernel's own count.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::Duration;

/// The kernel's unit of `/proc/PID/stat`: `sysconf(_SC_CLK_TCK)` is 100 on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// The clock of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuClock {
    pid: u32,
}

/// What it showed.
#[derive(Debug, Clone)]
pub struct CpuReading {
    /// Nanoseconds by thread, from `/proc/PID/task/TID/schedstat`.
    threads: BTreeMap<u32, u64>,
    /// The whole process, ended threads included, but in steps of [`TICK`].
    ticks: u64,
    /// Its children that have ended and were waited for, in ticks too.
    ended_children_ticks: u64,
}

impl CpuClock {
    /// The clock of a process.
    pub const fn of(pid: u32) -> Self {
        Self { pid }
    }

    /// The clock of this process.
    pub fn own() -> Self {
        Self::of(std::process::id())
    }

    /// Reads it. Exact when the process sleeps; a thread that runs now is counted up to its last switch.
    pub fn read(self) -> io::Result<CpuReading> {
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{}/task", self.pid))? {
            let entry = entry?;
            // A thread may end between the listing and the reading.
            let Ok(text) = fs::read_to_string(entry.path().join("schedstat")) else { continue };
            let id = entry.file_name().to_string_lossy().parse().map_err(io::Error::other)?;
            let nanos =
                text.split_whitespace().next().unwrap_or_default().parse().map_err(io::Error::other)?;
            threads.insert(id, nanos);
        }
        let (ticks, ended_children_ticks) =
            ticks_of(&fs::read_to_string(format!("/proc/{}/stat", self.pid))?)?;
        Ok(CpuReading { threads, ticks, ended_children_ticks })
    }
}

impl CpuReading {
    /// What all threads that there are have used since they began. Threads that have ended are left out.
    pub fn since_start(&self) -> Duration {
        Duration::from_nanos(self.threads.values().sum())
    }

    /// What was used since an earlier reading. To the nanosecond, unless a thread has ended since: then in ticks.
    pub fn since(&self, earlier: &Self) -> Duration {
        if earlier.threads.keys().all(|id| self.threads.contains_key(id)) {
            let before = |id: &u32| earlier.threads.get(id).copied().unwrap_or(0);
            let nanos = self.threads.iter().map(|(id, nanos)| nanos.saturating_sub(before(id)));
            Duration::from_nanos(nanos.sum())
        } else {
            span_of(self.ticks.saturating_sub(earlier.ticks))
        }
    }

    /// What children have used that were waited for since an earlier reading: all of their lives.
    pub fn ended_children_since(&self, earlier: &Self) -> Duration {
        span_of(self.ended_children_ticks.saturating_sub(earlier.ended_children_ticks))
    }
}

fn span_of(ticks: u64) -> Duration {
    TICK * u32::try_from(ticks).unwrap_or(u32::MAX)
}

/// Fields 14 to 17 of `/proc/PID/stat` (proc(5)): user and system time of the process, then of its children that have
/// ended. The name before them may hold anything.
fn ticks_of(stat: &str) -> io::Result<(u64, u64)> {
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let field = |number: usize| {
        let text = after_name.split(' ').nth(number - 3).unwrap_or_default();
        text.parse::<u64>().map_err(io::Error::other)
    };
    Ok((field(14)? + field(15)?, field(16)? + field(17)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::moment::Moment;

    #[test]
    fn busy_time_is_counted() {
        let (begun, clock) = (Moment::now(), CpuClock::own());
        let before = clock.read().unwrap();
        let mut sum = 0_u64;
        while clock.read().unwrap().since(&before) < Duration::from_millis(5) {
            sum = std::hint::black_box(sum.wrapping_add(1));
            assert!(begun.elapsed() < Duration::from_secs(30), "a busy loop is not seen");
        }
    }

    #[test]
    fn a_name_with_spaces_and_brackets_does_not_shift_the_fields() {
        let stat = "1 (a) b (c) S 1 1 1 0 -1 4194560 5 0 0 0 7 5 2 1 20 0 1 0";
        assert_eq!(ticks_of(stat).unwrap(), (12, 3));
    }
}
