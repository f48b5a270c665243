//! The gateway: fully governed against passing through, against a bare proxy, against no proxy at all.
//!
//! - `direct`: callers ask the scripted upstream themselves.
//! - `bare proxy`: hyper's server and hyper-util's client with its pool, frames passed on as they come.
//! - `pass-through`: Weir's gateway with `mode = "pass-through"`.
//! - `governed`: Weir's gateway as it is meant to be: caller key, estimate, `Reserve` over gRPC, write-ahead log,
//!   usage injected, stripped and metered, event to an embedded journal with its default of a disk write, `Settle`.
//!   Its CPU is that of two processes, gateway and quota service; `of it own` is the gateway's.
//!
//! Loads: closed with 1 and 64 callers, each on its own connection; open at a calm rate; streams of 50 frames 20 ms
//! apart. `first text` counts from the stream's intended begin, `frame` from the upstream's sending of each text frame
//! to its arrival, `gap` is the time between two. How to run and read it: `weir_tests::load`.

mod chat;
mod connection;
mod proxy;
mod serving;
mod streams;
mod upstream;
mod weir;
mod world;

use std::process::ExitCode;
use std::time::Duration;

use weir_tests::load::bench::{self, Session};
use weir_tests::load::options::{Options, Plan};
use weir_tests::load::organisation::QUOTA;
use weir_tests::load::rounds::{Load, Pair};

use crate::world::World;

const DIRECT: &str = "direct";
const PROXY: &str = "bare proxy";
const PASS_THROUGH: &str = "pass-through";
const GOVERNED: &str = "governed";

const PAIRS: [Pair; 5] = [
    Pair { candidate: GOVERNED, floor: PASS_THROUGH },
    Pair { candidate: GOVERNED, floor: PROXY },
    Pair { candidate: GOVERNED, floor: DIRECT },
    Pair { candidate: PASS_THROUGH, floor: PROXY },
    Pair { candidate: PROXY, floor: DIRECT },
];

/// Callers at most, each with a connection.
const CALLERS: usize = 64;
/// Requests a second of the open loop: calm for two cores.
const RATE: u32 = 500;
/// Streams that begin in a second. Each lasts one: as many are open at a time. It shares no factor with the 50 frames a
/// second of each, so that no two streams send at the same instant: in step, they would wait for each other, and a side
/// that begins them late would look fast because it breaks the step.
const STREAM_RATE: u32 = 37;

fn main() -> ExitCode {
    bench::main("gateway", &[QUOTA, upstream::ROLE, proxy::ROLE, weir::ROLE], measure)
}

async fn measure(session: &mut Session<'_>) -> anyhow::Result<()> {
    let mut world = World::begin(session.dir).await?;
    let rate = session.options.rate.unwrap_or(RATE);
    for load in
        [Load::Closed { callers: 1 }, Load::Closed { callers: CALLERS }, Load::Open { per_second: rate }]
    {
        session.show(world.requests(calls_plan(session.options), load).await?)?;
    }
    let load = Load::Streams { per_second: STREAM_RATE };
    session.show(world.streams(streams_plan(session.options), load).await?)?;
    world.end().await
}

fn calls_plan(options: &Options) -> Plan {
    let (millis, warm_up_millis) = options.extent.pick((50, 10), (300, 100), (1_500, 400));
    Plan {
        rounds: options.extent.pick(1, 3, 7),
        span: Duration::from_millis(millis),
        warm_up: Duration::from_millis(warm_up_millis),
    }
}

/// The connections are warm from the calls.
fn streams_plan(options: &Options) -> Plan {
    let millis = options.extent.pick(100, 500, 3_000);
    Plan {
        rounds: options.extent.pick(1, 2, 5),
        span: Duration::from_millis(millis),
        warm_up: Duration::ZERO,
    }
}
