//! Runs seeds, says how far it is, and keeps the trace of one that breaks a promise.
#![expect(clippy::print_stdout, reason = "this is a test's own report")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;

use libtest_mimic::Failed;

use crate::seen::Seen;
use crate::world;

/// Seeds between two lines of progress.
const PROGRESS_SEEDS: u64 = 100;

/// Runs one seed; a panic breaks a promise too.
fn run(seed: u64, trace: Option<&mut Vec<String>>) -> Result<Seen, String> {
    catch_unwind(AssertUnwindSafe(|| world::run(seed, trace))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

/// Runs one seed; if it breaks a promise, once more with its trace, which is kept.
fn run_and_keep(seed: u64) -> Result<Seen, String> {
    run(seed, None).map_err(|broken| {
        let mut trace = Vec::new();
        let again = run(seed, Some(&mut trace));
        if again.as_ref().err() != Some(&broken) {
            trace.push(format!("with its trace kept, the run ended otherwise: {again:?}"));
        }
        trace.push(broken.clone());
        let kept = keep(seed, &trace);
        format!(
            "seed {seed}: {broken}\n  replay: cargo test -p weir-domain --test simulation -- seed {seed}\n  {kept}"
        )
    })
}

fn keep(seed: u64, trace: &[String]) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("simulation-{seed}.trace"));
    match std::fs::write(&path, trace.join("\n")) {
        Ok(()) => format!("trace: {}", path.display()),
        Err(problem) => format!("the trace could not be kept at {}: {problem}", path.display()),
    }
}

/// What some seeds reach.
pub(crate) fn seen(from: u64, count: u64) -> Result<Seen, Failed> {
    let mut seen = Seen::default();
    for seed in from..from + count {
        seen.add(run_and_keep(seed)?);
    }
    Ok(seen)
}

pub(crate) fn keep_promises(from: u64, count: u64) -> Result<(), Failed> {
    seen(from, count).map(|_| ())
}

/// Runs seeds with a line of progress now and then, up to the first that breaks a promise.
pub(crate) fn run_all(from: u64, count: u64) -> ExitCode {
    let mut sum = Seen::default();
    for (done, seed) in (1..).zip(from..from + count) {
        match run_and_keep(seed) {
            Ok(seen) => sum.add(seen),
            Err(broken) => {
                println!("{broken}");
                return ExitCode::FAILURE;
            }
        }
        if done % PROGRESS_SEEDS == 0 || done == count {
            println!("{done} of {count} seeds, {} events, {} admitted", sum.events, sum.admitted);
        }
    }
    println!("{sum:?}");
    ExitCode::SUCCESS
}

/// Runs one seed and prints its trace.
pub(crate) fn replay(seed: u64) -> ExitCode {
    let mut trace = Vec::new();
    let end = run(seed, Some(&mut trace));
    for line in &trace {
        println!("{line}");
    }
    match end {
        Ok(seen) => {
            println!("seed {seed} keeps every promise: {seen:?}");
            ExitCode::SUCCESS
        }
        Err(broken) => {
            println!("seed {seed}: {broken}");
            ExitCode::FAILURE
        }
    }
}

pub(crate) fn usage() -> ExitCode {
    println!("usage: cargo test -p weir-domain --test simulation -- (seeds FROM COUNT | seed N)");
    ExitCode::FAILURE
}
