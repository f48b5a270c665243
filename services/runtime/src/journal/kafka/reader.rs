//! Reads one partition with a consumer of its own, outside any group.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use tokio::time::Instant;

use super::super::config::KafkaConfig;
use super::super::{Error, Offset, Partition, Reader, StoredRecord};
use super::context::{Context, Retired};
use super::{records, settings};

/// One call of librdkafka's blocks no longer than this, so that a reader that is dropped is soon gone.
pub(super) const POLL_TIMEOUT: Duration = Duration::from_millis(100);
/// A batch of records ends when it has so many bytes, however many records were asked for.
const READ_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A reader.
pub(super) struct KafkaReader {
    partition: Partition,
    consumer: Arc<Retired<BaseConsumer<Context>>>,
    /// What was polled and not handed over yet: a call of `next` may be dropped while librdkafka polls for it.
    polled: Arc<tokio::sync::Mutex<Polled>>,
}

/// At most one batch, since nothing is polled while there is something.
type Polled = VecDeque<Result<StoredRecord, Error>>;

impl KafkaReader {
    /// Assigns the partition to a new consumer. Blocks.
    pub(super) fn assign(config: &KafkaConfig, partition: Partition, from: Offset) -> KafkaResult<Self> {
        let consumer: BaseConsumer<Context> = settings::reader(config).create_with_context(Context)?;
        let (topic, index) = records::place(partition);
        let from = match from {
            Offset::ZERO => rdkafka::Offset::Beginning,
            from => rdkafka::Offset::Offset(records::kafka_offset(from)),
        };
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(topic, index, from)?;
        consumer.assign(&assignment)?;
        Ok(Self { partition, consumer: Arc::new(Retired::new(consumer)), polled: Arc::default() })
    }

    /// Polls within a blocking call, until there is something or the time is over.
    async fn poll(&self, max: usize, wait: Duration) -> Result<(), Error> {
        let mut polled = Arc::clone(&self.polled).lock_owned().await;
        let (consumer, partition) = (Arc::clone(&self.consumer), self.partition);
        let polling = tokio::task::spawn_blocking(move || {
            if polled.is_empty() {
                poll(&consumer, partition, max, wait, &mut polled);
            }
        });
        polling.await.map_err(|panicked| unreadable(self.partition, &panicked))
    }

    async fn take(&self, max: usize) -> Result<Vec<StoredRecord>, Error> {
        let mut polled = self.polled.lock().await;
        let mut batch = Vec::new();
        while batch.len() < max {
            match polled.pop_front() {
                Some(Ok(record)) => batch.push(record),
                Some(Err(problem)) if batch.is_empty() => return Err(problem),
                Some(problem) => {
                    polled.push_front(problem);
                    break;
                }
                None => break,
            }
        }
        Ok(batch)
    }
}

#[async_trait]
impl Reader for KafkaReader {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Vec<StoredRecord>, Error> {
        let deadline = Instant::now().checked_add(wait);
        loop {
            let batch = self.take(max).await?;
            let left = deadline.map_or(POLL_TIMEOUT, |it| it.saturating_duration_since(Instant::now()));
            if !batch.is_empty() || left.is_zero() || max == 0 {
                return Ok(batch);
            }
            self.poll(max, left.min(POLL_TIMEOUT)).await?;
        }
    }
}

fn poll(
    consumer: &BaseConsumer<Context>,
    partition: Partition,
    max: usize,
    mut wait: Duration,
    polled: &mut Polled,
) {
    let mut bytes_left = READ_BYTES_MAX;
    while polled.len() < max && bytes_left > 0 {
        match consumer.poll(wait) {
            None => return,
            Some(Ok(message)) => {
                let stored = records::stored(partition, &message);
                bytes_left = bytes_left.saturating_sub(stored.record.payload.len().max(1));
                polled.push_back(Ok(stored));
            }
            Some(Err(problem)) if passes_by_itself(&problem) => return,
            Some(Err(problem)) => return polled.push_back(Err(unreadable(partition, &problem))),
        }
        wait = Duration::ZERO;
    }
}

/// What librdkafka tells but goes on after: it connects again by itself.
pub(super) fn passes_by_itself(problem: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    let is_fatal = matches!(problem, KafkaError::MessageConsumptionFatal(_));
    let passes = matches!(
        problem.rdkafka_error_code(),
        Some(
            Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::Resolve
                | Code::CoordinatorNotAvailable
                | Code::NotCoordinator
                | Code::CoordinatorLoadInProgress
                | Code::PollExceeded
        )
    );
    passes && !is_fatal
}

fn unreadable(partition: Partition, problem: &dyn std::fmt::Display) -> Error {
    Error { operation: format!("read {partition}"), reason: problem.to_string() }
}
