//! Processor time over exactly the measured work, with what trails behind it.

use std::time::Duration;

use super::cpu::{CpuClock, CpuReading};

/// Servers are looked at so often while they finish what trails behind the last answer.
const LOOK: Duration = Duration::from_millis(10);
/// They have finished when they use less than this between two looks: 2 % of a core.
const QUIET: Duration = Duration::from_micros(200);
/// Looks until it is taken that they never rest: two seconds.
const LOOKS_MAX: usize = 200;

/// Does work, waits until the servers rest, and says what each has used. They must rest before.
pub async fn metered<T>(
    clocks: &[CpuClock],
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<(T, Vec<Duration>)> {
    let before = read(clocks)?;
    let done = work.await?;
    let after = rest(clocks).await?;
    let used = after.iter().zip(&before).map(|(after, before)| after.since(before)).collect();
    Ok((done, used))
}

/// Waits until the servers rest.
pub async fn rest(clocks: &[CpuClock]) -> anyhow::Result<Vec<CpuReading>> {
    let mut last = read(clocks)?;
    for _ in 0..LOOKS_MAX {
        tokio::time::sleep(LOOK).await;
        let now = read(clocks)?;
        let busy = now.iter().zip(&last).any(|(now, last)| now.since(last) > QUIET);
        last = now;
        if !busy {
            break;
        }
    }
    Ok(last)
}

fn read(clocks: &[CpuClock]) -> anyhow::Result<Vec<CpuReading>> {
    Ok(clocks.iter().map(|clock| clock.read()).collect::<Result<_, _>>()?)
}
