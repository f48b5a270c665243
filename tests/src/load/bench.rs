//! The frame of every benchmark: be a server if asked, else measure under each placement, print, write JSON.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use super::machine::Machine;
use super::options::Options;
use super::placement::Placement;
use super::rounds::Outcome;
use super::server::{Role, serve_if_asked};
use super::{json, table};

/// Lines of a server's log that are shown when a benchmark fails.
const LOG_LINES: usize = 20;

/// What a measurement is given.
pub struct Session<'a> {
    /// What was asked for.
    pub options: &'a Options,
    /// A folder for its servers' data and logs, removed at the end.
    pub dir: &'a Path,
    show: &'a mut dyn FnMut(Outcome) -> anyhow::Result<()>,
}

impl Session<'_> {
    /// Shows an outcome and keeps it for the report.
    pub fn show(&mut self, outcome: Outcome) -> anyhow::Result<()> {
        (self.show)(outcome)
    }
}

/// A benchmark's `main`.
pub fn main<F>(name: &str, roles: &[Role], measure: F) -> ExitCode
where
    F: AsyncFn(&mut Session<'_>) -> anyhow::Result<()> + Sync,
{
    if let Some(code) = serve_if_asked(roles) {
        return code;
    }
    match run(name, &measure) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            // Nobody is left to tell if this fails.
            drop(writeln!(std::io::stderr(), "{name}: {problem:?}"));
            ExitCode::FAILURE
        }
    }
}

fn run<F>(name: &str, measure: &F) -> anyhow::Result<()>
where
    F: AsyncFn(&mut Session<'_>) -> anyhow::Result<()> + Sync,
{
    let options = Options::parse(std::env::args().skip(1))?;
    let machine = Machine::this();
    let build = if machine.optimised { "release" } else { "debug: figures mean nothing" };
    print(&format!(
        "{name} · {} · {} processors, {}, Linux {} · {build}\n",
        options.extent.as_str(),
        machine.processors,
        machine.processor,
        machine.kernel
    ))?;
    let mut outcomes = Vec::new();
    for placement in &options.placements {
        outcomes.extend(placement.run(|| placed(name, *placement, &options, measure))?);
    }
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&json::report(name, &options, &outcomes))?;
        std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn placed<F>(
    name: &str,
    placement: Placement,
    options: &Options,
    measure: &F,
) -> anyhow::Result<Vec<(Placement, Outcome)>>
where
    F: AsyncFn(&mut Session<'_>) -> anyhow::Result<()>,
{
    let dir = tempfile::tempdir()?;
    let mut outcomes = Vec::new();
    let mut show = |outcome: Outcome| {
        print(&table::render(name, placement, &outcome))?;
        outcomes.push((placement, outcome));
        Ok(())
    };
    let mut session = Session { options, dir: dir.path(), show: &mut show };
    // One thread: the generator must not take turns with itself.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(&mut session)).with_context(|| logs(dir.path()))?;
    Ok(outcomes)
}

fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// The last lines of every log in a folder.
fn logs(dir: &Path) -> String {
    let mut text = "the servers' logs:".to_owned();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            let log = std::fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
            text += &format!("\n{}:\n{last}", path.display());
        }
    }
    text
}
