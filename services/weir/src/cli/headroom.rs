//! What users type to see where a service stands.

use clap::{Args, ValueEnum};
use weir_domain::ids::{PoolId, ServiceId};

use super::Count;

/// `weir headroom`.
#[derive(Debug, Args)]
pub(crate) struct HeadroomAsked {
    /// The service
    pub(crate) service: ServiceId,
    /// Only this pool [default: all in which it has an allocation]
    #[arg(long)]
    pub(crate) pool: Option<PoolId>,
    /// Also say when a request of so many tokens would pass
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) tokens: Option<Count>,
    /// text, or json with every number
    #[arg(long, default_value = "text")]
    pub(crate) format: OutputFormat,
}

/// How something that is no table is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn format(line: &str) -> Option<OutputFormat> {
        match Cli::try_parse_from(line.split(' ')).ok()?.command {
            Command::Headroom(asked) => Some(asked.format),
            Command::Plan(asked) => Some(asked.format),
            Command::Apply(asked) => Some(asked.format),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_shown_to_people_is_given_to_programs_as_well() {
        for line in ["weir headroom chat", "weir plan -f policy", "weir apply -f policy"] {
            assert_eq!(format(line), Some(OutputFormat::Text));
            assert_eq!(format(&format!("{line} --format json")), Some(OutputFormat::Json));
            assert_eq!(format(&format!("{line} --format csv")), None);
        }
    }
}
