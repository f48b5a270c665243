//! The same exactness while everything is killed at random moments and started again.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinHandle;
use weir_runtime::tasks::Tasks;
use weir_tests::kafka::KafkaBroker;
use weir_tests::mixture::{self, Outcome};
use weir_tests::process;
use weir_tests::roles::{Parts, ROLES};
use weir_tests::trials::say;
use weir_tests::world::World;

use crate::exactness::{FAST_EMULATOR, settle_and_compare};

const CONCURRENCY: usize = 50;

/// How much is asked, and with which dice.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) requests: usize,
    pub(crate) seed: u64,
}

/// What the default test command runs; `chaos` runs more.
pub(crate) const SHORT: Size = Size { requests: 2000, seed: 77 };

/// How long everything lives before the next kill.
const LIFE_MS: Range<u64> = 150..800;
/// The same for roles over Kafka, which take a second to come up: else nobody would ever be there to answer.
const LIFE_OVER_KAFKA_MS: Range<u64> = 600..2000;
/// A run with fewer shows nothing.
const KILLS_MIN: usize = 6;

/// `weir up` is killed with SIGKILL again and again, its ClickHouse with it or alone, while callers go on.
pub(crate) async fn embedded(size: Size) -> anyhow::Result<()> {
    let world = World::begin(FAST_EMULATOR).await?;
    let mut weir = world.start("weir", &["up"])?;
    world.ready(world.ports.telemetry[0]).await.with_context(|| weir.log_tail())?;
    let mut calls = Calls::start(&world, size)?;
    while calls.go_on_for_a_life(LIFE_MS).await? {
        if calls.random.random_bool(0.3) {
            // Its only child is the engine; `weir up` must start it again.
            weir.children().into_iter().for_each(process::kill);
        } else {
            weir.kill();
            weir = world.start("weir", &["up"])?;
            world.ready(world.ports.telemetry[0]).await.with_context(|| weir.log_tail())?;
        }
    }
    world.ready(world.ports.telemetry[0]).await?;
    calls.weigh(&world).await.with_context(|| weir.log_tail())
}

/// Every role is a process over a real Kafka; now this one is killed, now that one, now the engine.
pub(crate) async fn kafka(broker: KafkaBroker, size: Size) -> anyhow::Result<()> {
    let world = World::begin(FAST_EMULATOR).await?;
    let mut parts = Parts::start(&world, broker).await?;
    let mut calls = Calls::start(&world, size)?;
    while calls.go_on_for_a_life(LIFE_OVER_KAFKA_MS).await? {
        let part = calls.random.random_range(0..=ROLES.len());
        parts.kill(&world, part)?;
    }
    parts.ready(&world).await?;
    calls.weigh(&world).await.with_context(|| parts.logs())
}

/// Callers at work, and the dice that say when the next kill is.
struct Calls {
    work: JoinHandle<anyhow::Result<Arc<Outcome>>>,
    outcome: Option<Arc<Outcome>>,
    random: StdRng,
    kills: usize,
    size: Size,
}

impl Calls {
    fn start(world: &World, size: Size) -> anyhow::Result<Self> {
        say(&format!("seed {}", size.seed));
        let (gateway, plan) = (world.gateway(), mixture::plan(size.seed, size.requests, &world.keys()?));
        let work = Tasks::new().spawn(async move { mixture::run(&gateway, plan, CONCURRENCY).await });
        Ok(Self { work, outcome: None, random: StdRng::seed_from_u64(size.seed), kills: 0, size })
    }

    /// Lets callers work until the next kill is due; false if they have ended before.
    async fn go_on_for_a_life(&mut self, life_ms: Range<u64>) -> anyhow::Result<bool> {
        let life = Duration::from_millis(self.random.random_range(life_ms));
        if let Ok(ended) = tokio::time::timeout(life, &mut self.work).await {
            self.outcome = Some(ended??);
            return Ok(false);
        }
        self.kills += 1;
        Ok(true)
    }

    async fn weigh(&self, world: &World) -> anyhow::Result<()> {
        let comparison = settle_and_compare(world).await?;
        say(&format!("{} kills, {:?}, {comparison:?}", self.kills, self.outcome));
        ensure!(self.kills >= KILLS_MIN, "only {} kills show nothing", self.kills);
        ensure!(comparison.problems.is_empty(), "{comparison:#?}");
        ensure!(comparison.equal > self.size.requests / 2, "{comparison:#?}");
        Ok(())
    }
}
