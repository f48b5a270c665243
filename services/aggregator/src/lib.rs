//! The aggregator: takes the journal's usage events to ClickHouse, each exactly once in effect, and owns the schema.
//!
//! Offsets decide what a batch is ([`intent`]), a [`worker`] takes one partition's batches to the tables, the
//! [`group`] says which partitions are ours. It sums nothing: what the tables say is showback's business.

mod batch;
mod catch_up;
mod config;
mod dead_letter;
mod duplicates;
mod group;
mod insertion;
mod intake;
mod intent;
mod metrics;
mod price;
mod progress;
mod schema;
#[cfg(test)]
mod tests;
mod trouble;
mod warehouse;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use weir_proto::record::Topic;
use weir_runtime::clickhouse::Connection;
use weir_runtime::clock::Clock;
use weir_runtime::health::Health;
use weir_runtime::journal::SharedJournal;
use weir_runtime::tasks::Tasks;

pub use config::Config;
pub use schema::VERSION as SCHEMA_VERSION;

use crate::trouble::{Backoff, Pauses, Stopped, Troubles};
use crate::warehouse::ClickHouse;

/// The group whose commits say how far the usage topic is in the tables.
pub const USAGE_GROUP: &str = "weir-aggregator";

/// The group whose commits say how far prices from the quota topic are in the tables.
pub const PRICES_GROUP: &str = "weir-aggregator-prices";

/// How long shutdown waits for the workers' tasks after their groups have ended.
const TASKS_DRAIN_BOUND: Duration = Duration::from_secs(2);

/// What the aggregator needs from outside.
pub struct Ports {
    /// The time, for `ingested_at` and for dead letters.
    pub clock: Arc<dyn Clock>,
    /// Where the events come from.
    pub journal: SharedJournal,
    /// Where it says whether it is ready.
    pub health: Health,
    /// Where the events go.
    pub clickhouse: Connection,
}

/// Why the aggregator ended although nobody asked it to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The tables were made by a later version of Weir.
    #[error("tables cannot be used: {0}")]
    Schema(String),
}

/// Aggregates until shutdown. Outages of the journal and of ClickHouse are waited out.
pub async fn run(config: Config, ports: Ports, shutdown: CancellationToken) -> Result<(), Error> {
    metrics::describe();
    let troubles = Troubles::new(ports.health.component("aggregator"));
    let pauses = Pauses::new(&config);
    let clickhouse = ClickHouse::new(ports.clickhouse, ports.clock.clone(), &config);
    let backoff = Backoff::new("schema".to_owned(), troubles.clone(), pauses, shutdown.clone());
    match migrate(&clickhouse, backoff).await {
        Ok(()) => {}
        Err(NotMigrated::Stopped) => return Ok(()),
        Err(NotMigrated::Never(why)) => return Err(Error::Schema(why)),
    }
    let (tasks, stop) = (Tasks::new(), CancellationToken::new());
    let shared = group::Shared {
        journal: ports.journal,
        warehouse: Arc::new(clickhouse),
        clock: ports.clock,
        troubles,
        turns: Arc::new(Semaphore::new(config.batches_in_flight_max.max(1))),
        limits: config.limits(),
        pauses,
        tasks: tasks.clone(),
        stop: stop.clone(),
    };
    tokio::join!(
        catch_up::before_stop(shutdown, Arc::clone(&shared.journal), stop),
        group::run(USAGE_GROUP, Topic::Usage, shared.clone()),
        group::run(PRICES_GROUP, Topic::Quota, shared),
    );
    if !tasks.drain(TASKS_DRAIN_BOUND).await {
        tracing::warn!("workers did not end in time");
    }
    Ok(())
}

enum NotMigrated {
    Stopped,
    Never(String),
}

async fn migrate(clickhouse: &ClickHouse, mut backoff: Backoff) -> Result<(), NotMigrated> {
    loop {
        match clickhouse.migrate().await {
            Ok(()) => break,
            Err(problem @ schema::Error::Newer { .. }) => {
                return Err(NotMigrated::Never(problem.to_string()));
            }
            Err(problem) => {
                backoff.failed("migrate", &problem).await.map_err(|Stopped| NotMigrated::Stopped)?;
            }
        }
    }
    backoff.succeeded();
    Ok(())
}
