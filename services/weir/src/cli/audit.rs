//! What users type to see who decided what.

use clap::{Args, ValueEnum};
use weir_domain::ids::{PoolId, ServiceId, TeamId};

use super::Count;
use crate::instant::When;

/// `weir audit`.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Only what is about this team or its services
    #[arg(long)]
    pub(crate) team: Option<TeamId>,
    /// Only what is about this service
    #[arg(long)]
    pub(crate) service: Option<ServiceId>,
    /// Only what is about this pool
    #[arg(long)]
    pub(crate) pool: Option<PoolId>,
    /// Only what this person or program has decided, or somebody in their name
    #[arg(long, value_name = "NAME")]
    pub(crate) author: Option<String>,
    /// From when on: 2026-12-01T08:00:00+01:00, 2026-12-01 (its first moment in UTC), or -2h, -7d before now
    #[arg(long, value_name = "INSTANT", allow_hyphen_values = true)]
    pub(crate) from: Option<When>,
    /// Until when, not included [default: now]
    #[arg(long, value_name = "INSTANT", allow_hyphen_values = true)]
    pub(crate) to: Option<When>,
    /// Show the last so many
    #[arg(long, default_value = "50", value_name = "N", allow_hyphen_values = true)]
    pub(crate) last: Count,
    /// table, or json with one object a line
    #[arg(long, default_value = "table")]
    pub(crate) format: AuditFormat,
}

/// How decisions are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuditFormat {
    /// For people.
    Table,
    /// For programs.
    Json,
}
