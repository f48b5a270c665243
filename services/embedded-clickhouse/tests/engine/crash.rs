//! SIGKILL at any moment: what was acknowledged is there, and what is sent again counts once.

use std::path::Path;

use clickhouse::{Client, Row};
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use weir_embedded_clickhouse::Supervisor;

use crate::supervision::kill;
use crate::support::{Engine, block_on, config};

crate::tests![
    acknowledged_rows_survive_and_retries_count_once,
    a_token_that_outlived_its_rows_does_not_count
];

const TABLE: &str = "CREATE TABLE batches (batch UInt64, a UInt64) ENGINE = MergeTree ORDER BY (batch, a)
    SETTINGS non_replicated_deduplication_window = 10000";
const BATCH_ROWS: u64 = 500;
const BATCHES: u64 = 120;
/// After so many acknowledgements the child is killed.
const KILL_EVERY: u64 = 20;
const WRITERS: u64 = 2;

#[derive(Row, Serialize)]
struct Line {
    batch: u64,
    a: u64,
}

async fn insert(client: &Client, batch: u64) -> clickhouse::error::Result<()> {
    let insert = client.insert::<Line>("batches").await?;
    let mut insert = insert
        .with_setting("insert_deduplication_token", format!("batch-{batch}"))
        .with_setting("async_insert", "0");
    for a in 0..BATCH_ROWS {
        insert.write(&Line { batch, a }).await?;
    }
    insert.end().await
}

/// Inserts a share of the batches, each until it is acknowledged.
async fn write(client: Client, writer: u64, mut pid: watch::Receiver<u32>, done: mpsc::Sender<u64>) -> u64 {
    let mut retries = 0;
    for batch in (writer..BATCHES).step_by(usize::try_from(WRITERS).unwrap()) {
        while insert(&client, batch).await.is_err() {
            retries += 1;
            pid.wait_for(|pid| *pid != 0).await.expect("the supervisor lives");
            tokio::task::yield_now().await;
        }
        done.send(batch).await.expect("somebody counts");
    }
    retries
}

fn acknowledged_rows_survive_and_retries_count_once() {
    block_on(async {
        let engine = Engine::start().await;
        let client = engine.client();
        client.query(TABLE).execute().await.unwrap();
        let (done, mut acknowledged) = mpsc::channel(1);
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| write(client.clone(), writer, engine.supervisor.pid(), done.clone()))
            .collect();
        drop(done);
        let kills = async {
            let mut count = 0;
            while acknowledged.recv().await.is_some() {
                count += 1;
                let pid = *engine.supervisor.pid().borrow();
                if count % KILL_EVERY == 0 && count < BATCHES && pid != 0 {
                    kill(pid);
                }
            }
        };
        let (retries, ()) = tokio::join!(futures_util::future::join_all(writers), kills);
        assert!(retries.iter().sum::<u64>() > 0, "no insert was hit by a kill, so nothing was tested");
        engine.supervisor.pid().wait_for(|pid| *pid != 0).await.unwrap();
        let wrong =
            "SELECT batch, count() FROM batches GROUP BY batch HAVING count() != ? OR uniqExact(a) != ?";
        let wrong =
            client.query(wrong).bind(BATCH_ROWS).bind(BATCH_ROWS).fetch_all::<(u64, u64)>().await.unwrap();
        assert_eq!(wrong, [], "batches with another number of rows");
        let count = client.query("SELECT count() FROM batches").fetch_one::<u64>().await.unwrap();
        assert_eq!(count, BATCHES * BATCH_ROWS);
    });
}

/// Takes the parts of a table out of their place, as a crash leaves it that came just before they were put there:
/// the tokens are written down already. Parts of the table are in a partition, those of the rollup are not.
fn lose(data: &Path, prefix: &str) {
    let mut lost = 0;
    let mut left = vec![data.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type().unwrap().is_dir() && name.starts_with(prefix) {
                std::fs::rename(entry.path(), entry.path().with_file_name(format!("tmp_insert_{name}")))
                    .unwrap();
                lost += 1;
            } else if entry.file_type().unwrap().is_dir() {
                left.push(entry.path());
            }
        }
    }
    assert_eq!(lost, 1, "{prefix}");
}

const ROLLUP: &str =
    "CREATE TABLE rollup (batch UInt64, lines UInt64) ENGINE = SummingMergeTree ORDER BY batch
    SETTINGS non_replicated_deduplication_window = 10000";
const VIEW: &str =
    "CREATE MATERIALIZED VIEW view TO rollup AS SELECT batch, count() AS lines FROM batches GROUP BY batch";

async fn counts(client: &Client) -> (u64, u64) {
    let lines = client.query("SELECT count() FROM batches").fetch_one().await.unwrap();
    (lines, client.query("SELECT sum(lines) FROM rollup").fetch_one().await.unwrap())
}

fn a_token_that_outlived_its_rows_does_not_count() {
    block_on(async {
        let Engine { mut supervisor, dir } = Engine::start().await;
        let data = dir.path().join("data");
        let client = |supervisor: &Supervisor| {
            let client = Client::default().with_url(supervisor.url());
            // Without it the view would take in a block again whose rows the table has.
            client.with_setting("deduplicate_blocks_in_dependent_materialized_views", "1")
        };
        let partitioned = TABLE.replace("ORDER BY", "PARTITION BY batch ORDER BY");
        for statement in [&partitioned, ROLLUP, VIEW] {
            client(&supervisor).query(statement).execute().await.unwrap();
        }
        insert(&client(&supervisor), 7).await.unwrap();
        for (prefix, left) in [("7_", (0, BATCH_ROWS)), ("all_", (BATCH_ROWS, 0))] {
            supervisor.shutdown().await;
            lose(&data, prefix);
            supervisor = Supervisor::start(config(&data)).await.unwrap();
            assert_eq!(counts(&client(&supervisor)).await, left, "{prefix}");
            for _ in 0..2 {
                insert(&client(&supervisor), 7).await.unwrap();
                assert_eq!(counts(&client(&supervisor)).await, (BATCH_ROWS, BATCH_ROWS), "{prefix}");
            }
        }
    });
}
