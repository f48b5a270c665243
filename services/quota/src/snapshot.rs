//! Snapshots: what the journal comes to up to somewhere, kept in a file, so that a start reads only the tail.
//!
//! A snapshot is a cache, never a truth. It is made from the one before it and the journal, beside the writers and without
//! asking them; so it costs them nothing, and cannot hold anything that the journal does not. One that is not whole, of
//! another format, ahead of the journal or of another journal is left aside, and the journal is read from its beginning.

mod file;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_domain::ids::PoolId;
use weir_domain::ledger::Ledger;
use weir_proto::record::{Attributes, Topic};
use weir_runtime::journal::{Partition, Position, SharedJournal};

use crate::metrics;
use crate::rebuild::{self, Folded, Haste, Reached, RebuildError};
use crate::recorder::Recorder;
use file::SnapshotFile;

/// The file in the node's data directory.
const FILE: &str = "quota.snapshot";
/// How often it is looked whether enough has happened for another snapshot.
const LOOK: Duration = Duration::from_secs(1);
/// How long the journal may take to give a record that it has.
const READ_WAIT: Duration = Duration::from_secs(5);

/// Where snapshots are kept, if they are, and how often they are made. Clones share the place.
#[derive(Clone)]
pub(crate) struct Snapshots {
    file: Option<Arc<SnapshotFile>>,
    every_events: u64,
}

/// Why a snapshot could not be made.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    #[error(transparent)]
    File(#[from] file::Error),
}

impl Snapshots {
    /// In a directory, if there is one, every so many events; zero: only at a clean end.
    pub(crate) fn new(dir: Option<PathBuf>, every_events: u64) -> Self {
        Self { file: dir.map(|dir| Arc::new(SnapshotFile::new(dir.join(FILE)))), every_events }
    }

    /// The whole topic, folded: the last snapshot and what came after it.
    pub(crate) async fn fold_all(
        &self,
        journal: &SharedJournal,
        haste: Haste,
    ) -> Result<Folded, RebuildError> {
        let begun = self.load(journal).await;
        rebuild::fold_on(journal, begun, haste).await
    }

    /// One pool, folded up to a mark.
    pub(crate) async fn fold_pool(
        &self,
        journal: &SharedJournal,
        pool: &PoolId,
        mark: Position,
    ) -> Result<Ledger, RebuildError> {
        let begun = self.load(journal).await;
        rebuild::fold_pool(journal, begun, pool, mark).await
    }

    /// Makes a snapshot whenever enough has been recorded, until it is stopped.
    pub(crate) async fn keep(self, recorder: Recorder, stop: CancellationToken) {
        if self.file.is_none() || self.every_events == 0 {
            return;
        }
        let mut at = recorder.events();
        while !stop.is_cancelled() {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => return,
            }
            let events = recorder.events();
            if events - at >= self.every_events {
                at = events;
                self.take(recorder.journal(), Haste::Beside).await;
            }
        }
    }

    /// Makes a snapshot of the journal as it is. One that cannot be made is made another time.
    pub(crate) async fn take(&self, journal: &SharedJournal, haste: Haste) {
        let Some(file) = &self.file else { return };
        let outcome = self.try_take(file, journal, haste).await;
        metrics::snapshot(if outcome.is_ok() { "written" } else { "failed" });
        match outcome {
            Ok(bytes) => tracing::info!(bytes, "snapshot written"),
            Err(problem) => {
                tracing::warn!(%problem, "snapshot could not be written; the next start takes longer");
            }
        }
    }

    async fn try_take(
        &self,
        file: &Arc<SnapshotFile>,
        journal: &SharedJournal,
        haste: Haste,
    ) -> Result<usize, Error> {
        let folded = self.fold_all(journal, haste).await?;
        let file = Arc::clone(file);
        Ok(file::blocking(move || file.write(&folded)).await?)
    }

    /// The last snapshot, or nothing if there is none that can be used.
    async fn load(&self, journal: &SharedJournal) -> Folded {
        let Some(file) = self.file.clone() else { return Folded::default() };
        let folded = match file::blocking(move || file.read()).await {
            Ok(Some(folded)) => folded,
            Ok(None) => return Folded::default(),
            Err(problem) => {
                tracing::warn!(%problem, "snapshot is left aside; reading the journal from its beginning");
                return Folded::default();
            }
        };
        match is_of(journal, &folded).await {
            Ok(true) => folded,
            Ok(false) => {
                tracing::warn!("snapshot is of another journal; reading the journal from its beginning");
                Folded::default()
            }
            Err(problem) => {
                tracing::warn!(%problem, "snapshot cannot be compared with the journal, and is left aside");
                Folded::default()
            }
        }
    }
}

/// Whether a snapshot was made of this journal: it ends nowhere before the snapshot does, and the last records that the
/// snapshot has seen are still there.
async fn is_of(journal: &SharedJournal, folded: &Folded) -> Result<bool, weir_runtime::journal::Error> {
    let partitions = journal.partitions(Topic::Quota).await?;
    if !folded.reached().keys().copied().eq(0..partitions) {
        return Ok(false);
    }
    for (index, reached) in folded.reached() {
        let partition = Partition { topic: Topic::Quota, index: *index };
        if journal.end(partition).await? < reached.next || !has_last(journal, partition, reached).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn has_last(
    journal: &SharedJournal,
    partition: Partition,
    reached: &Reached,
) -> Result<bool, weir_runtime::journal::Error> {
    let Some((offset, id)) = reached.last else { return Ok(true) };
    let records = journal.read(partition, offset).await?.next(1, READ_WAIT).await?;
    Ok(records.first().is_some_and(|stored| {
        let same = Attributes::of(&stored.record).is_ok_and(|attributes| attributes.id.parse() == Ok(id));
        stored.offset == offset && same
    }))
}
