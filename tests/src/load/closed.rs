//! The closed loop: each caller asks again as soon as it is answered.

use std::cell::RefCell;
use std::time::Duration;

use futures_util::future::try_join_all;

use super::latency::Latencies;
use super::moment::Moment;

/// Someone who calls a server and checks what comes.
pub trait Caller {
    /// One call. `intended` is when it was meant to begin. An answer other than the right one is an error.
    fn call(&mut self, intended: Moment) -> impl Future<Output = anyhow::Result<()>>;
}

/// What calls took.
#[derive(Debug, Default)]
pub struct Calls {
    /// From the intended begin of each to its end.
    pub latencies: Latencies,
    /// From the first begin to the last end.
    pub took: Duration,
}

/// All callers call for so long; what has begun then is still finished and counted.
pub async fn closed_loop<C: Caller>(callers: &mut [C], span: Duration) -> anyhow::Result<Calls> {
    let latencies = RefCell::new(Latencies::default());
    let begun = Moment::now();
    let end = begun.plus(span);
    let each = callers.iter_mut().map(|caller| async {
        loop {
            let asked = Moment::now();
            if asked >= end {
                return anyhow::Ok(());
            }
            caller.call(asked).await?;
            latencies.borrow_mut().record(asked.elapsed());
        }
    });
    try_join_all(each).await?;
    Ok(Calls { took: begun.elapsed(), latencies: latencies.into_inner() })
}
