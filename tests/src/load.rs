//! The measuring harness of the benchmarks in `tests/load`: ratios against a floor, in one run.
//!
//! # How to run
//! `cargo bench -p weir-tests --bench admission` (or `start`, `gateway`, `aggregation`), with `-- ` and any of `--short` (under
//! 40 s, as build servers run it; right for "does it work", too short for figures), `--pinned` or `--free` (default:
//! both, one after the other; `--short` alone is pinned), `--rate N` (the open loop's requests per second) and
//! `--json FILE`. Started without cargo's `--bench` it makes one tiny round: a test of the benchmark itself.
//! No benchmark asserts a time. Each asserts that the work was done: statuses, counts, no refusals, every token metered.
//!
//! # How to read the output
//! One table a *placement* and *load*. A figure without its load means nothing: the same proxy costs 30 µs of CPU a
//! request when it is saturated and 80 µs when it is calm, because idle processors sleep and each event is its own
//! wake-up.
//!
//! - *pinned*: the load generator, the upstream and the server share one core. Spreads are small, and requests/s say
//!   how much work a request is in all, not how fast the server alone is. *free*: the scheduler decides.
//! - *closed loop, n callers*: each of n callers asks again as soon as it is answered. *open loop*: requests have
//!   intended times, and latency counts from those, so that a stall is not forgiven. *streams*: new streams begin at
//!   intended times; frames carry the time at which the upstream sent them. *one stream, n batches in flight*: as closed.
//! - Each line is a *side*: `median (min–max)` over the rounds. Every round measures all sides one after the other, in
//!   an order that changes, so that what the machine does meanwhile meets all alike.
//! - Below, *comparisons*: `a ÷ b` or `a − b` taken within each round, then median (min–max) of those. These are the
//!   result; the absolute figures are there to show the load. A comparison whose spread crosses 1 (or 0) shows nothing.
//! - A line that begins with `target` says what a ratio should come to and whether its median does; p99 is a ratio there.
//! - *CPU µs* is what the server's own processes used, from their own clock, over exactly the measured requests and
//!   what trailed behind them (settles, events), divided by the requests. The load generator is not in it;
//!   in *all CPU µs* it is: where others use the machine too, its ratio says what requests/s would say if they did not.
//! - "others used n %" is what processes that are not ours took of the machine meanwhile. Above a few per cent the
//!   absolute figures are not worth quoting, ratios with care.
//!
//! What is compared is in `tests/load`, one executable a benchmark; nothing here knows it.

pub mod bench;
pub mod closed;
pub mod cpu;
pub mod desk;
pub mod json;
pub mod latency;
pub mod machine;
pub mod metered;
pub mod moment;
pub mod open;
pub mod options;
pub mod organisation;
pub mod pacer;
pub mod placement;
pub mod requests;
pub mod rounds;
pub mod server;
pub mod spread;
pub mod table;
pub mod target;
