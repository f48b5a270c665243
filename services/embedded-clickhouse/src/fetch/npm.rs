//! `npm pack`: the package as a file.
//!
//! npm shows no progress for it. So it gets a cache of its own, and what grows there is the progress.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::progress::{Progress, Step};
use super::{FetchError, PACKAGE, PACKAGE_BYTES, VERSION, io_error};

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often nothing may have grown before npm is given up: two minutes, since it retries by itself for one.
const LOOKS_STILL_MAX: u32 = 600;
/// Levels of directories in npm's cache.
const CACHE_DEPTH: u32 = 6;

/// Fetches the package into a directory and gives its path there. `place` is where the library belongs.
pub(super) fn pack(
    directory: &Path,
    place: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<PathBuf, FetchError> {
    let place = || place.to_owned();
    let mut command = Command::new("npm");
    command.arg("pack").arg(format!("{PACKAGE}@{VERSION}")).arg("--loglevel=error").current_dir(directory);
    let shown = "npm pack ".to_owned() + PACKAGE + "@" + VERSION;
    let cache = directory.join("npm-cache");
    let errors = directory.join("npm.log");
    let log = File::create(&errors).map_err(io_error("write", &errors))?;
    command.arg("--cache").arg(&cache).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let child = command.spawn().map_err(|source| FetchError::NoNpm { place: place(), source })?;
    let status = watch(child, &cache, progress).map_err(io_error("wait for npm in", directory))?;
    let failed = |reason: String| FetchError::Npm { command: shown, reason, place: place() };
    match status {
        None => Err(failed("nothing came for two minutes".to_owned())),
        Some(status) if !status.success() => Err(failed(reason(&errors, status))),
        Some(_) => package(directory).ok_or_else(|| failed("npm wrote no package".to_owned())),
    }
}

/// Waits for npm, looking at what grows in its cache. `None` if nothing did for too long.
fn watch(
    mut child: Child,
    cache: &Path,
    progress: &mut dyn FnMut(Progress),
) -> std::io::Result<Option<ExitStatus>> {
    let (mut size, mut looks_still) = (0, 0);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let now = size_of(cache, CACHE_DEPTH);
        looks_still = if now == size { looks_still + 1 } else { 0 };
        size = now;
        if looks_still > LOOKS_STILL_MAX {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        let done_bytes = size.min(PACKAGE_BYTES);
        progress(Progress { step: Step::Download, done_bytes, total_bytes: PACKAGE_BYTES });
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Bytes of all files below a directory. Files that vanish meanwhile count nothing.
fn size_of(directory: &Path, depth: u32) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)))
        .map(|(path, data)| match (data.is_dir(), depth) {
            (true, 0) => 0,
            (true, _) => size_of(&path, depth - 1),
            (false, _) => data.len(),
        })
        .sum()
}

/// What npm says, on one line.
fn reason(errors: &Path, status: ExitStatus) -> String {
    let text = std::fs::read_to_string(errors).unwrap_or_default();
    let lines: Vec<_> = text.lines().map(|line| line.trim_start_matches("npm error").trim()).collect();
    let said = lines.iter().filter(|line| !line.is_empty()).take(4).copied().collect::<Vec<_>>().join(" / ");
    if said.is_empty() { status.to_string() } else { said }
}

/// The file that npm wrote.
fn package(directory: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(directory).ok()?;
    let mut files = entries.filter_map(Result::ok).map(|entry| entry.path());
    files.find(|path| path.extension().is_some_and(|extension| extension == "tgz"))
}
