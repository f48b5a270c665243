//! What the writers of all pools share.

use tokio::sync::watch;
use weir_domain::ids::PoolId;
use weir_domain::ledger::Ledger;
use weir_runtime::journal::Position;

use crate::rebuild::{Folded, Haste, RebuildError};
use crate::recorder::Recorder;
use crate::snapshot::Snapshots;

/// The journal, what was kept of it, and who must know of new limits.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) recorder: Recorder,
    snapshots: Snapshots,
    /// Counts changes of limits, in whichever pool.
    limits: watch::Sender<u64>,
}

impl Shared {
    pub(crate) fn new(recorder: Recorder, snapshots: Snapshots) -> Self {
        Self { recorder, snapshots, limits: watch::Sender::new(0) }
    }

    /// Limits have changed in some pool, or its desk was lost.
    pub(super) fn limits_changed(&self) {
        self.limits.send_modify(|count| *count += 1);
    }

    /// Told whenever limits have changed in some pool, or its desk was lost.
    pub(super) fn watch_limits(&self) -> watch::Receiver<u64> {
        self.limits.subscribe()
    }

    /// A pool's ledger as the journal has it before a mark.
    pub(super) async fn fold_pool(&self, pool: &PoolId, mark: Position) -> Result<Ledger, RebuildError> {
        self.snapshots.fold_pool(self.recorder.journal(), pool, mark).await
    }

    /// Everything as the journal has it now.
    pub(super) async fn fold_all(&self) -> Result<Folded, RebuildError> {
        self.snapshots.fold_all(self.recorder.journal(), Haste::Beside).await
    }
}
