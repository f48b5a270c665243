//! What users type to look at the journal.

use clap::{Args, ValueEnum};
use weir_domain::ids::{PoolId, RequestId, ServiceId};

use super::Count;
use crate::instant::When;

/// `weir events`.
#[derive(Debug, Args)]
pub(crate) struct Events {
    /// What they are about
    #[arg(long, default_value = "usage")]
    pub(crate) topic: TopicName,
    /// Only usage of this request (the x-weir-request-id header of a response)
    #[arg(long, value_name = "ID")]
    pub(crate) request: Option<RequestId>,
    /// Only what happened since: 2026-12-01T08:00:00+01:00, 2026-12-01 (its first moment in UTC), or -2h, -7d before now
    #[arg(long, value_name = "INSTANT", allow_hyphen_values = true)]
    pub(crate) since: Option<When>,
    /// Only what is about this service
    #[arg(long)]
    pub(crate) service: Option<ServiceId>,
    /// Only what is about this pool
    #[arg(long)]
    pub(crate) pool: Option<PoolId>,
    /// Only what this person or program has decided (with --topic quota)
    #[arg(long, value_name = "NAME")]
    pub(crate) author: Option<String>,
    /// Show the last so many
    #[arg(long, default_value = "20", value_name = "N", allow_hyphen_values = true)]
    last: Count,
    /// One JSON object a line, for programs
    #[arg(long)]
    pub(crate) json: bool,
}

impl Events {
    /// How many are shown at most.
    pub(crate) fn last(&self) -> usize {
        usize::try_from(self.last.0).unwrap_or(usize::MAX)
    }
}

/// A topic of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TopicName {
    /// What was used, attempt by attempt
    Usage,
    /// What was decided, by whom and why, and which budgets reached a threshold
    Quota,
}
