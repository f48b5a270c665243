//! Start: how long the quota service takes until it is ready, and how much memory it has then.
//!
//! The journal is an embedded one of a million events (see `history`) of 1,000 or 10,000 allocations in four pools. Each
//! start is a process of its own, timed by itself from opening the journal on:
//! - `raw records`: the floor; reads every record of the quota topic and looks into none.
//! - `from the journal`: folds all of it, with no snapshot.
//! - `from a snapshot`: that of a clean end before it, and the few records after it.
//!
//! How to run and read it: `weir_tests::load`. The page cache is warm: what a disk takes is not measured.

mod history;
mod side;
mod starting;
mod terms;

use std::process::ExitCode;
use std::time::Duration;

use weir_tests::load::bench::{self, Session};
use weir_tests::load::options::Plan;
use weir_tests::load::rounds::{Load, Pair, Side, rounds};
use weir_tests::load::target::{Bound, Of, Target};

use crate::history::Amount;
use crate::side::{SECONDS, Start};

const RAW: &str = "raw records";
const JOURNAL: &str = "from the journal";
const SNAPSHOT: &str = "from a snapshot";
/// What starts should take at most, with a million events.
const JOURNAL_SECONDS_MAX: f64 = 3.0;
const SNAPSHOT_SECONDS_MAX: f64 = 0.5;

fn main() -> ExitCode {
    bench::main("start", &[starting::RAW, starting::QUOTA], measure)
}

async fn measure(session: &mut Session<'_>) -> anyhow::Result<()> {
    let events = session.options.extent.pick(2_000, 100_000, 1_000_000);
    for allocations in session.options.extent.pick(&[100][..], &[1_000], &[1_000, 10_000]) {
        let amount = Amount { events, allocations: *allocations };
        let dir = session.dir.join(format!("{allocations}-allocations"));
        let count = history::write(&dir, amount).await?;
        let mut raw = Start::new(RAW, starting::RAW.0, &dir, starting::NO_SNAPSHOT, count);
        let mut journal = Start::new(JOURNAL, starting::QUOTA.0, &dir, starting::NO_SNAPSHOT, count);
        let mut snapshot = Start::new(SNAPSHOT, starting::QUOTA.0, &dir, starting::SNAPSHOT, count);
        // What the history left open lapses at the first start; its end leaves a snapshot.
        snapshot.once().await?;
        let rounds_count = session.options.extent.pick(1, 3, 5);
        let plan = Plan { rounds: rounds_count, span: Duration::ZERO, warm_up: Duration::ZERO };
        let mut sides: [&mut dyn Side; 3] = [&mut raw, &mut journal, &mut snapshot];
        let pairs = [JOURNAL, SNAPSHOT].map(|candidate| Pair { candidate, floor: RAW });
        let load = Load::Start { events: count.events, records: count.records, allocations: *allocations };
        let mut outcome = rounds(plan, load, &mut sides, &pairs).await?;
        let at_most =
            |side, seconds| Target { of: Of::Side(side), metric: SECONDS, bound: Bound::AtMost(seconds) };
        outcome.targets =
            vec![at_most(JOURNAL, JOURNAL_SECONDS_MAX), at_most(SNAPSHOT, SNAPSHOT_SECONDS_MAX)];
        session.show(outcome)?;
        std::fs::remove_dir_all(&dir)?;
    }
    Ok(())
}
