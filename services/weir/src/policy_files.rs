//! Policy as files: every `*.toml` of a folder, read together as one policy.
//!
//! All problems are reported at once, each with its file and line. What a policy may say is decided in
//! `weir_domain::policy`; this module only reads.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use weir_domain::policy::{Policy, problems};

mod convert;

/// One thing that is wrong with a policy folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The file, and the line from 1 if it is known.
    pub(crate) file: PathBuf,
    /// The line, from 1; 0 if the whole file is meant.
    pub(crate) line: usize,
    /// What is wrong and what would be right.
    pub(crate) message: String,
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
        for finding in self.0 {
            let (file, line) = (finding.file.display(), finding.line);
            write!(f, "\n  {file}:{line}: {}", finding.message)?;
        }
        Ok(())
    }
}

/// Reads a folder as one policy.
pub(crate) fn read_dir(dir: &Path) -> Result<Policy, PolicyError> {
    let unreadable = |path: &Path, source| PolicyError::Unreadable { path: path.to_owned(), source };
    let entries = std::fs::read_dir(dir).map_err(|source| unreadable(dir, source))?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
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

/// A policy file that has been read.
pub(crate) struct Source {
    /// Where it was read from, for messages.
    pub(crate) path: PathBuf,
    /// What it says.
    pub(crate) text: String,
}

/// Makes one policy of several files.
pub(crate) fn from_sources(sources: &[Source]) -> Result<Policy, PolicyError> {
    let mut reading = Reading::default();
    for source in sources {
        reading.read(source);
    }
    for problem in problems(&reading.policy) {
        let subject = problem.place.split(',').next().unwrap_or_default();
        let message = format!("{} {}", problem.place, problem.message);
        let (file, line) = reading.places.get(subject).cloned().unwrap_or_default();
        reading.findings.push(Finding { file, line, message });
    }
    if reading.findings.is_empty() {
        Ok(reading.policy)
    } else {
        Err(PolicyError::Findings(reading.findings))
    }
}

/// The state of reading: what was understood, what was not, and where each thing stands.
#[derive(Default)]
struct Reading {
    policy: Policy,
    findings: Vec<Finding>,
    /// `service chat-assistant` → file and line.
    places: HashMap<String, (PathBuf, usize)>,
}

impl Reading {
    fn read(&mut self, source: &Source) {
        match toml::from_str::<File>(&source.text) {
            Ok(file) => self.take(source, file),
            Err(problem) => {
                let line = problem.span().map_or(0, |span| line_of(&source.text, &span));
                let message = problem.message().to_owned();
                self.findings.push(Finding { file: source.path.clone(), line, message });
            }
        }
    }

    fn take(&mut self, source: &Source, file: File) {
        self.take_each(source, file.pool);
        self.take_each(source, file.team);
        self.take_each(source, file.service);
        self.take_each(source, file.burst);
        self.take_each(source, file.price);
    }

    fn take_each<E: Entry>(&mut self, source: &Source, found: Vec<Spanned<E>>) {
        for spanned in found {
            let line = line_of(&source.text, &spanned.span());
            let entry = spanned.into_inner();
            let place = format!("{} {}", E::KIND, entry.name());
            match entry.convert() {
                Ok(value) => E::list(&mut self.policy).push(value),
                Err(problem) => {
                    let message = format!("{place}: {problem}");
                    self.findings.push(Finding { file: source.path.clone(), line, message });
                }
            }
            self.places.insert(place, (source.path.clone(), line));
        }
    }
}

fn line_of(text: &str, span: &Range<usize>) -> usize {
    let before = text.get(..span.start).unwrap_or(text);
    before.bytes().filter(|byte| *byte == b'\n').count() + 1
}

/// One block of a policy file.
trait Entry {
    /// What it becomes.
    type Value;
    /// What it is called in messages.
    const KIND: &'static str;
    fn name(&self) -> &str;
    fn convert(&self) -> Result<Self::Value, String>;
    fn list(policy: &mut Policy) -> &mut Vec<Self::Value>;
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    pool: Vec<Spanned<PoolEntry>>,
    #[serde(default)]
    team: Vec<Spanned<TeamEntry>>,
    #[serde(default)]
    service: Vec<Spanned<ServiceEntry>>,
    #[serde(default)]
    burst: Vec<Spanned<BurstEntry>>,
    #[serde(default)]
    price: Vec<Spanned<PriceEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PoolEntry {
    name: String,
    tokens_per_minute: u64,
    model: Vec<ModelEntry>,
    deployment: Vec<DeploymentEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelEntry {
    name: String,
    encoding: String,
    #[serde(default)]
    output_tokens_max: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeploymentEntry {
    upstream: String,
    name: String,
    model: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TeamEntry {
    name: String,
    title: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceEntry {
    name: String,
    team: String,
    owner: String,
    use_case: String,
    when_throttled: String,
    #[serde(default)]
    allocation: Vec<AllocationEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AllocationEntry {
    pool: String,
    baseline: u64,
    request_max: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BurstEntry {
    name: String,
    service: String,
    pool: String,
    extra: u64,
    start: toml::value::Datetime,
    end: toml::value::Datetime,
    reason: String,
    approved_by: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceEntry {
    model: String,
    valid_from: toml::value::Datetime,
    currency: String,
    input: String,
    #[serde(default)]
    input_cached: Option<String>,
    output: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Policy, Vec<Finding>> {
        let source = Source { path: "policy.toml".into(), text: text.to_owned() };
        from_sources(&[source]).map_err(|problem| match problem {
            PolicyError::Findings(findings) => findings,
            PolicyError::Unreadable { .. } => unreachable!("nothing is read from disk here"),
        })
    }

    #[test]
    fn every_problem_is_named_with_its_line() {
        let findings = read(
            "[[team]]\nname = \"Search\"\ntitle = \"Search\"\n\n\
             [[service]]\nname = \"chat\"\nteam = \"nobody\"\nowner = \"a\"\nuse_case = \"b\"\nwhen_throttled = \"c\"\n",
        )
        .unwrap_err();
        let lines: Vec<_> = findings.iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [1, 5], "{findings:?}");
        assert!(findings[0].message.contains("not a name"));
        assert!(findings[1].message.contains("team nobody, which is not defined"));
    }

    #[test]
    fn a_setting_that_does_not_exist_is_named() {
        let findings = read("[[team]]\nname = \"a\"\ntitle = \"A\"\ncolour = \"red\"\n").unwrap_err();
        assert_eq!(findings[0].line, 4);
        assert!(findings[0].message.contains("colour"));
    }

    #[test]
    fn the_demos_policy_is_sound() {
        let text = include_str!("demo/policy.toml")
            .replace("{burst_start}", "2026-01-01T00:00:00Z")
            .replace("{burst_end}", "2026-01-02T00:00:00Z");
        let policy = read(&text).unwrap();
        let counts = (policy.teams.len(), policy.services.len(), policy.pools.len(), policy.bursts.len());
        assert_eq!(counts, (3, 6, 2, 1));
    }

    #[test]
    fn the_policy_that_init_writes_is_sound() {
        assert_eq!(read(include_str!("init/policy.toml")).unwrap().services.len(), 1);
    }
}
