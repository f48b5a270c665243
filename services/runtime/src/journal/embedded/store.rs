//! Everything on disk of one embedded journal, shared by its handles, readers and members.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use tracing::warn;
use weir_proto::record::Topic;

use super::super::config::{EmbeddedConfig, Fsync};
use super::super::groups::{Allowed, Commit, CommitStore};
use super::super::{Committed, Error, Offset, Partition};
use super::commits::CommitsLog;
use super::index::Index;
use super::layout;
use super::log::PartitionLog;
use super::reader::blocking;
use super::writer::Writer;
use crate::dir_lock::DirLock;
use crate::framed_log::FramedLog;

/// The files. Dropped by their last user: then the writers end, and last the lock is let go.
pub(super) struct Store {
    pub(super) dir: PathBuf,
    pub(super) topics: BTreeMap<Topic, Vec<OpenPartition>>,
    /// None where another process writes.
    commits: Option<Arc<tokio::sync::Mutex<CommitsLog>>>,
    fsync: Fsync,
    _lock: Option<DirLock>,
}

/// A partition and, unless another process writes, its writer.
pub(super) struct OpenPartition {
    pub(super) log: Arc<PartitionLog>,
    pub(super) writer: Option<Writer>,
}

impl Store {
    /// Opens for writing. No other process may have done so.
    pub(super) fn open(dir: &Path, config: &EmbeddedConfig) -> Result<Self, Error> {
        let lock = DirLock::acquire(dir).map_err(|refused| opening(dir, &refused))?;
        let commits = CommitsLog::open(&layout::commits_path(dir), config.fsync != Fsync::Never)?;
        let mut topics = BTreeMap::new();
        for topic in Topic::ALL {
            let partitions = layout::fix_partitions(dir, topic, config.partitions)?;
            topics.insert(topic, open_partitions(dir, config, &commits, (topic, partitions))?);
        }
        let commits = Some(Arc::new(tokio::sync::Mutex::new(commits)));
        Ok(Self { dir: dir.to_owned(), topics, commits, fsync: config.fsync, _lock: Some(lock) })
    }

    /// Opens for reading, beside whoever writes.
    pub(super) fn open_read_only(dir: &Path) -> Result<Self, Error> {
        let mut topics = BTreeMap::new();
        for topic in Topic::ALL {
            let partitions = layout::stored_partitions(dir, topic)?.ok_or_else(|| absent(dir))?;
            let partition = |index| {
                let partition = Partition { topic, index };
                let log_dir = layout::partition_dir(dir, partition);
                let log = PartitionLog::new(partition, log_dir, Vec::new(), Index::default());
                OpenPartition { log, writer: None }
            };
            topics.insert(topic, (0..partitions).map(partition).collect());
        }
        Ok(Self { dir: dir.to_owned(), topics, commits: None, fsync: Fsync::Never, _lock: None })
    }

    pub(super) fn partition(&self, partition: Partition) -> Result<&OpenPartition, Error> {
        let found = self.topics.get(&partition.topic).and_then(|it| it.get(partition.index as usize));
        found.ok_or_else(|| Error {
            operation: format!("find {partition}"),
            reason: "there is no such partition".to_owned(),
        })
    }
}

#[async_trait]
impl CommitStore for Store {
    async fn committed(&self, group: &str, partition: Partition) -> Result<Option<Committed>, Error> {
        if let Some(commits) = &self.commits {
            return Ok(commits.lock().await.get(group, partition));
        }
        let log = &self.partition(partition)?.log;
        let path = layout::commits_path(&self.dir);
        let mut live = blocking(log, move || CommitsLog::read(&path)).await?;
        Ok(live.remove(&(group.to_owned(), partition)))
    }

    // What a group says about records must not outlive them: with the interval policy they are synced first.
    async fn commit(&self, commit: Commit, allowed: Allowed) -> Result<bool, Error> {
        let refused = |reason: String| Error { operation: format!("commit {}", commit.partition), reason };
        let partition = self.partition(commit.partition)?;
        let (Some(commits), Some(writer)) = (&self.commits, &partition.writer) else {
            return Err(refused("this journal was opened for reading only".to_owned()));
        };
        if matches!(self.fsync, Fsync::IntervalMs(_)) {
            writer.sync().await.map_err(refused)?;
        }
        let mut commits = Arc::clone(commits).lock_owned().await;
        blocking(&partition.log, move || {
            let allowed = allowed();
            if allowed {
                commits.put(commit)?;
            }
            Ok(allowed)
        })
        .await
    }
}

/// Opens the partitions of a topic in parallel: each must read its last segment.
fn open_partitions(
    dir: &Path,
    config: &EmbeddedConfig,
    commits: &CommitsLog,
    (topic, partitions): (Topic, u32),
) -> Result<Vec<OpenPartition>, Error> {
    std::thread::scope(|scope| {
        let open = |index| {
            let partition = Partition { topic, index };
            scope.spawn(move || open_partition(dir, config, partition, commits.highest(partition)))
        };
        let opening: Vec<_> = (0..partitions).map(open).collect();
        let opened =
            |thread: std::thread::ScopedJoinHandle<'_, _>| thread.join().expect("opening does not panic");
        opening.into_iter().map(opened).collect()
    })
}

/// Opens a partition whose next record gets at least the offset `from`.
fn open_partition(
    dir: &Path,
    config: &EmbeddedConfig,
    partition: Partition,
    from: Offset,
) -> Result<OpenPartition, Error> {
    let failed = |reason: &dyn std::error::Error| {
        let cause = reason.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        Error { operation: format!("open {partition}"), reason: format!("{reason}{cause}") }
    };
    let dir = layout::partition_dir(dir, partition);
    std::fs::create_dir_all(&dir).map_err(|failure| failed(&failure))?;
    let mut bases = layout::segment_bases(&dir).map_err(|failure| failed(&failure))?;
    if bases.is_empty() {
        bases.push(0);
    }
    let mut active = Index::default();
    let path = layout::segment_path(&dir, bases[bases.len() - 1]);
    let opened = FramedLog::open_visiting(&path, |_, payload| active.note(payload.len()));
    let (mut log, recovery) = opened.map_err(|failure| failed(&failure))?;
    if recovery.dropped_bytes > 0 {
        let dropped_bytes = recovery.dropped_bytes;
        warn!(%partition, dropped_bytes, "an append was not written whole and is cut off");
    }
    let shared = PartitionLog::new(partition, dir, bases, active);
    if from.get() > shared.end() {
        // A power cut took records that a group had gone past. Their offsets must not come again with other records.
        warn!(%partition, end = shared.end(), committed = %from, "records are lost; their offsets are left out");
        log = shared.roll(from.get()).map_err(|failure| failed(&failure))?;
        shared.publish(std::iter::empty());
    }
    let writer = Writer::start(Arc::clone(&shared), log, config.fsync, config.segment_bytes);
    Ok(OpenPartition { log: shared, writer: Some(writer.map_err(|failure| failed(&failure))?) })
}

fn absent(dir: &Path) -> Error {
    let reason = "there is no journal in this directory".to_owned();
    Error { operation: format!("open {}", dir.display()), reason }
}

fn opening(dir: &Path, reason: &dyn std::error::Error) -> Error {
    let cause = reason.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    Error { operation: format!("open {}", dir.display()), reason: format!("{reason}{cause}") }
}
