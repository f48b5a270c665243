//! A side: a process that starts, again and again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use async_trait::async_trait;
use weir_tests::load::cpu::CpuClock;
use weir_tests::load::rounds::{Compare, Load, Metric, Sample, Side};
use weir_tests::load::server::Server;

use crate::history::Written;

/// From opening the journal until it is ready.
pub(crate) const SECONDS: Metric = Metric { name: "s", compare: Compare::Ratio };
/// What the process has used of processors until then: what it would take on one core that is its own.
pub(crate) const CPU_SECONDS: Metric = Metric { name: "CPU s", compare: Compare::Ratio };
/// What the process uses of the memory when it is ready.
const RESIDENT: Metric = Metric { name: "MiB resident", compare: Compare::Added };

/// One side.
pub(crate) struct Start {
    name: &'static str,
    role: &'static str,
    dir: PathBuf,
    arguments: [String; 3],
}

impl Start {
    pub(crate) fn new(
        name: &'static str,
        role: &'static str,
        dir: &Path,
        snapshot: &str,
        written: Written,
    ) -> Self {
        let arguments =
            [dir.to_string_lossy().into_owned(), snapshot.to_owned(), written.records.to_string()];
        Self { name, role, dir: dir.to_owned(), arguments }
    }

    /// Starts, ends cleanly, and says what it took.
    #[expect(clippy::cast_precision_loss, reason = "a process has far less than 2^52 KiB")]
    pub(crate) async fn once(&mut self) -> anyhow::Result<Sample> {
        let mut server = Server::start(&self.dir, self.role, &self.arguments.each_ref().map(String::as_str))?;
        server.tell("go")?;
        let line = server.line()?;
        let figures: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [took, used, kib] = figures[..] else { bail!("it said {line:?}") };
        server.stop().await?;
        let seconds = |nanos| Duration::from_nanos(nanos).as_secs_f64();
        Ok(vec![(SECONDS, seconds(took)), (CPU_SECONDS, seconds(used)), (RESIDENT, kib as f64 / 1_024.0)])
    }
}

#[async_trait(?Send)]
impl Side for Start {
    fn name(&self) -> &'static str {
        self.name
    }

    fn clocks(&self) -> Vec<CpuClock> {
        Vec::new()
    }

    async fn run(&mut self, _: Load, _: Duration) -> anyhow::Result<Sample> {
        self.once().await
    }
}
