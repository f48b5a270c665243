//! How much memory live holds take: a process of its own that does nothing else, and says what it has before and after.

use std::time::Duration;

use anyhow::Context;
use weir_tests::load::bench::Session;
use weir_tests::load::desk::{pool_of, terms};
use weir_tests::load::server::{Role, Server, Serving};

use super::order::Order;
use super::{ALLOCATIONS, BASELINE, NEED};

/// The role of that process.
pub(super) const ROLE: Role = ("holds", |serving| Box::pin(hold(serving)));
/// How fast the holds are placed: all of them in forty seconds of the desk's time, none of which ends before.
const APART: Duration = Duration::from_micros(40);

/// A line that says how much memory so many live holds take.
pub(super) fn measure(session: &Session<'_>) -> anyhow::Result<String> {
    let holds = session.options.extent.pick(10_000, 1_000_000, 1_000_000);
    let server = Server::start(session.dir, ROLE.0, &[&holds.to_string()])?;
    Ok(server.ready().to_owned())
}

async fn hold(serving: Serving) -> anyhow::Result<()> {
    let holds: usize = serving.argument(0)?.parse()?;
    let empty = resident_mib()?;
    let mut work = pool_of(ALLOCATIONS, 2, &terms(BASELINE, 0));
    let mut order = Order::even(ALLOCATIONS);
    let desk = resident_mib()?;
    for number in 0..holds {
        work.pass(APART);
        let held = work.reserve(order.draw(), NEED);
        held.map_err(|refusal| anyhow::anyhow!("hold {number} is refused: {refusal}"))?;
    }
    anyhow::ensure!(work.desk.holds() == holds, "{} of {holds} holds are alive", work.desk.holds());
    let all = resident_mib()?;
    serving.say(&format!(
        "resident: {empty} MiB of the process, {desk} with {ALLOCATIONS} allocations, {all} with {holds} live holds in {} slices",
        work.desk.ledger().slices().count()
    ))?;
    serving.stop.cancelled().await;
    Ok(())
}

fn resident_mib() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1_024)
}
