//! Quota is gone: what is open is served up to its bound, though the gateway be killed too, what is closed is not, and all of it
//! is charged in the end.

use anyhow::{Context, ensure};
use weir_tests::kafka::KafkaBroker;
use weir_tests::roles::{Parts, telemetry_port};
use weir_tests::world::World;

use crate::exactness::{FAST_EMULATOR, settle_and_compare};
use crate::stage::{Caller, passed};

const POLICY: &str = r#"
[[service]]
name = "steady"
team = "team-a"
owner = "Owner of steady"
use_case = "Must not stand still"
when_throttled = "Everybody notices"
allocation = [
    { pool = "chat", baseline = 60_000, request_max = 10_000, when_quota_is_away = { admit_tokens = 10_000 } },
]
"#;
const BOUND: u64 = 10_000;
const OUTPUT_TOKENS: u64 = 1_000;
const MODEL: &str = "gpt-4o-mini";
/// What the gateway has admitted on its own.
const ADMITTED: &str = "weir_gateway_open_tokens_total";

pub(crate) async fn an_open_allocation_is_served_while_quota_is_killed_up_to_its_bound_and_charged_afterwards(
    broker: KafkaBroker,
) -> anyhow::Result<()> {
    let world = World::begin(FAST_EMULATOR).await?;
    std::fs::write(world.path("policy/steady.toml"), POLICY)?;
    let mut parts = Parts::start(&world, broker).await?;
    let (steady, alpha) = (caller(&world, "steady")?, caller(&world, "alpha")?);
    ensure!(passed(&steady.ask(10).await?) && passed(&alpha.ask(10).await?), "quota is there");

    parts.stop("quota");
    let closed = alpha.ask(10).await?;
    let said = String::from_utf8_lossy(&closed.body);
    ensure!(!passed(&closed) && said.contains("quota_unavailable"), "closed: {said}");
    let each = serve_up_to_the_bound(&world, &mut parts, &steady).await?;

    parts.start_again(&world, "quota")?;
    parts.ready(&world).await?;
    let answer = steady.ask(10).await?;
    let said = String::from_utf8_lossy(&answer.body);
    ensure!(passed(&answer) || said.contains("are owed"), "quota decides again: {said}");
    let comparison = settle_and_compare(&world).await.with_context(|| parts.logs())?;
    ensure!(comparison.problems.is_empty(), "{comparison:#?}");
    let served = usize::try_from(BOUND / each)?;
    ensure!(comparison.equal >= served + 2, "{served} were served without quota: {comparison:#?}");
    Ok(())
}

/// Asks until the bound is reached: exactly as many are served as fit, by the gateway that is killed half way and by the one
/// after it, which has only its disk to go by. How many tokens each of them was.
async fn serve_up_to_the_bound(world: &World, parts: &mut Parts, steady: &Caller) -> anyhow::Result<u64> {
    ensure!(passed(&steady.ask(OUTPUT_TOKENS).await?), "open: the first is served");
    let each = admitted(world).await?;
    ensure!((OUTPUT_TOKENS..BOUND).contains(&each), "{each} tokens were admitted for the first");
    let half = BOUND / each / 2;
    for number in 2..=half {
        ensure!(passed(&steady.ask(OUTPUT_TOKENS).await?), "open: number {number} is served");
    }
    let before = admitted(world).await?;
    parts.stop("gateway");
    parts.start_again(world, "gateway")?;
    let port = telemetry_port(world, "gateway");
    world.ready(port).await.with_context(|| parts.logs())?;
    let ready = world.get(port, "/readyz").await?;
    ensure!(ready.contains("goes by the directory of"), "it says what it goes by: {ready}");
    for number in half + 1..=BOUND / each {
        ensure!(passed(&steady.ask(OUTPUT_TOKENS).await?), "open: number {number} is served");
    }
    ensure!(!passed(&steady.ask(OUTPUT_TOKENS).await?), "beyond the bound nothing is served");
    let all = before + admitted(world).await?;
    ensure!(all == BOUND / each * each && all <= BOUND, "{all} tokens were admitted of {BOUND}");
    Ok(each)
}

async fn admitted(world: &World) -> anyhow::Result<u64> {
    let metrics = world.get(telemetry_port(world, "gateway"), "/metrics").await?;
    let sample = metrics.lines().find(|line| line.starts_with(ADMITTED));
    let value =
        sample.and_then(|line| line.rsplit(' ').next()).context("the gateway tells what it admits")?;
    Ok(value.parse()?)
}

fn caller(world: &World, service: &str) -> anyhow::Result<Caller> {
    let key = world.expect(&["keys", "create", service])?.trim().to_owned();
    Ok(Caller { gateway: world.gateway(), key, service: service.to_owned(), model: MODEL })
}
