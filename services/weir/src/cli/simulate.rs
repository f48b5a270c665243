//! What users type to try a policy on the past.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::instant::When;

/// `weir simulate`.
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// The folder with policy files to try; folders in it are read too
    #[arg(short = 'f', long = "policy", visible_alias = "file", value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// From when on: 2026-11-01T09:00:00+01:00, 2026-11-01 (its first moment in UTC), or -90m, -2h, -7d before now
    /// [default: a week before --to]
    #[arg(long, value_name = "INSTANT", allow_hyphen_values = true)]
    pub(crate) from: Option<When>,
    /// Until when, not included [default: now]
    #[arg(long, value_name = "INSTANT", allow_hyphen_values = true)]
    pub(crate) to: Option<When>,
    /// table, or json with every number
    #[arg(long, default_value = "table")]
    pub(crate) format: SimulateFormat,
    /// Exit with 1 if the policy would have refused anything: for a check before it is applied
    #[arg(long)]
    pub(crate) fail_on_refusals: bool,
}

/// How a simulation is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SimulateFormat {
    /// For people.
    Table,
    /// For programs.
    Json,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parsed(line: &str) -> Option<Simulate> {
        match Cli::try_parse_from(line.split(' ')).ok()?.command {
            Command::Simulate(options) => Some(options),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_folder_suffices_and_the_past_may_be_relative() {
        let plain = parsed("weir simulate --policy next").unwrap();
        assert_eq!((plain.dir.to_str(), plain.from, plain.fail_on_refusals), (Some("next"), None, false));
        assert_eq!(plain.format, SimulateFormat::Table);
        let all = parsed("weir simulate -f next --from -7d --to 2099-12-01 --format json --fail-on-refusals")
            .unwrap();
        assert_eq!(all.from, "-7d".parse().ok());
        assert_eq!((all.format, all.fail_on_refusals), (SimulateFormat::Json, true));
    }

    #[test]
    fn what_is_no_instant_or_format_is_refused() {
        for line in [
            "weir simulate",
            "weir simulate --policy next --from lately",
            "weir simulate --policy next --to -7w",
            "weir simulate --policy next --format csv",
        ] {
            assert!(parsed(line).is_none(), "{line}");
        }
    }
}
