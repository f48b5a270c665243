//! Settings: `weir.toml`, overridden by `WEIR__SECTION__KEY`. Unknown keys are errors, and all problems are named at once.
//!
//! Each part defines its own settings with their defaults; this module only reads them.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// What begins the name of an environment variable that overrides a setting: `WEIR__GATEWAY__LISTEN`.
pub const ENV_PREFIX: &str = "WEIR";

/// One thing that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting, for instance `gateway.upstreams[0].kind`.
    pub place: String,
    /// What is wrong.
    pub message: String,
}

/// All that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
    /// At least one.
    pub list: Vec<Problem>,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "settings in {} (and WEIR__… variables) are not right:", file.display())?,
            None => write!(f, "settings in WEIR__… variables are not right:")?,
        }
        for problem in &self.list {
            write!(f, "\n  {}: {}", problem.place, problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Settings as they were found, read section by section.
pub struct Settings {
    file: Option<PathBuf>,
    found: config::Map<String, config::Value>,
    problems: Vec<Problem>,
}

impl Settings {
    /// Reads a file, if one is given, and the environment.
    pub fn load(file: Option<&Path>) -> Result<Self, Problems> {
        let mut sources = config::Config::builder();
        if let Some(file) = file {
            sources = sources.add_source(config::File::from(file).format(config::FileFormat::Toml));
        }
        let environment = config::Environment::with_prefix(ENV_PREFIX).prefix_separator("__").separator("__");
        sources
            .add_source(environment)
            .build()
            .and_then(config::Config::try_deserialize::<config::Map<String, config::Value>>)
            .map(|found| Self { file: file.map(Path::to_owned), found, problems: Vec::new() })
            .map_err(|problem| Problems {
                file: file.map(Path::to_owned),
                list: vec![Problem { place: "file".to_owned(), message: problem.to_string() }],
            })
    }

    /// Takes one section; what is wrong with it is remembered, and its defaults stand in.
    pub fn section<T: DeserializeOwned + Default>(&mut self, name: &str) -> T {
        let Some(value) = self.found.remove(name) else { return T::default() };
        let mut unknown = Vec::new();
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(value, &mut track);
        let section = serde_ignored::deserialize(tracked, |path| unknown.push(path.to_string()));
        let place = |path: String| if path == "." { name.to_owned() } else { format!("{name}.{path}") };
        self.problems.extend(unknown.into_iter().map(|path| Problem {
            place: place(path.replace(".?", "")),
            message: "is not a setting; the weir.toml of `weir init` shows those there are".to_owned(),
        }));
        section.unwrap_or_else(|problem: config::ConfigError| {
            let message = problem.to_string();
            self.problems.push(Problem { place: place(track.path().to_string()), message });
            T::default()
        })
    }

    /// Adds what a part found wrong with its own section.
    pub fn problem(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem { place: place.into(), message: message.into() });
    }

    /// Ends the reading: sections that nobody took are problems too.
    pub fn finish(mut self) -> Result<(), Problems> {
        let left: Vec<_> = self.found.keys().cloned().collect();
        for section in left {
            self.problem(section, "is not a section; the weir.toml of `weir init` shows those there are");
        }
        if self.problems.is_empty() {
            return Ok(());
        }
        self.problems.sort_by(|a, b| a.place.cmp(&b.place));
        Err(Problems { file: self.file, list: self.problems })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Sample {
        listen: String,
        limit: u32,
    }

    fn settings(text: &str) -> Settings {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("weir.toml");
        std::fs::write(&file, text).unwrap();
        Settings::load(Some(&file)).unwrap()
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let mut settings = settings("[a]\nlisten = \"x\"\nlimmit = 1\n[b]\nlimit = \"many\"\n[c]\nz = 1\n");
        assert_eq!(settings.section::<Sample>("a").listen, "x");
        assert_eq!(settings.section::<Sample>("b"), Sample::default());
        let problems = settings.finish().unwrap_err();
        let places: Vec<_> = problems.list.iter().map(|problem| problem.place.as_str()).collect();
        assert_eq!(places, ["a.limmit", "b.limit", "c"], "{problems}");
    }

    #[test]
    fn a_section_that_is_absent_has_its_defaults() {
        let mut settings = settings("");
        assert_eq!(settings.section::<Sample>("a"), Sample::default());
        assert_eq!(settings.finish(), Ok(()));
    }
}
