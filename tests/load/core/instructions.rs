//! How many instructions the core's paths take, counted by callgrind, beside what they took when somebody last looked.
//!
//! `cargo bench -p weir-tests --bench instructions` fails where one takes over 5 % more than `instructions.txt` says;
//! `-- --write` writes that file anew. Needs valgrind (`apt-get install valgrind`). Counts do not depend on the machine's
//! load, and hardly on its processor.
//!
//! The executable starts itself under valgrind once for each path and count of repetitions, of which there are two: what
//! the second takes more, divided by what it repeats more, is one repetition, with what is set up beforehand left out.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use weir_tests::load::desk::{DeskAtWork, pool_of, terms};

#[path = "order.rs"]
mod order;

use order::Order;

/// A tenth of the benchmark's, at a tenth of its rates: hardly fewer instructions, and far fewer to set it up.
const ALLOCATIONS: usize = 1_000;
const BASELINE: u64 = 10_000_000_000;
/// How often a path is gone: enough to draw slices and give them back as often as they are in the long run.
const FEW: u64 = 20_000;
const MANY: u64 = 60_000;
/// More than this above what is expected fails.
const TOLERANCE_PERCENT: u64 = 5;
/// The first argument that makes the executable go a path.
const GO: &str = "go";

/// A path, by its name: pairs so far apart, of allocations that are used alike or not, with so many budgets.
struct Route {
    name: &'static str,
    apart: Duration,
    order: fn(usize) -> Order,
    budgets: usize,
}

const ROUTES: [Route; 4] = [
    Route { name: "pair-from-hand", apart: Duration::from_micros(5), order: Order::even, budgets: 0 },
    Route { name: "pair-even", apart: Duration::from_micros(100), order: Order::even, budgets: 0 },
    Route { name: "pair-skewed", apart: Duration::from_micros(100), order: Order::skewed, budgets: 0 },
    Route {
        name: "pair-skewed-two-budgets",
        apart: Duration::from_micros(100),
        order: Order::skewed,
        budgets: 2,
    },
];

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            // Nobody is left to tell if this fails.
            drop(writeln!(std::io::stderr(), "instructions: {problem:?}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> anyhow::Result<()> {
    let arguments: Vec<_> = arguments.iter().map(String::as_str).filter(|text| *text != "--bench").collect();
    match arguments[..] {
        [GO, name, count] => go(name, count.parse()?),
        ["--write"] => {
            let text = measured()?.iter().fold(HEAD.to_owned(), |mut text, (name, count)| {
                writeln!(text, "{name} {count}").expect("a text takes all that is written to it");
                text
            });
            std::fs::write(file(), text).context("cannot write instructions.txt")
        }
        [] | ["--short"] => compare(&measured()?, &expected()?),
        _ => bail!("{arguments:?} are not its options: none, or --write"),
    }
}

const HEAD: &str = "# Instructions of one repetition, as `cargo bench -p weir-tests --bench instructions -- --write` counts them.\n";

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("load/core/instructions.txt")
}

fn expected() -> anyhow::Result<BTreeMap<String, u64>> {
    let text = std::fs::read_to_string(file()).context("cannot read instructions.txt; --write makes it")?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, count) =
                line.split_once(' ').with_context(|| format!("{line:?} is no name and count"))?;
            Ok((name.to_owned(), count.parse()?))
        })
        .collect()
}

fn measured() -> anyhow::Result<BTreeMap<String, u64>> {
    ROUTES.iter().map(|route| Ok((route.name.to_owned(), of_one(route.name)?))).collect()
}

fn of_one(name: &str) -> anyhow::Result<u64> {
    let (few, many) = (counted(name, FEW)?, counted(name, MANY)?);
    ensure!(many > few, "{name} takes no more when it is repeated more");
    Ok((many - few) / (MANY - FEW))
}

/// All instructions of a run that goes a path so often.
fn counted(name: &str, count: u64) -> anyhow::Result<u64> {
    let out = tempfile::NamedTempFile::new()?;
    let run = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", out.path().display()))
        .arg(std::env::current_exe()?)
        .args([GO, name, &count.to_string()])
        .output()
        .context("cannot start valgrind; install it")?;
    ensure!(run.status.success(), "{name}: {}", String::from_utf8_lossy(&run.stderr));
    let found = std::fs::read_to_string(out.path())?;
    let sum = found.lines().find_map(|line| line.strip_prefix("summary: ").or(line.strip_prefix("totals: ")));
    Ok(sum.context("callgrind counted nothing")?.trim().parse()?)
}

fn compare(measured: &BTreeMap<String, u64>, expected: &BTreeMap<String, u64>) -> anyhow::Result<()> {
    let mut too_many = Vec::new();
    for (name, count) in measured {
        let expected =
            expected.get(name).with_context(|| format!("{name} is not in instructions.txt; --write it"))?;
        let line = format!("{name}: {count} instructions, {expected} expected");
        writeln!(std::io::stdout(), "{line}")?;
        if count * 100 > expected * (100 + TOLERANCE_PERCENT) {
            too_many.push(line);
        }
    }
    ensure!(
        too_many.is_empty(),
        "over {TOLERANCE_PERCENT} % more: {}; mend it, or --write it",
        too_many.join("; ")
    );
    Ok(())
}

fn go(name: &str, count: u64) -> anyhow::Result<()> {
    let route =
        ROUTES.iter().find(|route| route.name == name).with_context(|| format!("there is no {name}"))?;
    let mut work = pool_of(ALLOCATIONS, 2, &terms(BASELINE, route.budgets));
    let mut order = (route.order)(ALLOCATIONS);
    (0..count).for_each(|_| pair(&mut work, order.draw(), route.apart));
    Ok(())
}

fn pair(work: &mut DeskAtWork, number: usize, apart: Duration) {
    work.pass(apart);
    let hold = work.reserve(number, 10).expect("there is plenty");
    assert!(work.settle(number, hold, 6), "a hold is settled once");
}
