//! What ClickHouse says equals what the emulator served, to the token, whatever callers and upstreams do.

use std::sync::Arc;

use anyhow::{Context, ensure};
use weir_tests::kafka::KafkaBroker;
use weir_tests::mixture::{self, Outcome};
use weir_tests::roles::Parts;
use weir_tests::trials::say;
use weir_tests::witness::{self, Comparison};
use weir_tests::world::World;

const REQUESTS: usize = 2000;
const CONCURRENCY: usize = 50;
const SEED: u64 = 20_261_121;

/// The emulator answers fast, so that the test is about Weir.
pub(crate) const FAST_EMULATOR: &str = r#"
[[emulator.deployments]]
name = "gpt-4o"
pacing = { first_token_ms = 5.0, token_gap_ms = 1.0, jitter_share = 0.5, tokens_per_chunk = 1 }
[[emulator.deployments]]
name = "gpt-4o-mini"
reasoning_share = 0.0
pacing = { first_token_ms = 5.0, token_gap_ms = 1.0, jitter_share = 0.5, tokens_per_chunk = 2 }
[[emulator.deployments]]
name = "text-embedding-3-small"
kind = "embeddings"
encoding = "cl100k_base"
pacing = { first_token_ms = 2.0, token_gap_ms = 0.0, jitter_share = 0.0, tokens_per_chunk = 1 }
"#;

/// Everything in one process, on embedded engines.
pub(crate) async fn embedded() -> anyhow::Result<()> {
    let world = World::begin(FAST_EMULATOR).await?;
    let mut weir = world.start("weir", &["up"])?;
    world.ready(world.ports.telemetry[0]).await.with_context(|| weir.log_tail())?;
    let outcome = mixed_requests(&world).await;
    outcome.with_context(|| weir.log_tail())?;
    let status = weir.terminate()?;
    ensure!(status.success(), "weir up ended with {status}");
    Ok(())
}

/// A process for each role, over a real Kafka.
pub(crate) async fn kafka(broker: KafkaBroker) -> anyhow::Result<()> {
    let world = World::begin(FAST_EMULATOR).await?;
    let parts = Parts::start(&world, broker).await?;
    mixed_requests(&world).await.with_context(|| parts.logs())
}

/// Sends the mixture and weighs what came of it.
pub(crate) async fn mixed_requests(world: &World) -> anyhow::Result<()> {
    let keys = world.keys()?;
    say(&format!("seed {SEED}"));
    let outcome = Arc::new(Outcome::default());
    let plan = mixture::plan(SEED, REQUESTS, &keys);
    mixture::run(&world.gateway(), plan, CONCURRENCY, &outcome).await?;
    ensure!(
        outcome.refused.load(std::sync::atomic::Ordering::Relaxed) == 0,
        "nothing was to be refused: {outcome}"
    );
    let comparison = settle_and_compare(world).await?;
    ensure!(comparison.equal == REQUESTS, "{comparison:#?}");
    ensure!(comparison.problems.is_empty(), "{comparison:#?}");
    ensure!(uncharged(world).await? == 0.0, "there are tokens that nobody was charged for");
    Ok(())
}

/// Waits until journal, ledger and tables agree, then compares the tables with the emulator's ledger.
pub(crate) async fn settle_and_compare(world: &World) -> anyhow::Result<Comparison> {
    let verified = world.run(&["verify", "--wait", "60"])?;
    let said = String::from_utf8_lossy(&verified.stdout);
    ensure!(verified.status.success(), "weir verify: {said}{}", String::from_utf8_lossy(&verified.stderr));
    let port = clickhouse_port(world)?;
    let (entries, rows) = (witness::ledger(world).await?, witness::rows(world, port).await?);
    Ok(witness::compare(&entries, &rows))
}

fn clickhouse_port(world: &World) -> anyhow::Result<u16> {
    let url = std::fs::read_to_string(world.path(".weir/clickhouse.url"))?;
    let port = url.trim().trim_end_matches('/').rsplit(':').next().context("the URL has no port")?;
    Ok(port.parse()?)
}

async fn uncharged(world: &World) -> anyhow::Result<f64> {
    // Only the process with the gateway has it: the one, or the last of the roles.
    for port in world.ports.telemetry {
        let Ok(metrics) = world.get(port, "/metrics").await else { continue };
        let sample = metrics.lines().find(|line| line.starts_with("weir_tokens_uncharged_total"));
        if let Some(value) = sample.and_then(|line| line.rsplit(' ').next()) {
            return Ok(value.parse()?);
        }
    }
    anyhow::bail!("no process tells weir_tokens_uncharged_total")
}
