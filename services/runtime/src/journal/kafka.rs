//! The journal in a Kafka cluster.
//!
//! Ordering, replication, ownership of partitions and fencing are Kafka's; this module only asks for them. It is the
//! one place that names `rdkafka`. Calls of librdkafka that block run off the async threads.

mod context;
mod member;
mod producer;
mod reader;
mod records;
mod settings;
mod topics;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use weir_proto::record::{Record, Topic};

use self::context::{Context, Retired};
use self::member::KafkaMember;
use self::producer::Producer;
use self::reader::KafkaReader;
use super::config::KafkaConfig;
use super::{AppendError, Committed, Error, Journal, Member, Offset, Partition, Position, Reader, limits};

/// How long a question to the cluster may take before it counts as failed.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A journal in Kafka.
pub struct KafkaJournal {
    config: KafkaConfig,
    producer: Producer,
    /// Asks for offsets; belongs to no group.
    lookup: Arc<Retired<BaseConsumer<Context>>>,
    partitions: BTreeMap<Topic, u32>,
    members_so_far: AtomicUsize,
}

impl KafkaJournal {
    /// Connects, makes the topics that are missing if the settings say so, and warms the producer up.
    pub async fn open(config: KafkaConfig) -> Result<Self, Error> {
        let lookup = settings::lookup(&config).create_with_context(Context);
        let lookup: BaseConsumer<Context> = lookup.map_err(|problem| refused(&config, &problem))?;
        let lookup = Arc::new(Retired::new(lookup));
        let partitions = topics::ensure(&config, &lookup).await?;
        let producer = Producer::start(&config).await.map_err(|problem| refused(&config, &problem))?;
        Ok(Self { config, producer, lookup, partitions, members_so_far: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl Journal for KafkaJournal {
    async fn partitions(&self, topic: Topic) -> Result<u32, Error> {
        self.partitions.get(&topic).copied().ok_or_else(|| Error {
            operation: format!("find {}", topic.name()),
            reason: "there is no such topic".to_owned(),
        })
    }

    async fn append(&self, topic: Topic, records: Vec<Record>) -> Result<Vec<Position>, AppendError> {
        let bytes = limits::check(topic, &records)?;
        self.producer.append(topic, records, bytes).await
    }

    async fn end(&self, partition: Partition) -> Result<Offset, Error> {
        let lookup = Arc::clone(&self.lookup);
        blocking(format!("find the end of {partition}"), move || {
            let (topic, index) = records::place(partition);
            lookup.fetch_watermarks(topic, index, REQUEST_TIMEOUT).map(|(_, end)| records::offset(end))
        })
        .await
    }

    /// From [`Offset::ZERO`] it begins with the first record that the cluster still has; from any other offset that
    /// is no longer there, reading fails.
    async fn read(&self, partition: Partition, from: Offset) -> Result<Box<dyn Reader>, Error> {
        let config = self.config.clone();
        let operation = format!("read {partition} from {from}");
        let reader = blocking(operation, move || KafkaReader::assign(&config, partition, from)).await?;
        Ok(Box::new(reader))
    }

    async fn committed(&self, group: &str, partition: Partition) -> Result<Option<Committed>, Error> {
        let settings = settings::group(&self.config, group);
        blocking(format!("find what {group} has committed for {partition}"), move || {
            let consumer: BaseConsumer<Context> = settings.create_with_context(Context)?;
            committed_of(&Retired::new(consumer), partition)
        })
        .await
    }

    async fn join(&self, group: &str, topic: Topic) -> Result<Box<dyn Member>, Error> {
        let nth = self.members_so_far.fetch_add(1, Ordering::Relaxed);
        let settings = settings::member(&self.config, group, nth);
        let member = blocking(format!("join {group}"), move || KafkaMember::join(&settings, topic)).await?;
        Ok(Box::new(member))
    }
}

/// What a consumer's group has committed. Blocks.
fn committed_of<C: rdkafka::consumer::ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partition: Partition,
) -> rdkafka::error::KafkaResult<Option<Committed>> {
    let (topic, index) = records::place(partition);
    let mut asked = TopicPartitionList::new();
    asked.add_partition(topic, index);
    let answer = consumer.committed_offsets(asked, REQUEST_TIMEOUT)?;
    let Some(element) = answer.find_partition(topic, index) else { return Ok(None) };
    element.error()?;
    Ok(match element.offset() {
        rdkafka::Offset::Offset(offset) => {
            Some(Committed { offset: records::offset(offset), metadata: element.metadata().to_owned() })
        }
        _ => None,
    })
}

/// Does what blocks off the async threads.
async fn blocking<T: Send + 'static>(
    operation: String,
    work: impl FnOnce() -> rdkafka::error::KafkaResult<T> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|problem| Error { operation, reason: problem.to_string() }),
        Err(panicked) => Err(Error { operation, reason: panicked.to_string() }),
    }
}

fn refused(config: &KafkaConfig, problem: &dyn std::fmt::Display) -> Error {
    let operation = format!("use Kafka at {}", config.brokers);
    Error { operation, reason: problem.to_string() }
}
