//! A seeded simulation of pools and gateways: networks that lose, double, delay and reorder, appends that fail, nodes and
//! gateways that crash, clocks that jump, policies that change. Pure and single-threaded: a seed is one run, always the same.
//!
//! `cargo test -p weir-domain --test simulation -- seeds FROM COUNT` runs as many as asked for, `-- seed N` one with its trace.

mod book;
mod budgets;
mod checks;
mod dice;
mod end;
mod faults;
mod gateway;
mod govern;
mod journal;
mod messages;
mod node;
mod pool;
mod rates;
#[path = "../promises/retry.rs"]
mod retry;
mod runner;
mod seen;
mod stage;
mod watch;
mod weather;
mod world;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

/// Whether a promise holds; if not, which and how.
type Checked = Result<(), String>;

/// What the default run covers: some hundreds of seeds, in parts that may run side by side.
const SEEDS_PER_TRIAL: u64 = 60;
const TRIALS: u64 = 8;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize| words.get(place).and_then(|word: &String| word.parse::<u64>().ok());
    match (words.first().map(String::as_str), number(1), number(2)) {
        (Some("seeds"), Some(from), Some(count)) => runner::run_all(from, count),
        (Some("seed"), Some(seed), None) => runner::replay(seed),
        (Some("seed" | "seeds"), ..) => runner::usage(),
        _ => libtest_mimic::run(&Arguments::from_args(), trials()).exit_code(),
    }
}

fn trials() -> Vec<Trial> {
    let mut trials: Vec<Trial> = (0..TRIALS)
        .map(|part| {
            let from = part * SEEDS_PER_TRIAL;
            let name = format!("seeds_{from}_to_{}_keep_every_promise", from + SEEDS_PER_TRIAL - 1);
            Trial::test(name, move || runner::keep_promises(from, SEEDS_PER_TRIAL))
        })
        .collect();
    trials.push(Trial::test("runs_reach_what_is_worth_checking", reach));
    trials.push(Trial::test("a_seed_is_one_run", is_one_run));
    trials
}

fn reach() -> Result<(), Failed> {
    let seen = runner::seen(0, SEEDS_PER_TRIAL)?;
    let missing = seen.missing();
    if missing.is_empty() { Ok(()) } else { Err(format!("never seen: {missing:?}; {seen:?}").into()) }
}

fn is_one_run() -> Result<(), Failed> {
    let (mut one, mut other) = (Vec::new(), Vec::new());
    let ends = [world::run(7, Some(&mut one)), world::run(7, Some(&mut other))];
    if ends[0] == ends[1] && one == other { Ok(()) } else { Err("seed 7 is two runs".into()) }
}
