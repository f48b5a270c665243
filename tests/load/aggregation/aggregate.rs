//! The candidate: the aggregator over an embedded journal that holds the events.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::future::LocalBoxFuture;
use tokio_util::sync::CancellationToken;
use weir_aggregator::{Config, Ports, USAGE_GROUP};
use weir_domain::usage::{UsageEvent, UsageRecorded};
use weir_proto::codec::usage_to_record;
use weir_proto::record::Topic;
use weir_runtime::clickhouse::Connection;
use weir_runtime::clock::SystemClock;
use weir_runtime::health::Health;
use weir_runtime::journal::memory::MemoryJournal;
use weir_runtime::journal::{Partition, SharedJournal};
use weir_runtime::tasks::Tasks;
use weir_runtime::telemetry;
use weir_tests::load::moment::Moment;
use weir_tests::load::organisation::journal;
use weir_tests::load::server::{Role, Serving};

use crate::engine::connection;
use crate::events::{events, partitions};
use crate::side::amount_of;

/// The role that is the aggregator. Its arguments: a folder, the engine's URL, a database, and the amount.
pub(crate) const ROLE: Role = ("aggregate", serve);

/// How often it is looked whether the last event is committed.
const LOOK: Duration = Duration::from_millis(2);
/// Records of one append while the journal is filled.
const APPEND: usize = 5_000;

fn serve(mut serving: Serving) -> LocalBoxFuture<'static, anyhow::Result<()>> {
    Box::pin(async move {
        telemetry::install(&telemetry::Config::default())?;
        let amount = amount_of(&serving)?;
        let to = connection(serving.argument(1)?, serving.argument(2)?)?;
        make_tables(&to).await?;
        let full = journal("embedded", Path::new(serving.argument(0)?))?;
        for partition in events(amount)? {
            append(&full, partition).await?;
        }
        serving.say("ready")?;
        serving.hear().await?;
        let begun = Moment::now();
        let (stop, tasks) = (CancellationToken::new(), Tasks::new());
        let running = tasks.spawn(weir_aggregator::run(
            by_count_alone(amount.batch),
            ports(Arc::clone(&full), to),
            stop.clone(),
        ));
        all_committed(&full).await?;
        serving.say(&begun.elapsed().as_nanos().to_string())?;
        serving.stop.cancelled().await;
        stop.cancel();
        Ok(running.await??)
    })
}

/// The aggregator makes its own tables, before it waits for events.
pub(crate) async fn make_tables(to: &Connection) -> anyhow::Result<()> {
    let ports = ports(Arc::new(MemoryJournal::new()), to.clone());
    let (health, stop) = (ports.health.clone(), CancellationToken::new());
    let made = async {
        // Its part of health is there once it has begun.
        tokio::task::yield_now().await;
        while !health.problems().is_empty() {
            tokio::time::sleep(LOOK).await;
        }
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(weir_aggregator::run(Config::default(), ports, stop.clone()), made);
    Ok(ended?)
}

fn ports(journal: SharedJournal, clickhouse: Connection) -> Ports {
    Ports { clock: Arc::new(SystemClock), journal, health: Health::default(), clickhouse }
}

/// Batches of exactly so many events; the other limits are out of reach.
fn by_count_alone(batch: usize) -> Config {
    Config { batch_records_max: batch, batch_bytes_max: usize::MAX, linger_ms: 60_000, ..Config::default() }
}

async fn append(journal: &SharedJournal, events: Vec<UsageRecorded>) -> anyhow::Result<()> {
    let mut records = events.into_iter().map(|event| usage_to_record(&UsageEvent::Recorded(Box::new(event))));
    loop {
        let some: Vec<_> = records.by_ref().take(APPEND).collect();
        if some.is_empty() {
            return Ok(());
        }
        journal.append(Topic::Usage, some).await?;
    }
}

async fn all_committed(journal: &SharedJournal) -> anyhow::Result<()> {
    ensure!(journal.partitions(Topic::Usage).await? == partitions(), "the events are spread otherwise");
    for index in 0..partitions() {
        let partition = Partition { topic: Topic::Usage, index };
        let end = journal.end(partition).await?;
        loop {
            let committed =
                journal.committed(USAGE_GROUP, partition).await.context("commits cannot be read")?;
            if committed.is_some_and(|committed| committed.offset >= end) {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
    Ok(())
}
