//! The processes that start: they time themselves from the word `go` on, and say what it took.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use futures_util::future::LocalBoxFuture;
use tokio::net::TcpListener;
use weir_proto::record::Topic;
use weir_runtime::clock::SystemClock;
use weir_runtime::health::Health;
use weir_runtime::journal::{Journal, Partition};
use weir_tests::load::cpu::CpuClock;
use weir_tests::load::moment::Moment;
use weir_tests::load::organisation::{TOKEN, journal};
use weir_tests::load::server::{Role, Serving};

/// Reads all records. Its arguments: the folder, whatever stands for a snapshot, and how many records there are at least.
pub(crate) const RAW: Role = ("raw", raw);
/// Is the quota service. Its arguments are the same.
pub(crate) const QUOTA: Role = ("starting-quota", quota);
/// Whether a snapshot is used.
pub(crate) const SNAPSHOT: &str = "snapshot";
pub(crate) const NO_SNAPSHOT: &str = "journal";

/// As many as the quota service reads at once when it starts.
const RECORDS: usize = 4_096;
const READ_WAIT: Duration = Duration::from_secs(1);
/// How often it is looked whether the service is ready: short beside any start.
const LOOK: Duration = Duration::from_millis(1);

fn raw(mut serving: Serving) -> LocalBoxFuture<'static, anyhow::Result<()>> {
    Box::pin(async move {
        serving.say("up")?;
        serving.hear().await?;
        let begun = Moment::now();
        let journal = journal("embedded", Path::new(serving.argument(0)?))?;
        let mut records = 0;
        for index in 0..journal.partitions(Topic::Quota).await? {
            records += read(&*journal, Partition { topic: Topic::Quota, index }).await?;
        }
        ensure!(records >= serving.argument(2)?.parse()?, "there are only {records} records");
        say(&serving, begun)?;
        serving.stop.cancelled().await;
        Ok(())
    })
}

async fn read(journal: &dyn Journal, partition: Partition) -> anyhow::Result<u64> {
    let end = journal.end(partition).await?.get();
    let mut reader = journal.read(partition, weir_runtime::journal::Offset::ZERO).await?;
    let mut next = 0;
    while next < end {
        let records = reader.next(RECORDS, READ_WAIT).await?;
        next = records.last().context("a read came back empty")?.offset.next().get();
    }
    Ok(next)
}

fn quota(mut serving: Serving) -> LocalBoxFuture<'static, anyhow::Result<()>> {
    Box::pin(async move {
        serving.say("up")?;
        serving.hear().await?;
        let begun = Moment::now();
        let dir = Path::new(serving.argument(0)?);
        let health = Health::default();
        let ports = weir_quota::Ports {
            clock: Arc::new(SystemClock),
            journal: journal("embedded", dir)?,
            health: health.clone(),
            listener: TcpListener::bind("127.0.0.1:0").await?,
            token: Some(TOKEN.to_owned().into()),
            data_dir: (serving.argument(1)? == SNAPSHOT).then(|| dir.join("data")),
        };
        let running = weir_quota::run(weir_quota::Config::default(), ports, serving.stop.clone());
        tokio::pin!(running);
        // It is polled first, and says at once that it is not ready.
        tokio::select! {
            biased;
            ended = &mut running => bail!("the service ended: {ended:?}"),
            () = ready(&health) => say(&serving, begun)?,
        }
        Ok(running.await?)
    })
}

async fn ready(health: &Health) {
    while !health.problems().is_empty() {
        tokio::time::sleep(LOOK).await;
    }
}

/// Says what the start took: nanoseconds on the clock, of processors, and KiB resident.
fn say(serving: &Serving, begun: Moment) -> anyhow::Result<()> {
    let took = begun.elapsed().as_nanos();
    let used = CpuClock::own().read()?.since_start().as_nanos();
    let status = std::fs::read_to_string("/proc/self/status")?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = resident.and_then(|rest| rest.split_whitespace().next()).context("no VmRSS")?;
    Ok(serving.say(&format!("{took} {used} {kib}"))?)
}
