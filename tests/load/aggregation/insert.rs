//! The floor: rows from memory into the table, as the aggregator inserts them.

use std::time::Duration;

use futures_util::future::{LocalBoxFuture, try_join_all};
use weir_aggregator::Config;
use weir_domain::usage::UsageRecorded;
use weir_tests::load::moment::Moment;
use weir_tests::load::server::{Role, Serving};

use crate::aggregate::make_tables;
use crate::engine::connection;
use crate::events::events;
use crate::rows::{Place, UsageRow};
use crate::side::amount_of;

/// The role that inserts. Its arguments are those of the aggregator.
pub(crate) const ROLE: Role = ("insert", serve);

fn serve(mut serving: Serving) -> LocalBoxFuture<'static, anyhow::Result<()>> {
    Box::pin(async move {
        let amount = amount_of(&serving)?;
        let to = connection(serving.argument(1)?, serving.argument(2)?)?;
        make_tables(&to).await?;
        let rows = events(amount)?;
        let client = clickhouse::Client::default()
            .with_url(&to.url)
            .with_user(&to.user)
            .with_database(to.database.as_str());
        serving.say("ready")?;
        serving.hear().await?;
        let begun = Moment::now();
        // As many inserts at a time as the aggregator has batches in flight: one a partition.
        let each =
            rows.iter().zip(0..).map(|(rows, partition)| insert(&client, partition, rows, amount.batch));
        try_join_all(each).await?;
        serving.say(&begun.elapsed().as_nanos().to_string())?;
        serving.stop.cancelled().await;
        Ok(())
    })
}

async fn insert(
    client: &clickhouse::Client,
    partition: u32,
    rows: &[UsageRecorded],
    batch: usize,
) -> Result<(), clickhouse::error::Error> {
    let timeout = Some(Duration::from_millis(Config::default().insert_timeout_ms));
    for (rows, number) in rows.chunks(batch).zip(0_u64..) {
        let mut insert = client
            .insert::<UsageRow<'_>>("usage_events")
            .await?
            .with_timeouts(timeout, timeout)
            .with_setting("insert_deduplication_token", format!("benchmark/{partition}/{number}"))
            .with_setting("insert_deduplicate", "1")
            .with_setting("async_insert", "0")
            .with_setting("max_partitions_per_insert_block", "0");
        for (row, offset) in rows.iter().zip(number * batch as u64..) {
            insert.write(&UsageRow::new(Place { partition, offset }, row)).await?;
        }
        insert.end().await?;
    }
    Ok(())
}
