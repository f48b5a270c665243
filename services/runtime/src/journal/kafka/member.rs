//! A member of a consumer group. Kafka decides what is its; records are read apart, by [`super::reader`].
//!
//! What librdkafka tells by callback while it is polled becomes a queue that `next` empties.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{ClientContext, TopicPartitionList};
use tokio::time::Instant;
use tracing::warn;
use weir_proto::record::Topic;

use super::super::{CommitError, Committed, Error, METADATA_BYTES_MAX, Member, MemberEvent, Partition};
use super::context::{Retired, log, note_error};
use super::reader::{POLL_TIMEOUT, passes_by_itself};
use super::{blocking, committed_of, records};

type Client = BaseConsumer<Told>;

/// A member.
pub(super) struct KafkaMember {
    topic: Topic,
    consumer: Arc<Retired<Client>>,
    /// Held while librdkafka polls, so that a call that was dropped midway does not poll beside the next.
    polling: Arc<tokio::sync::Mutex<()>>,
    /// Partitions of which the caller was told last that they are its own.
    owned: Vec<u32>,
}

/// What this member was told and has not handed over. At most two entries a partition and rebalance.
#[derive(Default)]
pub(super) struct Told(Mutex<VecDeque<Change>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Assigned(u32),
    Revoked(u32),
}

impl KafkaMember {
    /// Subscribes. Blocks.
    pub(super) fn join(settings: &ClientConfig, topic: Topic) -> KafkaResult<Self> {
        let consumer: Client = settings.create_with_context(Told::default())?;
        consumer.subscribe(&[topic.name()])?;
        let consumer = Arc::new(Retired::new(consumer));
        Ok(Self { topic, consumer, polling: Arc::default(), owned: Vec::new() })
    }

    fn partition(&self, index: u32) -> Partition {
        Partition { topic: self.topic, index }
    }

    async fn poll(&self, wait: Duration) -> Result<(), Error> {
        let polling = Arc::clone(&self.polling).lock_owned().await;
        let consumer = Arc::clone(&self.consumer);
        blocking(format!("hear of {}", self.topic.name()), move || {
            let polled = consumer.poll(wait).map(|message| message.map(drop));
            drop(polling);
            match polled {
                Some(Err(problem)) if !passes_by_itself(&problem) => Err(problem),
                _ => Ok(()),
            }
        })
        .await
    }

    /// Turns a change into an event; for an assignment, asks what was committed.
    async fn event(&self, change: Change) -> Result<MemberEvent, Error> {
        match change {
            Change::Revoked(index) => Ok(MemberEvent::Revoked { partition: self.partition(index) }),
            Change::Assigned(index) => {
                let (consumer, partition) = (Arc::clone(&self.consumer), self.partition(index));
                let operation = format!("find what is committed for {partition}");
                let committed = blocking(operation, move || committed_of(&consumer, partition)).await?;
                Ok(MemberEvent::Assigned { partition, committed })
            }
        }
    }

    fn note(&mut self, change: Change) {
        match change {
            Change::Assigned(index) => self.owned.push(index),
            Change::Revoked(index) => self.owned.retain(|owned| *owned != index),
        }
    }

    fn may_commit(&self, partition: Partition) -> bool {
        let unheard = self.consumer.context().changes().iter().any(|change| match change {
            Change::Assigned(index) | Change::Revoked(index) => *index == partition.index,
        });
        let owns = partition.topic == self.topic && self.owned.contains(&partition.index);
        owns && !unheard && !self.consumer.assignment_lost()
    }
}

#[async_trait]
impl Member for KafkaMember {
    // A change is taken from the queue last, so that a call that is dropped midway loses none.
    async fn next(&mut self, wait: Duration) -> Result<Option<MemberEvent>, Error> {
        let deadline = Instant::now().checked_add(wait);
        loop {
            let first = self.consumer.context().changes().front().copied();
            if let Some(change) = first {
                let event = self.event(change).await?;
                self.consumer.context().changes().pop_front();
                self.note(change);
                return Ok(Some(event));
            }
            let left = deadline.map_or(POLL_TIMEOUT, |it| it.saturating_duration_since(Instant::now()));
            self.poll(left.min(POLL_TIMEOUT)).await?;
            if left.is_zero() && self.consumer.context().changes().is_empty() {
                return Ok(None);
            }
        }
    }

    async fn commit(&mut self, partition: Partition, committed: Committed) -> Result<(), CommitError> {
        let operation = format!("commit {partition}");
        if committed.metadata.len() > METADATA_BYTES_MAX {
            let reason = format!("its note is longer than {METADATA_BYTES_MAX} bytes");
            return Err(Error { operation, reason }.into());
        }
        if !self.may_commit(partition) {
            return Err(CommitError::Lost { partition });
        }
        let consumer = Arc::clone(&self.consumer);
        let made =
            blocking(operation, move || consumer.commit(&offsets(partition, &committed)?, CommitMode::Sync));
        match made.await {
            Ok(()) => Ok(()),
            // Kafka refuses a commit during a rebalance too, after which the partition may still be ours: unless it
            // is sure that it is not, the caller hears of it by `next`.
            Err(_) if self.consumer.assignment_lost() => Err(CommitError::Lost { partition }),
            Err(problem) => Err(problem.into()),
        }
    }
}

fn offsets(partition: Partition, committed: &Committed) -> KafkaResult<TopicPartitionList> {
    let (topic, index) = records::place(partition);
    let mut offsets = TopicPartitionList::new();
    let mut element = offsets.add_partition(topic, index);
    element.set_offset(rdkafka::Offset::Offset(records::kafka_offset(committed.offset)))?;
    element.set_metadata(&committed.metadata);
    Ok(offsets)
}

impl Told {
    fn changes(&self) -> MutexGuard<'_, VecDeque<Change>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, partitions: &TopicPartitionList, change: impl Fn(u32) -> Change) {
        let indexes =
            partitions.elements().iter().map(|it| records::index(it.partition())).collect::<Vec<_>>();
        self.changes().extend(indexes.into_iter().map(change));
    }
}

impl ClientContext for Told {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        note_error(&error, reason);
    }
}

impl ConsumerContext for Told {
    fn pre_rebalance(&self, _: &Client, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance {
            self.tell(partitions, Change::Revoked);
        }
    }

    fn post_rebalance(&self, consumer: &Client, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => {
                // Records are read apart; this consumer is here for its membership alone.
                if let Err(problem) = consumer.pause(partitions) {
                    warn!(%problem, "a group member could not be paused, and fetches in vain");
                }
                self.tell(partitions, Change::Assigned);
            }
            Rebalance::Revoke(_) => {}
            Rebalance::Error(problem) => warn!(%problem, "a rebalance failed; the group tries again"),
        }
    }
}
