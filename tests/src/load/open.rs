//! The open loop: calls begin at intended times, and latency counts from those.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::closed::{Caller, Calls};
use super::latency::Latencies;
use super::moment::Moment;
use super::pacer::Pacer;

/// So many calls a second for so long. A call for which no caller is free waits, and its latency grows meanwhile.
pub async fn open_loop<C: Caller>(
    callers: &mut [C],
    per_second: u32,
    span: Duration,
) -> anyhow::Result<Calls> {
    let period = Duration::from_secs(1) / per_second.max(1);
    let begun = Moment::now();
    let end = begun.plus(span);
    let mut pacer = Pacer::new(begun.plus(period), period)?;
    let mut free: Vec<&mut C> = callers.iter_mut().collect();
    let (mut waiting, mut under_way) = (VecDeque::new(), FuturesUnordered::new());
    let (mut latencies, mut more) = (Latencies::default(), true);
    while more || !waiting.is_empty() || !under_way.is_empty() {
        while let Some(caller) = (!waiting.is_empty()).then(|| free.pop()).flatten() {
            let intended = waiting.pop_front().expect("somebody waits");
            under_way.push(one(caller, intended));
        }
        tokio::select! {
            // Ticks first: a call that is due must not wait until answers are read.
            biased;
            tick = pacer.tick(), if more => {
                let intended = tick?;
                more = intended < end;
                if more {
                    waiting.push_back(intended);
                }
            }
            Some(done) = under_way.next(), if !under_way.is_empty() => {
                let (caller, latency) = done?;
                latencies.record(latency);
                free.push(caller);
            }
        }
    }
    Ok(Calls { took: begun.elapsed(), latencies })
}

async fn one<C: Caller>(caller: &mut C, intended: Moment) -> anyhow::Result<(&mut C, Duration)> {
    caller.call(intended).await?;
    Ok((caller, intended.elapsed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes longer than the time between two calls.
    struct Slow;

    impl Caller for Slow {
        async fn call(&mut self, _: Moment) -> anyhow::Result<()> {
            Pacer::new(Moment::now().plus(Duration::from_millis(4)), Duration::from_secs(1))?.tick().await?;
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_call_that_waits_for_a_caller_is_not_forgiven_the_wait() {
        let calls = open_loop(&mut [Slow], 500, Duration::from_millis(40)).await.unwrap();
        // 19 ticks lie within the span, whatever the machine does.
        assert_eq!(calls.latencies.count(), 19);
        // Twice too slow for the rate: the last call was meant to begin after 38 ms and ends after 76 at the earliest.
        assert!(calls.latencies.quantile_us(1.0) > 37_900.0);
    }
}
