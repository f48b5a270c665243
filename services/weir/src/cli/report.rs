//! What users type to see what was used.

use std::str::FromStr;

use chrono::NaiveDate;
use clap::{Args, ValueEnum};
use weir_domain::ids::TeamId;

use crate::instant::When;

/// `weir report`.
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// From when on: 2026-11-01 (its first moment in the report's time zone), 2026-11-01T09:00:00+01:00, or -7d before
    /// now [default: the beginning of this month]
    #[arg(long, value_name = "INSTANT", allow_hyphen_values = true)]
    pub(crate) from: Option<Edge>,
    /// Until when, not included [default: the end of this month]
    #[arg(long, value_name = "INSTANT", allow_hyphen_values = true)]
    pub(crate) to: Option<Edge>,
    /// Only this team
    #[arg(long)]
    pub(crate) team: Option<TeamId>,
    /// table, json or csv
    #[arg(long, default_value = "table")]
    pub(crate) format: ReportFormat,
}

/// Where a report begins or ends: a day, of which showback knows the first moment, or an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Edge {
    Day(NaiveDate),
    At(When),
}

/// Why a text is neither.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is no instant; write 2026-11-01 (its first moment in the report's time zone), 2026-11-01T09:00:00+01:00, or -7d \
     before now"
)]
pub(crate) struct InvalidEdge;

impl FromStr for Edge {
    type Err = InvalidEdge;

    fn from_str(text: &str) -> Result<Self, InvalidEdge> {
        let day = text.parse().map(Self::Day).ok();
        day.or_else(|| text.parse().map(Self::At).ok()).ok_or(InvalidEdge)
    }
}

/// How a report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For spreadsheets.
    Csv,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn an_edge_is_a_day_or_an_instant_and_what_is_neither_is_told_with_its_option() {
        assert_eq!("2026-11-01".parse(), Ok(Edge::Day(NaiveDate::from_ymd_opt(2026, 11, 1).unwrap())));
        assert_eq!("-7d".parse(), Ok(Edge::At("-7d".parse().unwrap())));
        let said = Cli::try_parse_from(["weir", "report", "--from", "soon"]).unwrap_err().to_string();
        assert!(
            said.contains("'soon' for '--from <INSTANT>'") && said.contains("write 2026-11-01"),
            "{said}"
        );
    }
}
