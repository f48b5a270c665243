//! Appends facts to the quota topic under this node's name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
    /// How many events were appended: what a snapshot's tail is measured by.
    events: Arc<AtomicU64>,
}

/// What the journal has taken.
pub(crate) struct Appended {
    /// Where it stands, one place for each fact.
    pub(crate) positions: Vec<Position>,
    /// What it was.
    pub(crate) recorded: Vec<QuotaRecorded>,
}

impl Recorder {
    pub(crate) fn new(journal: SharedJournal, node: NodeId) -> Self {
        Self { journal, node, events: Arc::default() }
    }

    pub(crate) fn journal(&self) -> &SharedJournal {
        &self.journal
    }

    /// How many events this node has appended since it began.
    pub(crate) fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// Appends facts of one key, in order.
    pub(crate) async fn append(&self, facts: Vec<QuotaFact>) -> Result<Appended, AppendError> {
        let record = |fact| QuotaRecorded { id: event_id(), node: self.node.clone(), fact };
        let recorded: Vec<_> = facts.into_iter().map(record).collect();
        let records = recorded.iter().map(quota_event_to_record).collect();
        let positions = self.journal.append(Topic::Quota, records).await?;
        self.events.fetch_add(recorded.iter().map(events_of).sum(), Ordering::Relaxed);
        Ok(Appended { positions, recorded })
    }

    /// Appends a mark behind everything this node appended under a key before, so that whoever reads up to the mark
    /// knows what became of an append whose outcome was unknown. None if the journal did not take it.
    pub(crate) async fn mark(
        &self,
        pool: Option<PoolId>,
        at: Timestamp,
    ) -> Result<Option<Position>, AppendError> {
        let appended = self.append(vec![QuotaFact::Resumed { pool, at }]).await?;
        Ok(appended.positions.last().copied())
    }
}

/// How many events a record holds.
pub(crate) fn events_of(recorded: &QuotaRecorded) -> u64 {
    match &recorded.fact {
        QuotaFact::Moved { movements, .. } => movements.len() as u64,
        _ => 1,
    }
}
