//! What users type to see what is held.

use clap::Args;
use weir_domain::ids::{PoolId, ServiceId};

use super::Count;
use crate::instant::Span;

/// `weir holds`.
#[derive(Debug, Args)]
pub(crate) struct Holds {
    /// Only of this service
    #[arg(long)]
    pub(crate) service: Option<ServiceId>,
    /// Only in this pool
    #[arg(long)]
    pub(crate) pool: Option<PoolId>,
    /// Only those that were asked for at least so long ago, such as 30s or 5m [default: all]
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true)]
    pub(crate) older_than: Option<Span>,
    /// Show the first so many
    #[arg(long, default_value = "50", value_name = "N", allow_hyphen_values = true)]
    pub(crate) first: Count,
}
