//! Every event is in the tables once, on the real engine, whatever is restarted, killed or taken away meanwhile.

use anyhow::ensure;
use bytes::Bytes;
use weir_aggregator::USAGE_GROUP;
use weir_domain::time::Timestamp;
use weir_domain::usage::UsageRecorded;
use weir_proto::record::{Record, Topic};
use weir_showback::Reach;

use super::tables::{Aggregator, Ground, NOON_SECS, Sample, ensure_refused, ensure_tables_say};

/// Enough for a few dozen batches.
const EVENTS: u32 = 1_200;

/// Appended at a time.
const CHUNK: usize = 100;

const SERVICES: [(&str, &str); 5] =
    [("search", "chat"), ("search", "rank"), ("sales", "mail"), ("sales", "notes"), ("legal", "review")];

/// The event of a number: services take turns, and every tenth belongs to the month before.
fn sample(number: u32) -> Sample {
    let (team, service) = SERVICES[number as usize % SERVICES.len()];
    let days_ago = if number.is_multiple_of(10) { 30 } else { 0 };
    let ended = Timestamp::from_millis((NOON_SECS - days_ago * 86_400) * 1_000 + i64::from(number) * 7);
    let tokens = [u64::from(number % 97) + 1, u64::from(number % 2), u64::from(number % 31)];
    Sample { team, service, ended, tokens, ..Sample::new(u128::from(number) + 1) }
}

/// Records as a gateway may leave them: some are repeated at once, some much later.
fn records() -> Vec<Record> {
    let mut records = Vec::new();
    for number in 0..EVENTS {
        records.push(sample(number).record());
        if number.is_multiple_of(7) {
            records.push(sample(number).record());
        }
        if number.is_multiple_of(11) {
            records.push(sample(number / 2).record());
        }
    }
    records
}

fn events() -> Vec<UsageRecorded> {
    (0..EVENTS).map(|number| sample(number).event()).collect()
}

fn poison() -> Record {
    Record { key: Bytes::from_static(b"chat"), headers: vec![], payload: Bytes::from_static(b"?") }
}

/// Duplicates, poison, refusals, and a restart in the middle.
pub(crate) async fn every_event_is_in_the_tables_once() -> anyhow::Result<()> {
    let ground = Ground::prepare().await?;
    let first = ground.aggregator();
    let refusals = Sample { tokens: [3, 0, 0], ..sample(0) }.refusals();
    for chunk in records().chunks(CHUNK) {
        ground.append(chunk.to_vec()).await?;
        ground.append(vec![refusals.clone(), poison()]).await?;
    }
    first.end().await?;
    let second = ground.aggregator();
    ground.caught_up().await?;

    ensure_tables_say(&ground, &events()).await?;
    ensure_refused(&ground, &[("chat", 3)]).await?;
    let letters = ground.letters().await?;
    ensure!(letters.len() == records().chunks(CHUNK).len(), "dead letters: {letters:?}");
    ensure!(second.health.problems().is_empty(), "{:?}", second.health.problems());
    second.end().await
}

/// Two aggregators that the group sends partitions back and forth between.
pub(crate) async fn aggregators_that_take_over_from_each_other_double_nothing() -> anyhow::Result<()> {
    let ground = Ground::prepare().await?;
    let aggregators: [Aggregator; 2] = [ground.aggregator(), ground.aggregator()];
    for chunk in records().chunks(CHUNK) {
        ground.append(chunk.to_vec()).await?;
        ground.journal.faults().rebalance(USAGE_GROUP, Topic::Usage);
        tokio::task::yield_now().await;
    }
    ground.caught_up().await?;
    ensure_tables_say(&ground, &events()).await?;
    for aggregator in aggregators {
        aggregator.end().await?;
    }
    Ok(())
}

/// SIGKILL of the engine, again and again, while it inserts.
pub(crate) async fn an_engine_that_is_killed_loses_nothing_and_doubles_nothing() -> anyhow::Result<()> {
    const KILLS: u64 = 4;
    let ground = Ground::prepare().await?;
    let aggregator = ground.aggregator();
    let records = records();
    let all = records.len() as u64;
    ground.append(records).await?;
    let mut pid = ground.engine.pid();
    for kills in 1..=KILLS {
        ground.committed(all * kills / (KILLS + 1)).await?;
        let alive = *pid.wait_for(|pid| *pid != 0).await?;
        kill(alive)?;
        pid.wait_for(|pid| *pid != alive).await?;
    }
    ground.caught_up().await?;
    ensure_tables_say(&ground, &events()).await?;
    aggregator.end().await
}

fn kill(pid: u32) -> anyhow::Result<()> {
    let killed = std::process::Command::new("kill").arg("-KILL").arg(pid.to_string()).status()?;
    ensure!(killed.success(), "the engine's process is not there");
    Ok(())
}

/// What verification asks: totals up to an offset leave out what came later.
pub(crate) async fn totals_within_reach_leave_out_what_came_later() -> anyhow::Result<()> {
    let ground = Ground::prepare().await?;
    let aggregator = ground.aggregator();
    ground.append((1..=10).map(|id| Sample::new(id).record()).collect()).await?;
    ground.caught_up().await?;
    let before: Reach = ground
        .tables()
        .max_offsets()
        .await?
        .into_iter()
        .map(|(partition, offset)| (partition.index, offset.next()))
        .collect();
    ground.append((11..=15).map(|id| Sample::new(id).record()).collect()).await?;
    ground.caught_up().await?;

    let attempts =
        |tally: weir_domain::tally::UsageTally| tally.iter().map(|(_, sum)| sum.attempts.get()).sum::<u64>();
    let within = attempts(ground.tables().usage_totals(Some(&before)).await?);
    let all = attempts(ground.tables().usage_totals(None).await?);
    ensure!((within, all) == (10, 15), "{within} within reach, {all} in all");
    aggregator.end().await
}
