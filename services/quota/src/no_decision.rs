//! Why no decision was made. An error, unlike a refusal; whoever asked may ask again with the same id.

/// Why no decision was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoDecision {
    /// More is waiting than the writer takes.
    #[error("{writer} has {waiting} calls waiting, which is the most it takes")]
    Busy {
        /// Which writer.
        writer: String,
        /// How many.
        waiting: usize,
    },
    /// The journal did not take the outcome, or nobody can say whether it did.
    #[error("the outcome could not be recorded: {reason}")]
    NotRecorded {
        /// Why.
        reason: String,
    },
    /// What was asked about could not be read.
    #[error("the journal could not be read: {reason}")]
    NotRead {
        /// Why.
        reason: String,
    },
    /// The service is ending.
    #[error("the quota service is shutting down")]
    ShuttingDown,
}

impl NoDecision {
    /// The same of a change of several facts: it may have been intended.
    pub(crate) fn partly(self) -> Self {
        match self {
            Self::NotRecorded { reason } => Self::NotRecorded {
                reason: format!(
                    "{reason}; either nothing of it is made, or all of it as soon as the journal takes it: ask again"
                ),
            },
            other => other,
        }
    }
}

/// Where an answer goes.
pub(crate) type Reply<T> = tokio::sync::oneshot::Sender<Result<T, NoDecision>>;
