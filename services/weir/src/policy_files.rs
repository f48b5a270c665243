//! Policy as files: every `*.toml` of a folder and the folders in it, read together as one policy, and written again.
//!
//! All problems are reported at once, each with its file and line. What a policy may say is decided in
//! `weir_domain::policy`; this module only reads and writes.

mod block;
mod notes;
mod read;
mod values;
mod write;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};

use weir_domain::policy::{Policy, problems};

pub(crate) use notes::Finding;
use notes::{Notes, Places};
pub(crate) use write::{one_file, write_dir};

/// What an exception from the sandbox limit says that it waives.
pub(crate) const SANDBOX_LIMIT: &str = "sandbox-limit";

/// Folders within folders that are looked into: enough for region, department and team; a loop of links ends there.
const DEPTH_MAX: usize = 4;
/// Files of one policy: one for each service of a large organisation, and then some.
const FILES_MAX: usize = 10_000;

/// A policy and where each part of it stands.
#[derive(Debug)]
pub(crate) struct PolicyFiles {
    /// What the files say.
    pub(crate) policy: Policy,
    places: Places,
    /// What does not hold together, as far as files alone can tell.
    problems: Vec<Finding>,
}

impl PolicyFiles {
    /// What is said about a place of the policy, with its file and line.
    pub(crate) fn finding(&self, place: &str, message: &str) -> Finding {
        self.places.finding(place, message)
    }

    /// The same if all of it holds together.
    pub(crate) fn sound(self) -> Result<Self, PolicyError> {
        if self.problems.is_empty() { Ok(self) } else { Err(PolicyError::Findings(self.problems)) }
    }
}

/// Why a folder is not a policy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PolicyError {
    /// The folder or a file cannot be read.
    #[error("policy {path} cannot be read; give a folder with .toml files (`weir init` writes one)")]
    Unreadable {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The files say something that does not hold together.
    #[error("policy is not right:{}", Lines(.0))]
    Findings(Vec<Finding>),
}

struct Lines<'a>(&'a [Finding]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|finding| write!(f, "\n  {finding}"))
    }
}

/// A policy file that has been read.
pub(crate) struct Source {
    /// Where it was read from, for messages.
    pub(crate) path: PathBuf,
    /// What it says.
    pub(crate) text: String,
}

/// Reads a folder as one policy. What every line says is understood then; whether it holds together is not yet said.
pub(crate) fn read_dir(dir: &Path) -> Result<PolicyFiles, PolicyError> {
    let mut paths = Vec::new();
    collect(dir, DEPTH_MAX, &mut paths)?;
    paths.sort();
    if paths.is_empty() {
        return Err(unreadable(dir, std::io::Error::other("the folder holds no .toml file")));
    }
    let mut sources = Vec::with_capacity(paths.len());
    for path in paths {
        let text = std::fs::read_to_string(&path).map_err(|source| unreadable(&path, source))?;
        sources.push(Source { path, text });
    }
    from_sources(&sources)
}

/// Finds the policy files of a folder. What begins with a dot is none of them.
fn collect(dir: &Path, depth: usize, paths: &mut Vec<PathBuf>) -> Result<(), PolicyError> {
    for entry in std::fs::read_dir(dir).map_err(|source| unreadable(dir, source))? {
        let path = entry.map_err(|source| unreadable(dir, source))?.path();
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden {
            continue;
        }
        if path.is_dir() && depth > 0 {
            collect(&path, depth - 1, paths)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            if paths.len() == FILES_MAX {
                let problem = format!("there are more than {FILES_MAX} .toml files in it");
                return Err(unreadable(dir, std::io::Error::other(problem)));
            }
            paths.push(path);
        }
    }
    Ok(())
}

fn unreadable(path: &Path, source: std::io::Error) -> PolicyError {
    PolicyError::Unreadable { path: path.to_owned(), source }
}

/// Makes one policy of several files. An error names all that could not be read, and what else does not hold together.
pub(crate) fn from_sources(sources: &[Source]) -> Result<PolicyFiles, PolicyError> {
    let (mut policy, notes) = (Policy::default(), RefCell::new(Notes::default()));
    for source in sources {
        read::file(source, &mut policy, &notes);
    }
    let Notes { findings, places, unsound, .. } = notes.into_inner();
    // What is said about a stand-in follows from what could not be read.
    let told = problems(&policy).into_iter().filter(|problem| !unsound.contains(&problem.place));
    let problems: Vec<_> = told.map(|problem| places.finding(&problem.place, &problem.message)).collect();
    if findings.is_empty() {
        return Ok(PolicyFiles { policy, places, problems });
    }
    let mut all: Vec<_> = findings.into_iter().chain(problems).collect();
    all.sort_by(|a, b| a.spot.cmp(&b.spot));
    Err(PolicyError::Findings(all))
}
