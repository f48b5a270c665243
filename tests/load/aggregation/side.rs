//! A side: a process that takes the events to the table once, timed by itself from the word `go` on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use async_trait::async_trait;
use weir_tests::load::cpu::CpuClock;
use weir_tests::load::metered::{metered, rest};
use weir_tests::load::requests::{CPU_US, OWN_CPU_US};
use weir_tests::load::rounds::{Compare, Load, Metric, Sample, Side};
use weir_tests::load::server::{Server, Serving};

use crate::engine::Engine;
use crate::events::Amount;

const EVENTS_PER_SECOND: Metric = Metric { name: "events/s", compare: Compare::Ratio };

/// One side.
pub(crate) struct Taking<'a> {
    name: &'static str,
    role: &'static str,
    dir: PathBuf,
    engine: &'a Engine,
    amount: Amount,
    /// How often it has run, for names of databases and folders.
    runs: usize,
}

impl<'a> Taking<'a> {
    pub(crate) fn new(
        name: &'static str,
        role: &'static str,
        dir: &Path,
        engine: &'a Engine,
        amount: Amount,
    ) -> Self {
        Self { name, role, dir: dir.to_owned(), engine, amount, runs: 0 }
    }
}

/// The amount among a role's arguments.
pub(crate) fn amount_of(serving: &Serving) -> anyhow::Result<Amount> {
    let number = |index| serving.argument(index)?.parse().context("an amount");
    Ok(Amount { batches: number(3)?, batch: number(4)? })
}

#[async_trait(?Send)]
impl Side for Taking<'_> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn clocks(&self) -> Vec<CpuClock> {
        vec![self.engine.clock()]
    }

    async fn run(&mut self, load: Load, _: Duration) -> anyhow::Result<Sample> {
        let Load::Events { count } = load else { bail!("events are measured by their number only") };
        self.runs += 1;
        let database = format!("{}_{}", self.role, self.runs);
        let data = self.dir.join(&database);
        std::fs::create_dir_all(&data)?;
        let Amount { batches, batch } = self.amount;
        let amounts = [batches.to_string(), batch.to_string()];
        let arguments = [&*data.to_string_lossy(), &self.engine.url(), &database, &amounts[0], &amounts[1]];
        let mut server = Server::start(&self.dir, self.role, &arguments)?;
        let clocks = [server.clock(), self.engine.clock()];
        rest(&clocks).await?;
        let (took, used) = metered(&clocks, async {
            server.tell("go")?;
            Ok(Duration::from_nanos(server.line()?.parse()?))
        })
        .await?;
        server.stop().await?;
        self.engine.check_and_drop(&database, self.amount).await?;
        std::fs::remove_dir_all(&data)?;
        Ok(sample(count, took, &used))
    }
}

#[expect(clippy::cast_precision_loss, reason = "events of a run are far below 2^52")]
fn sample(count: usize, took: Duration, used: &[Duration]) -> Sample {
    let each = |used: Duration| used.as_secs_f64() * 1e6 / count as f64;
    vec![
        (EVENTS_PER_SECOND, count as f64 / took.as_secs_f64()),
        (CPU_US, each(used.iter().sum())),
        (OWN_CPU_US, each(used[0])),
    ]
}
