//! A durable journal on one machine, in plain files.
//!
//! One process writes, held to it by a lock; any number read beside it ([`EmbeddedJournal::open_read_only`]). A
//! killed process loses nothing that was acknowledged; what a power cut can take is set by
//! [`Fsync`](super::config::Fsync). Does not replicate and does not delete: for either, use Kafka.

mod commits;
mod index;
mod layout;
mod log;
mod reader;
mod store;
mod stored;
mod writer;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use weir_proto::record::{Record, Topic};

use self::reader::{EmbeddedReader, blocking};
use self::store::{OpenPartition, Store};
use self::writer::{Reply, STOPPED, WriteError};
use super::config::EmbeddedConfig;
use super::groups::{CommitStore, Groups, LocalMember};
use super::placement::partition_of;
use super::{AppendError, Committed, Error, Journal, Member, Offset, Partition, Position, Reader, limits};
use crate::clock::Clock;

/// A journal in a directory.
pub struct EmbeddedJournal {
    store: Arc<Store>,
    groups: Arc<Groups>,
    clock: Arc<dyn Clock>,
    read_only: bool,
}

impl EmbeddedJournal {
    /// Opens or creates a journal for writing. Blocks while it reads the last file of every partition. The directory
    /// is free again when the journal and all its members are dropped, which waits for what was queued.
    pub fn open(dir: &Path, config: &EmbeddedConfig, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        Ok(Self::new(Store::open(dir, config)?, clock, false))
    }

    /// Opens a journal for reading beside the process that writes it. Every read sees what is on disk then, which
    /// may be a little more than the writer has acknowledged. Appends are rejected, and nobody can join a group.
    pub fn open_read_only(dir: &Path) -> Result<Self, Error> {
        Ok(Self::new(Store::open_read_only(dir)?, Arc::new(crate::clock::SystemClock), true))
    }

    fn new(store: Store, clock: Arc<dyn Clock>, read_only: bool) -> Self {
        Self { store: Arc::new(store), groups: Groups::new(), clock, read_only }
    }

    fn topic(&self, topic: Topic) -> &[OpenPartition] {
        self.store.topics.get(&topic).map_or(&[], Vec::as_slice)
    }

    fn count(&self, topic: Topic) -> u32 {
        u32::try_from(self.topic(topic).len()).expect("the count was read as a u32")
    }

    /// The records' bytes by partition, and each record's partition.
    fn place(&self, topic: Topic, records: Vec<Record>) -> (Vec<Vec<Vec<u8>>>, Vec<u32>) {
        let (count, now) = (self.count(topic), self.clock.now());
        let mut frames = vec![Vec::new(); count as usize];
        let mut places = Vec::with_capacity(records.len());
        for record in records {
            let index = partition_of(&record.key, count);
            frames[index as usize].push(stored::encode(record, now));
            places.push(index);
        }
        (frames, places)
    }

    /// Appends to every partition that has records. The outcome is the offset of the first record of each.
    async fn write(&self, topic: Topic, frames: Vec<Vec<Vec<u8>>>) -> Vec<Option<Result<u64, WriteError>>> {
        let mut replies: Vec<Option<Result<Reply, WriteError>>> = Vec::with_capacity(frames.len());
        for (partition, frames) in self.topic(topic).iter().zip(frames) {
            replies.push(match &partition.writer {
                _ if frames.is_empty() => None,
                Some(writer) => Some(writer.append(frames).await),
                None => {
                    Some(Err(WriteError::Rejected("this journal was opened for reading only".to_owned())))
                }
            });
        }
        let mut outcomes = Vec::with_capacity(replies.len());
        for reply in replies {
            outcomes.push(match reply {
                None => None,
                Some(Err(refused)) => Some(Err(refused)),
                Some(Ok(reply)) => {
                    Some(reply.await.unwrap_or_else(|_| Err(WriteError::Unknown(STOPPED.to_owned()))))
                }
            });
        }
        outcomes
    }
}

#[async_trait]
impl Journal for EmbeddedJournal {
    async fn partitions(&self, topic: Topic) -> Result<u32, Error> {
        Ok(self.count(topic))
    }

    async fn append(&self, topic: Topic, records: Vec<Record>) -> Result<Vec<Position>, AppendError> {
        limits::check(topic, &records)?;
        let count = records.len();
        let (frames, places) = self.place(topic, records);
        let outcomes = self.write(topic, frames).await;
        let mut next = first_offsets(outcomes).map_err(|failure| match failure {
            WriteError::Rejected(reason) => {
                AppendError::Rejected { topic: topic.name(), records: count, reason }
            }
            WriteError::Unknown(reason) => {
                AppendError::Unknown { topic: topic.name(), records: count, reason }
            }
        })?;
        let position = |index: u32| {
            let offset = &mut next[index as usize];
            *offset += 1;
            Position { partition: Partition { topic, index }, offset: Offset::new(*offset - 1) }
        };
        Ok(places.into_iter().map(position).collect())
    }

    async fn end(&self, partition: Partition) -> Result<Offset, Error> {
        let log = Arc::clone(&self.store.partition(partition)?.log);
        if self.read_only {
            let refreshed = Arc::clone(&log);
            blocking(&log, move || refreshed.refresh()).await?;
        }
        Ok(Offset::new(log.end()))
    }

    async fn read(&self, partition: Partition, from: Offset) -> Result<Box<dyn Reader>, Error> {
        let log = Arc::clone(&self.store.partition(partition)?.log);
        Ok(Box::new(EmbeddedReader::new(log, from, self.read_only)))
    }

    async fn committed(&self, group: &str, partition: Partition) -> Result<Option<Committed>, Error> {
        self.store.committed(group, partition).await
    }

    async fn join(&self, group: &str, topic: Topic) -> Result<Box<dyn Member>, Error> {
        if self.read_only {
            let reason = "this journal was opened for reading only".to_owned();
            return Err(Error { operation: format!("join {group}"), reason });
        }
        let (groups, store) = (Arc::clone(&self.groups), Arc::clone(&self.store));
        Ok(Box::new(LocalMember::join(groups, store, (group, topic), self.count(topic))))
    }
}

/// The first offset in every partition (0 where nothing was appended), if all went well; a rejection if nothing
/// was appended anywhere; else the outcome is unknown, because some was.
fn first_offsets(outcomes: Vec<Option<Result<u64, WriteError>>>) -> Result<Vec<u64>, WriteError> {
    let any_appended = outcomes.iter().flatten().any(Result::is_ok);
    let any_unknown = outcomes.iter().flatten().any(|it| matches!(it, Err(WriteError::Unknown(_))));
    let first = |outcome: Option<Result<u64, WriteError>>| outcome.unwrap_or(Ok(0));
    outcomes.into_iter().map(first).collect::<Result<_, _>>().map_err(|failure| {
        let (WriteError::Rejected(reason) | WriteError::Unknown(reason)) = failure;
        if any_appended || any_unknown { WriteError::Unknown(reason) } else { WriteError::Rejected(reason) }
    })
}
