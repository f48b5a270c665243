//! The same exactness while everything is killed at random moments and started again.

use std::sync::Arc;

use anyhow::{Context, bail, ensure};
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

/// One kill for so many requests. Kills fall between answers, not after a time: how fast a machine is must not decide
/// how much a run shows.
const REQUESTS_PER_KILL: usize = 140;

/// `weir up` is killed with SIGKILL again and again, its ClickHouse with it or alone, while callers go on.
pub(crate) async fn embedded(size: Size) -> anyhow::Result<()> {
    let world = World::begin(FAST_EMULATOR).await?;
    let mut weir = world.start("weir", &["up"])?;
    world.ready(world.ports.telemetry[0]).await.with_context(|| weir.log_tail())?;
    let mut calls = Calls::start(&world, size)?;
    while calls.go_on_to_the_next_kill().await.with_context(|| weir.log_tail())? {
        if calls.random.random_bool(0.3) {
            // Its only child is the engine; `weir up` must start it again.
            weir.children().into_iter().for_each(process::kill);
        } else {
            weir.kill();
            weir = world.start("weir", &["up"])?;
        }
    }
    world.ready(world.ports.telemetry[0]).await.with_context(|| weir.log_tail())?;
    calls.weigh(&world).await.with_context(|| weir.log_tail())
}

/// Every role is a process over a real Kafka; now this one is killed, now that one, now the engine.
pub(crate) async fn kafka(broker: KafkaBroker, size: Size) -> anyhow::Result<()> {
    let world = World::begin(FAST_EMULATOR).await?;
    let mut parts = Parts::start(&world, broker).await?;
    let mut calls = Calls::start(&world, size)?;
    while calls.go_on_to_the_next_kill().await.with_context(|| parts.logs())? {
        let part = calls.random.random_range(0..=ROLES.len());
        parts.kill(&world, part)?;
    }
    parts.ready(&world).await?;
    calls.weigh(&world).await.with_context(|| parts.logs())
}

/// Callers at work, and the dice that say after how many answers the next kill is.
struct Calls {
    work: JoinHandle<anyhow::Result<()>>,
    outcome: Arc<Outcome>,
    random: StdRng,
    /// How many answers there are before each kill to come, the next one last.
    due: Vec<usize>,
    kills: usize,
    size: Size,
}

impl Calls {
    fn start(world: &World, size: Size) -> anyhow::Result<Self> {
        say(&format!("seed {}", size.seed));
        let mut random = StdRng::seed_from_u64(size.seed);
        let mut due: Vec<usize> = (0..size.requests / REQUESTS_PER_KILL)
            .map(|_| random.random_range(0..size.requests - CONCURRENCY))
            .collect();
        due.sort_unstable_by(|one, other| other.cmp(one));
        let (gateway, plan) = (world.gateway(), mixture::plan(size.seed, size.requests, &world.keys()?));
        let outcome = Arc::new(Outcome::default());
        let counted = Arc::clone(&outcome);
        let work =
            Tasks::new().spawn(async move { mixture::run(&gateway, plan, CONCURRENCY, &counted).await });
        Ok(Self { work, outcome, random, due, kills: 0, size })
    }

    /// Lets callers work until the next kill is due; false if there is none any more and they have ended.
    ///
    /// Between kills nobody waits for anything else: callers that are left alone could come to their end.
    async fn go_on_to_the_next_kill(&mut self) -> anyhow::Result<bool> {
        let Some(due) = self.due.pop() else {
            (&mut self.work).await??;
            return Ok(false);
        };
        tokio::select! {
            biased;
            () = self.outcome.answers(due) => {}
            ended = &mut self.work => bail!("callers ended before kill {}: {ended:?}", self.kills + 1),
        }
        self.kills += 1;
        Ok(true)
    }

    async fn weigh(&self, world: &World) -> anyhow::Result<()> {
        let comparison = settle_and_compare(world).await?;
        say(&format!("{} kills, {}, {comparison:?}", self.kills, self.outcome));
        ensure!(comparison.problems.is_empty(), "{comparison:#?}");
        ensure!(comparison.equal > self.size.requests / 2, "{comparison:#?}");
        Ok(())
    }
}
