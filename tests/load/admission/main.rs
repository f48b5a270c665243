//! Admission over gRPC against services that decide nothing, on the same connection settings and with the same token on
//! every call, which nobody looks at there.
//!
//! Three kinds of load, each on one connection:
//! - `Reserve` alone, 1 and 64 callers. Floors: `empty` takes nothing and gives nothing; `echo` decodes the same messages and
//!   answers in kind.
//! - `Reserve` and `Settle`, one after the other: a *request* is a pair of calls. Floor: a pair of empty calls.
//! - a session: batches of 64, half reservations, half settles, 1 and 4 in flight. Floors: the same batches decoded and
//!   answered by their number alone (`empty stream`), or in kind (`echo stream`). Times are those of a batch.
//!
//! The quota service runs over the memory journal, and over the embedded one with its default: a disk write before every
//! answer, shared by those that wait. How to run and read it: `weir_tests::load`.

mod echo;
mod empty;
mod mint;
mod quota;
mod reserve;
mod session;
mod sides;

use std::process::ExitCode;
use std::time::Duration;

use weir_tests::load::bench;
use weir_tests::load::options::Plan;
use weir_tests::load::organisation::QUOTA;
use weir_tests::load::requests::{ALL_CPU_US, P99_US, PER_SECOND};
use weir_tests::load::rounds::{Load, Metric, Pair, rounds};
use weir_tests::load::target::{Bound, Of, Target};

use crate::session::ITEMS_PER_SECOND;
use crate::sides::Sides;

/// Callers on the one connection, at most.
const CALLERS: usize = 64;

const EMPTY: &str = "empty";
const ECHO: &str = "echo";
const RESERVE: &str = "Reserve";
const EMPTY_PAIR: &str = "empty pair";
const MEMORY: &str = "memory journal";
const EMBEDDED: &str = "embedded journal";
const EMPTY_STREAM: &str = "empty stream";
const ECHO_STREAM: &str = "echo stream";

fn main() -> ExitCode {
    bench::main("admission", &[QUOTA, empty::ROLE], measure)
}

async fn measure(session: &mut bench::Session<'_>) -> anyhow::Result<()> {
    let span = |tiny, short, full| Duration::from_millis(session.options.extent.pick(tiny, short, full));
    let plan = Plan {
        rounds: session.options.extent.pick(1, 3, 9),
        span: span(50, 400, 2_000),
        warm_up: span(10, 100, 500),
    };
    let mut sides = Sides::start(session.dir).await?;
    for callers in [1, CALLERS] {
        let pairs = [against(RESERVE, EMPTY), against(RESERVE, ECHO)];
        let mut outcome = rounds(plan, Load::Closed { callers }, &mut sides.of_reserve(), &pairs).await?;
        outcome.targets = vec![
            target(RESERVE, EMPTY, PER_SECOND, Bound::AtLeast(0.85)),
            target(RESERVE, EMPTY, ALL_CPU_US, Bound::AtMost(1.0 / 0.85)),
            target(RESERVE, ECHO, PER_SECOND, Bound::AtLeast(0.85)),
            target(RESERVE, ECHO, ALL_CPU_US, Bound::AtMost(1.0 / 0.85)),
            target(RESERVE, EMPTY, P99_US, Bound::AtMost(2.0)),
        ];
        session.show(outcome)?;
    }
    for callers in [1, CALLERS] {
        let pairs = [against(MEMORY, EMPTY_PAIR), against(EMBEDDED, EMPTY_PAIR), against(EMBEDDED, MEMORY)];
        session.show(rounds(plan, Load::Closed { callers }, &mut sides.of_pairs(), &pairs).await?)?;
    }
    for in_flight in [1, 4] {
        let pairs = [
            against(MEMORY, EMPTY_STREAM),
            against(MEMORY, ECHO_STREAM),
            against(MEMORY, RESERVE),
            against(EMBEDDED, EMPTY_STREAM),
        ];
        let mut outcome = rounds(plan, Load::Batches { in_flight }, &mut sides.of_sessions(), &pairs).await?;
        outcome.targets = vec![
            target(MEMORY, EMPTY_STREAM, ITEMS_PER_SECOND, Bound::AtLeast(0.5)),
            target(MEMORY, EMPTY_STREAM, ALL_CPU_US, Bound::AtMost(1.0 / 0.5)),
            target(MEMORY, RESERVE, ITEMS_PER_SECOND, Bound::AtLeast(5.0)),
        ];
        session.show(outcome)?;
    }
    sides.end().await
}

const fn against(candidate: &'static str, floor: &'static str) -> Pair {
    Pair { candidate, floor }
}

const fn target(candidate: &'static str, floor: &'static str, metric: Metric, bound: Bound) -> Target {
    Target { of: Of::Ratio(against(candidate, floor)), metric, bound }
}
