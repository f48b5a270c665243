//! What a benchmark is told on its command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};

use super::placement::Placement;

/// What can be said after `cargo bench … --`.
pub const USAGE: &str = "options: [--short] [--pinned | --free] [--rate REQUESTS_PER_SECOND] [--json FILE]";

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// One round of almost nothing: whether the benchmark works.
    Tiny,
    /// Under 40 s: whether it works under its loads.
    Short,
    /// A few minutes: for figures.
    Full,
}

impl Extent {
    /// Its name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Short => "short",
            Self::Full => "full",
        }
    }

    /// One of three values.
    pub fn pick<T>(self, tiny: T, short: T, full: T) -> T {
        match self {
            Self::Tiny => tiny,
            Self::Short => short,
            Self::Full => full,
        }
    }
}

/// How often, and for how long each time.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Rounds. In each, every side is measured once.
    pub rounds: usize,
    /// How long a side is measured in a round.
    pub span: Duration,
    /// How long it works before that.
    pub warm_up: Duration,
}

/// The command line, read.
#[derive(Debug, Clone)]
pub struct Options {
    /// How much is measured.
    pub extent: Extent,
    /// Where, one after the other.
    pub placements: Vec<Placement>,
    /// Where the figures go besides the terminal.
    pub json: Option<PathBuf>,
    /// The open loop's rate, where the benchmark's own is not wanted.
    pub rate: Option<u32>,
}

impl Options {
    /// Reads arguments, the program's name left out.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> anyhow::Result<Self> {
        let mut arguments = arguments.into_iter();
        let (mut by_cargo_bench, mut short, mut placement, mut json, mut rate) =
            (false, false, None, None, None);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} needs a value; {USAGE}"));
            match argument.as_str() {
                "--bench" => by_cargo_bench = true,
                "--short" => short = true,
                "--pinned" => placement = Some(Placement::Pinned),
                "--free" => placement = Some(Placement::Free),
                "--json" => json = Some(value()?.into()),
                "--rate" => rate = Some(value()?.parse::<std::num::NonZeroU32>().context("--rate")?.get()),
                _ => bail!("{argument:?} is not an option; {USAGE}"),
            }
        }
        let extent = match (by_cargo_bench, short) {
            (_, true) => Extent::Short,
            (true, false) => Extent::Full,
            (false, false) => Extent::Tiny,
        };
        let placements = match placement {
            Some(placement) => vec![placement],
            None if extent == Extent::Full => vec![Placement::Pinned, Placement::Free],
            None => vec![Placement::Pinned],
        };
        Ok(Self { extent, placements, json, rate })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> anyhow::Result<Options> {
        Options::parse(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn only_a_full_run_measures_both_placements_unasked() {
        assert_eq!(parse("--bench").unwrap().placements, [Placement::Pinned, Placement::Free]);
        assert_eq!(parse("--short --bench").unwrap().placements, [Placement::Pinned]);
        assert_eq!(parse("--free --bench").unwrap().placements, [Placement::Free]);
    }

    #[test]
    fn without_cargo_bench_it_is_a_test_of_itself() {
        assert_eq!(parse("").unwrap().extent, Extent::Tiny);
    }

    #[test]
    fn what_is_no_option_is_named() {
        assert!(parse("--shrot").unwrap_err().to_string().contains("--shrot"));
        assert!(parse("--rate 0").is_err());
        assert!(parse("--json").is_err());
    }
}
