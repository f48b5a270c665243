//! Aggregation: events a second from the journal to ClickHouse, against inserting the same rows with no journal between.
//!
//! - `inserts only`: rows from memory into the same table, with the same client and settings, as many inserts at a time,
//!   each of as many rows as a batch of the aggregator has.
//! - `aggregator`: the events stand in an embedded journal; from its start to the commit of the last event. It reads and
//!   decodes them, commits an intent and the end of each batch with a disk write, and looks for duplicates in the table.
//!
//! Both into the embedded engine (libchdb behind its HTTP interface in a process of its own), each time into a new
//! database whose tables were made before. Batches are cut by count alone, so that both insert the same. `of it own` is
//! the part of the process that inserts, the rest is the engine's, with what it merges right after. How to run and read
//! it: `weir_tests::load`.

mod aggregate;
mod engine;
mod events;
mod insert;
mod rows;
mod side;

use std::process::ExitCode;
use std::time::Duration;

use weir_tests::load::bench::{self, Session};
use weir_tests::load::options::Plan;
use weir_tests::load::rounds::{Load, Pair, Side, rounds};

use crate::engine::Engine;
use crate::events::Amount;
use crate::side::Taking;

const INSERTS: &str = "inserts only";
const AGGREGATOR: &str = "aggregator";

fn main() -> ExitCode {
    bench::main("aggregation", &[engine::ROLE, aggregate::ROLE, insert::ROLE], measure)
}

async fn measure(session: &mut Session<'_>) -> anyhow::Result<()> {
    let amount = session.options.extent.pick(
        Amount { batches: 2, batch: 100 },
        Amount { batches: 1, batch: 10_000 },
        Amount { batches: 4, batch: 10_000 },
    );
    // No warm-up of its own: tables, connections and the first page of everything are there before each measurement.
    let plan =
        Plan { rounds: session.options.extent.pick(1, 3, 9), span: Duration::ZERO, warm_up: Duration::ZERO };
    let engine = Engine::start(session.dir).await?;
    let mut inserts = Taking::new(INSERTS, insert::ROLE.0, session.dir, &engine, amount);
    let mut aggregator = Taking::new(AGGREGATOR, aggregate::ROLE.0, session.dir, &engine, amount);
    let mut sides: [&mut dyn Side; 2] = [&mut inserts, &mut aggregator];
    let pairs = [Pair { candidate: AGGREGATOR, floor: INSERTS }];
    let outcome = rounds(plan, Load::Events { count: amount.total() }, &mut sides, &pairs).await?;
    session.show(outcome)?;
    engine.stop().await;
    Ok(())
}
