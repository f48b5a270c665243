//! Appends facts to the quota topic under this node's name.

use weir_domain::fact::{QuotaFact, QuotaRecorded};
use weir_domain::ids::{NodeId, PoolId};
use weir_domain::time::Timestamp;
use weir_proto::codec::quota_event_to_record;
use weir_proto::record::Topic;
use weir_runtime::ids::event_id;
use weir_runtime::journal::{AppendError, Position, SharedJournal};

/// Appends facts. Clones share the journal.
#[derive(Clone)]
pub(crate) struct Recorder {
    journal: SharedJournal,
    node: NodeId,
}

impl Recorder {
    pub(crate) fn new(journal: SharedJournal, node: NodeId) -> Self {
        Self { journal, node }
    }

    pub(crate) fn journal(&self) -> &SharedJournal {
        &self.journal
    }

    /// Appends facts of one key, in order.
    pub(crate) async fn append(&self, facts: Vec<QuotaFact>) -> Result<Vec<Position>, AppendError> {
        let record = |fact| QuotaRecorded { id: event_id(), node: self.node.clone(), fact };
        let records = facts.into_iter().map(|fact| quota_event_to_record(&record(fact))).collect();
        self.journal.append(Topic::Quota, records).await
    }

    /// Appends a mark behind everything this node appended under a key before, so that whoever reads up to the mark
    /// knows what became of an append whose outcome was unknown. None if the journal did not take it.
    pub(crate) async fn mark(
        &self,
        pool: Option<PoolId>,
        at: Timestamp,
    ) -> Result<Option<Position>, AppendError> {
        let positions = self.append(vec![QuotaFact::Resumed { pool, at }]).await?;
        Ok(positions.last().copied())
    }
}
