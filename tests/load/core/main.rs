//! A pool's desk alone, with 10,000 allocations: a reservation and its settle, with all that the service does for them but
//! the journal and the wire.
//!
//! - *from hand*: so many pairs a second that nearly every one is answered from a slice in hand, of one of the allocations
//!   or of all alike. The targets are for that pair; what lies between the two is going from one allocation to another in
//!   memory, which takes as long as others leave of the processor's caches.
//! - *even*, *skewed*: 100,000 pairs a second of the desk's own time, of all allocations alike, or of a few most of the time
//!   (Zipf). Draws, seals and, where there are budgets, thresholds are part of the mean. `events` says how many there are.
//! - Limitador does the same work in the same rounds: its check, its check and update, its reserve and commit.
//!
//! Times are of this thread's processor. Then two threads are out for the same limits, and a process of its own holds
//! 1,000,000 at once. How to run and read it: `weir_tests::load`. What a pair allocates: `allocations.rs`; how many
//! instructions it takes: `instructions.rs`.

mod limitador;
mod memory;
mod order;
mod over;
mod timed;
mod weir;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use weir_tests::load::bench;
use weir_tests::load::options::{Extent, Plan};
use weir_tests::load::rounds::{Load, Pair, Side, rounds};
use weir_tests::load::target::{Bound, Of, Target};

use limitador::{Ask, Limitador};
use order::Order;
use weir::{Check, Pairs};

/// Allocations in the pool.
const ALLOCATIONS: usize = 10_000;
/// What each is guaranteed a minute: more than the most used one of a skewed order takes.
const BASELINE: u64 = 10_000_000_000;
/// What a request holds and uses.
const NEED: u64 = 10;
const USED: u64 = 6;

const ONE: &str = "Weir: from hand, one";
const HAND: &str = "Weir: from hand, even";
const EVEN: &str = "Weir: even";
const SKEWED: &str = "Weir: skewed";
const BUDGETS: &str = "Weir: skewed, two budgets";
/// Pairs a second at the desk.
const MANY: u32 = 2_000_000;
const SOME: u32 = 100_000;

fn main() -> ExitCode {
    bench::main("core", &[memory::ROLE], measure)
}

async fn measure(session: &mut bench::Session<'_>) -> anyhow::Result<()> {
    let span = |tiny, short, full| Duration::from_millis(session.options.extent.pick(tiny, short, full));
    let plan = Plan {
        rounds: session.options.extent.pick(1, 3, 9),
        span: span(5, 200, 1_000),
        warm_up: span(0, 100, 300),
    };
    let mut sides = ours(session.options.extent);
    sides.extend(theirs());
    let mut sides: Vec<_> = sides.iter_mut().map(|side| -> &mut dyn Side { side.as_mut() }).collect();
    let pair = |candidate, floor| Pair { candidate, floor };
    let pairs = [
        pair("Weir: check", "Limitador: check"),
        pair(HAND, "Limitador: check and update"),
        pair(EVEN, "Limitador: reserve and commit"),
        pair(SKEWED, "Limitador: reserve and commit"),
    ];
    let mut outcome = rounds(plan, Load::Closed { callers: 1 }, &mut sides, &pairs).await?;
    let target = |side| Target { of: Of::Side(side), metric: timed::MEDIAN, bound: Bound::AtMost(500.0) };
    outcome.targets = vec![target(ONE), target(HAND)];
    session.show(outcome)?;
    let (ours, theirs) = (over::weir(), over::limitador());
    anyhow::ensure!(ours.too_much() == 0 && ours.is_all(), "{ours}");
    let resident = memory::measure(session)?;
    writeln!(std::io::stdout(), "two threads, the same limits at once\n{ours}\n{theirs}\n{resident}")?;
    Ok(())
}

/// Desks at work, each for so long that its slices are as large as they get.
fn ours(extent: Extent) -> Vec<Box<dyn Side>> {
    let (long, short) = extent.pick((0, 0), (2_000_000, 200_000), (2_000_000, 200_000));
    let (even, skewed) = (|| Order::even(ALLOCATIONS), || Order::skewed(ALLOCATIONS));
    vec![
        Box::new(Pairs::new(ONE, Order::even(1), MANY, 0).after(short)),
        Box::new(Pairs::new(HAND, even(), MANY, 0).after(long)),
        Box::new(Pairs::new(EVEN, even(), SOME, 0).after(short)),
        Box::new(Pairs::new(SKEWED, skewed(), SOME, 0).after(short)),
        Box::new(Pairs::new(BUDGETS, skewed(), SOME, 2).after(short)),
        Box::new(Check::new()),
    ]
}

fn theirs() -> impl Iterator<Item = Box<dyn Side>> {
    let asks = [Ask::Check, Ask::CheckAndUpdate, Ask::ReserveAndCommit];
    asks.into_iter().map(|ask| Box::new(Limitador::new(ask)) as Box<dyn Side>)
}
