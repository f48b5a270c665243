//! A journal in memory, for tests: it can delay, fail and duplicate on command, and rebalance its groups.
//!
//! Keeps nothing when it is dropped.

mod faults;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use weir_proto::record::{Record, Topic};

use super::config::Partitions;
use super::groups::{Allowed, Commit, CommitStore, Groups, LocalMember};
use super::placement::partition_of;
use super::{
    AppendError, Committed, Error, Journal, Member, Offset, Partition, Position, Reader, StoredRecord, limits,
};
pub use faults::{Fault, Faults};

/// A journal in memory.
pub struct MemoryJournal {
    topics: BTreeMap<Topic, Vec<Arc<Log>>>,
    commits: Arc<Commits>,
    groups: Arc<Groups>,
    faults: Faults,
}

/// A partition: its records and, for those who wait, how many there are.
struct Log {
    partition: Partition,
    records: Mutex<Vec<Record>>,
    end: watch::Sender<u64>,
}

#[derive(Default)]
struct Commits(tokio::sync::Mutex<HashMap<(String, Partition), Committed>>);

impl Default for MemoryJournal {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryJournal {
    /// An empty journal with the default number of partitions.
    pub fn new() -> Self {
        Self::with_partitions(Partitions::default())
    }

    /// An empty journal.
    pub fn with_partitions(partitions: Partitions) -> Self {
        let log =
            |partition| Arc::new(Log { partition, records: Mutex::default(), end: watch::Sender::new(0) });
        let topic = |topic| {
            let logs = (0..partitions.of(topic)).map(|index| log(Partition { topic, index }));
            (topic, logs.collect())
        };
        let groups = Groups::new();
        Self {
            topics: Topic::ALL.into_iter().map(topic).collect(),
            commits: Arc::default(),
            faults: Faults::new(Arc::clone(&groups)),
            groups,
        }
    }

    /// What makes it misbehave.
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    fn logs(&self, topic: Topic) -> &[Arc<Log>] {
        self.topics.get(&topic).map_or(&[], Vec::as_slice)
    }

    fn log(&self, partition: Partition) -> Result<&Arc<Log>, Error> {
        self.logs(partition.topic).get(partition.index as usize).ok_or_else(|| Error {
            operation: format!("find {partition}"),
            reason: "there is no such partition".to_owned(),
        })
    }

    fn append_now(&self, topic: Topic, records: &[Record]) -> Vec<Position> {
        let logs = self.logs(topic);
        let count = u32::try_from(logs.len()).unwrap_or(u32::MAX);
        let append = |record: &Record| {
            let log = &logs[partition_of(&record.key, count) as usize];
            Position { partition: log.partition, offset: log.append(record.clone()) }
        };
        records.iter().map(append).collect()
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn partitions(&self, topic: Topic) -> Result<u32, Error> {
        Ok(u32::try_from(self.logs(topic).len()).unwrap_or(u32::MAX))
    }

    async fn append(&self, topic: Topic, records: Vec<Record>) -> Result<Vec<Position>, AppendError> {
        limits::check(topic, &records)?;
        self.faults.wait().await;
        let (name, count) = (topic.name(), records.len());
        match self.faults.take(topic) {
            None => Ok(self.append_now(topic, &records)),
            Some(Fault::Duplicated) => {
                let positions = self.append_now(topic, &records);
                self.append_now(topic, &records);
                Ok(positions)
            }
            Some(Fault::Rejected) => {
                let reason = "a test asked for it".to_owned();
                Err(AppendError::Rejected { topic: name, records: count, reason })
            }
            Some(Fault::Unknown { appended }) => {
                self.append_now(topic, &records[..appended.min(count)]);
                let reason = "a test asked for it".to_owned();
                Err(AppendError::Unknown { topic: name, records: count, reason })
            }
        }
    }

    async fn end(&self, partition: Partition) -> Result<Offset, Error> {
        Ok(Offset::new(*self.log(partition)?.end.borrow()))
    }

    async fn read(&self, partition: Partition, from: Offset) -> Result<Box<dyn Reader>, Error> {
        let log = Arc::clone(self.log(partition)?);
        let end = log.end.subscribe();
        Ok(Box::new(MemoryReader { log, next: from, end, faults: self.faults.clone() }))
    }

    async fn committed(&self, group: &str, partition: Partition) -> Result<Option<Committed>, Error> {
        self.commits.committed(group, partition).await
    }

    async fn join(&self, group: &str, topic: Topic) -> Result<Box<dyn Member>, Error> {
        let partitions = self.partitions(topic).await?;
        let (groups, commits) = (Arc::clone(&self.groups), Arc::clone(&self.commits));
        Ok(Box::new(LocalMember::join(groups, commits, (group, topic), partitions)))
    }
}

impl Log {
    fn append(&self, record: Record) -> Offset {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let offset = records.len() as u64;
        records.push(record);
        self.end.send_replace(offset + 1);
        Offset::new(offset)
    }

    fn read(&self, from: Offset, max: usize) -> Vec<StoredRecord> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let from_index = usize::try_from(from.get()).unwrap_or(usize::MAX).min(records.len());
        let numbered = (from.get()..).zip(&records[from_index..]).take(max);
        numbered
            .map(|(offset, record)| StoredRecord {
                partition: self.partition,
                offset: Offset::new(offset),
                record: record.clone(),
            })
            .collect()
    }
}

struct MemoryReader {
    log: Arc<Log>,
    next: Offset,
    end: watch::Receiver<u64>,
    faults: Faults,
}

#[async_trait]
impl Reader for MemoryReader {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Vec<StoredRecord>, Error> {
        if self.faults.take_read() {
            let operation = format!("read {} from {}", self.log.partition, self.next);
            return Err(Error { operation, reason: "a test asked for it".to_owned() });
        }
        let next = self.next.get();
        let _ = tokio::time::timeout(wait, self.end.wait_for(|end| *end > next)).await;
        let records = self.log.read(self.next, max);
        self.next = records.last().map_or(self.next, |last| last.offset.next());
        Ok(records)
    }
}

#[async_trait]
impl CommitStore for Commits {
    async fn committed(&self, group: &str, partition: Partition) -> Result<Option<Committed>, Error> {
        Ok(self.0.lock().await.get(&(group.to_owned(), partition)).cloned())
    }

    async fn commit(&self, commit: Commit, allowed: Allowed) -> Result<bool, Error> {
        let mut commits = self.0.lock().await;
        let allowed = allowed();
        if allowed {
            commits.insert((commit.group, commit.partition), commit.committed);
        }
        Ok(allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_delayed_append_takes_so_long() {
        let journal = MemoryJournal::new();
        let delay = Duration::from_hours(1);
        journal.faults().delay_appends(delay);
        let begun = tokio::time::Instant::now();
        let record = Record { key: "k".into(), headers: Vec::new(), payload: "x".into() };
        journal.append(Topic::Usage, vec![record]).await.unwrap();
        assert_eq!(begun.elapsed(), delay);
    }
}
