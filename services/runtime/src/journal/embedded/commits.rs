//! What groups have committed: a log of commits, of which the last of each group and partition counts.
//!
//! When most of it no longer counts, it is written anew and put in the old one's place.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use prost::Message;
use tracing::warn;
use weir_proto::record::Topic;
use weir_proto::storage::v1::StoredCommit;

use super::super::groups::Commit;
use super::super::{Committed, Error, Offset, Partition};
use crate::framed_log::{FramedLog, Recovery, read_from, sync_parent};

/// Below this size nothing is written anew: reading it takes milliseconds.
const COMPACT_BYTES_MIN: u64 = 1024 * 1024;
/// Written anew when it has grown by this factor since it last was.
const COMPACT_GROWTH: u64 = 4;

type Live = HashMap<(String, Partition), Committed>;

/// The commits of every group.
#[derive(Debug)]
pub(super) struct CommitsLog {
    path: PathBuf,
    log: FramedLog,
    live: Live,
    /// Bytes when it was opened or last written anew.
    compacted_bytes: u64,
    /// Whether a commit must survive a power cut.
    durable: bool,
}

impl CommitsLog {
    /// Opens or creates the log.
    pub(super) fn open(path: &Path, durable: bool) -> Result<Self, Error> {
        let failed = |reason: &dyn std::fmt::Display| failure("open commits", reason);
        let mut live = Live::new();
        let mut unreadable = None;
        let opened = FramedLog::open_visiting(path, |position, payload| match decode(payload) {
            Ok(commit) => live.extend(commit.map(entry)),
            Err(damage) => unreadable = unreadable.take().or(Some((position, damage))),
        });
        let (log, Recovery { dropped_bytes, .. }) = opened.map_err(|damage| failed(&damage))?;
        if let Some((position, damage)) = unreadable {
            return Err(failed(&format!("{} at byte {position}: {damage}", path.display())));
        }
        if dropped_bytes > 0 {
            warn!(dropped_bytes, path = %path.display(), "a commit was not written whole and is cut off");
        }
        Ok(Self { path: path.to_owned(), compacted_bytes: log.len(), log, live, durable })
    }

    /// The last commits as they are on disk now, without opening them for writing.
    pub(super) fn read(path: &Path) -> Result<Live, Error> {
        let failed = |reason: &dyn std::fmt::Display| failure("read commits", reason);
        let mut live = Live::new();
        for frame in read_from(path, 0).map_err(|failure| failed(&failure))? {
            // A bad frame is at the end, where a writer died; it cuts it off when it starts again.
            let Ok((_, payload)) = frame else { break };
            live.extend(decode(&payload).map_err(|damage| failed(&damage))?.map(entry));
        }
        Ok(live)
    }

    /// The last commit of a group.
    pub(super) fn get(&self, group: &str, partition: Partition) -> Option<Committed> {
        self.live.get(&(group.to_owned(), partition)).cloned()
    }

    /// The highest offset that any group has committed for a partition.
    pub(super) fn highest(&self, partition: Partition) -> Offset {
        let of_partition = self.live.iter().filter(|((_, it), _)| *it == partition);
        of_partition.map(|(_, committed)| committed.offset).max().unwrap_or_default()
    }

    /// Keeps a commit.
    pub(super) fn put(&mut self, commit: Commit) -> Result<(), Error> {
        let failed =
            |reason: &dyn std::fmt::Display| failure(&format!("commit {}", commit.partition), reason);
        if self.log.is_poisoned() || self.is_mostly_dead() {
            self.compact().map_err(|problem| failed(&problem))?;
        }
        self.log.append(&encode(&commit)).map_err(|problem| failed(&problem))?;
        if self.durable {
            self.log.sync().map_err(|problem| failed(&problem))?;
        }
        self.live.insert((commit.group, commit.partition), commit.committed);
        Ok(())
    }

    fn is_mostly_dead(&self) -> bool {
        self.log.len() > COMPACT_BYTES_MIN.max(COMPACT_GROWTH * self.compacted_bytes)
    }

    fn compact(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        let unfinished = self.path.with_extension("new");
        if unfinished.try_exists()? {
            std::fs::remove_file(&unfinished)?;
        }
        let (mut log, _) = FramedLog::open(&unfinished)?;
        let commits = self.live.iter().map(|((group, partition), committed)| {
            encode(&Commit { group: group.clone(), partition: *partition, committed: committed.clone() })
        });
        log.append_all(commits)?;
        log.sync()?;
        std::fs::rename(&unfinished, &self.path)?;
        // From here on the new file is the log, whatever happens next.
        self.compacted_bytes = log.len();
        self.log = log;
        Ok(sync_parent(&self.path)?)
    }
}

fn encode(commit: &Commit) -> Vec<u8> {
    let stored = StoredCommit {
        group: commit.group.clone(),
        topic: commit.partition.topic.name().to_owned(),
        partition: commit.partition.index,
        offset: commit.committed.offset.get().cast_signed(),
        metadata: commit.committed.metadata.clone(),
    };
    stored.encode_to_vec()
}

/// A commit; none if its topic is one that this version does not know.
fn decode(bytes: &[u8]) -> Result<Option<Commit>, prost::DecodeError> {
    let stored = StoredCommit::decode(bytes)?;
    let topic = Topic::ALL.into_iter().find(|topic| topic.name() == stored.topic);
    Ok(topic.map(|topic| {
        let offset = Offset::new(stored.offset.cast_unsigned());
        Commit {
            group: stored.group,
            partition: Partition { topic, index: stored.partition },
            committed: Committed { offset, metadata: stored.metadata },
        }
    }))
}

fn entry(commit: Commit) -> ((String, Partition), Committed) {
    ((commit.group, commit.partition), commit.committed)
}

fn failure(operation: &str, reason: &dyn std::fmt::Display) -> Error {
    Error { operation: operation.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_of_commits_stays_small_and_keeps_the_last_of_each() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("commits.log");
        let mut log = CommitsLog::open(&path, false).unwrap();
        let partition = |index| Partition { topic: Topic::Usage, index };
        let metadata = "x".repeat(1000);
        for offset in 0..5000 {
            let committed = Committed { offset: Offset::new(offset), metadata: metadata.clone() };
            let index = u32::try_from(offset % 3).unwrap();
            log.put(Commit { group: "a".into(), partition: partition(index), committed }).unwrap();
        }
        assert!(path.metadata().unwrap().len() < 2 * COMPACT_BYTES_MIN);
        drop(log);
        let log = CommitsLog::open(&path, false).unwrap();
        for (index, last) in [(0, 4998), (1, 4999), (2, 4997)] {
            assert_eq!(log.get("a", partition(index)).unwrap().offset, Offset::new(last));
        }
        assert_eq!(log.highest(partition(1)), Offset::new(4999));
        assert_eq!(CommitsLog::read(&path).unwrap(), log.live);
    }
}
