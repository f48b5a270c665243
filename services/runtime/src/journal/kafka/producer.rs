//! Appending: one idempotent producer, whose deliveries come back by callback.
//!
//! An append waits until there is room for all its records, queues them in order without a pause, and then waits for
//! the fate of each. A fatal error of the idempotent producer ends it; a new one takes its place.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::statistics::Statistics;
use rdkafka::{ClientContext, Message};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tracing::{error, warn};
use weir_proto::record::{Record, Topic};

use super::super::config::KafkaConfig;
use super::super::limits::APPEND_BYTES_MAX;
use super::super::{AppendError, Partition, Position};
use super::context::{Retired, log, note_error};
use super::{REQUEST_TIMEOUT, records, settings};

/// What one permit stands for. Every record takes at least one, which bounds their number too.
const PERMIT_BYTES: usize = 1024;
/// Room for two of the largest appends.
const ROOM_PERMITS: usize = 2 * APPEND_BYTES_MAX / PERMIT_BYTES;
/// How often librdkafka says how it is. What comes with it: whether the idempotent producer has its id.
const STATISTICS_INTERVAL: Duration = Duration::from_millis(250);
/// How long what is queued may take when the producer is let go.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

type Client = Arc<Retired<Flushed>>;

/// Appends to Kafka.
pub(super) struct Producer {
    settings: ClientConfig,
    client: RwLock<Client>,
    room: Arc<Semaphore>,
}

/// Flushes when it is dropped, which blocks.
struct Flushed(ThreadedProducer<Deliveries>);

impl Drop for Flushed {
    fn drop(&mut self) {
        if let Err(problem) = self.0.flush(FLUSH_TIMEOUT) {
            warn!(%problem, "kafka appends were given up unfinished");
        }
    }
}

/// Takes deliveries from librdkafka to who waits for them.
struct Deliveries {
    has_id: watch::Sender<bool>,
}

/// One record on its way.
struct Delivery {
    number: usize,
    /// Has room for every record of the append.
    report: mpsc::Sender<(usize, Fate)>,
    _room: Arc<OwnedSemaphorePermit>,
}

/// What became of a record.
type Fate = Result<Position, Failure>;

#[derive(Debug)]
struct Failure {
    reason: String,
    /// Whether it is sure that the record was not appended.
    is_sure: bool,
}

impl Producer {
    /// Starts a producer and waits until it has its id, so that the first append is as fast as the others.
    pub(super) async fn start(config: &KafkaConfig) -> Result<Self, String> {
        let mut settings = settings::producer(config);
        settings.set("statistics.interval.ms", STATISTICS_INTERVAL.as_millis().to_string());
        let (client, mut has_id) = connect(&settings).map_err(|problem| problem.to_string())?;
        let warm = tokio::time::timeout(REQUEST_TIMEOUT, has_id.wait_for(|has_id| *has_id)).await;
        warm.map_err(|_| "the producer got no id in time".to_owned())?.map_err(|gone| gone.to_string())?;
        Ok(Self { settings, client: RwLock::new(client), room: Arc::new(Semaphore::new(ROOM_PERMITS)) })
    }

    /// Appends records of so many bytes.
    pub(super) async fn append(
        &self,
        topic: Topic,
        records: Vec<Record>,
        bytes: usize,
    ) -> Result<Vec<Position>, AppendError> {
        let count = records.len();
        let room = Arc::new(self.room(bytes.div_ceil(PERMIT_BYTES).max(count)).await);
        let (report, mut reports) = mpsc::channel(count.max(1));
        let (queued, refused) = self.queue(topic, records, &report, &room);
        drop((report, room));
        let mut fates: Vec<Option<Fate>> = Vec::new();
        fates.resize_with(count, || None);
        while let Some((number, fate)) = reports.recv().await {
            fates[number] = Some(fate);
        }
        let failed = fates.iter().flatten().find_map(|fate| fate.as_ref().err());
        let reason = refused.or_else(|| failed.map(|failure| failure.reason.clone()));
        let is_sure = |fate: &Option<Fate>| matches!(fate, Some(Err(failure)) if failure.is_sure);
        let all_sure = fates[..queued].iter().all(is_sure);
        match reason {
            None => collect(topic, fates),
            Some(reason) if all_sure => {
                Err(AppendError::Rejected { topic: topic.name(), records: count, reason })
            }
            Some(reason) => Err(AppendError::Unknown { topic: topic.name(), records: count, reason }),
        }
    }

    async fn room(&self, permits: usize) -> OwnedSemaphorePermit {
        let permits = u32::try_from(permits.min(ROOM_PERMITS)).expect("there are tens of thousands");
        Arc::clone(&self.room).acquire_many_owned(permits).await.expect("the semaphore is never closed")
    }

    /// Queues records up to the first that is refused, and says how many it queued and why it ended. The refused one
    /// and those after it were not appended.
    fn queue(
        &self,
        topic: Topic,
        records: Vec<Record>,
        report: &mpsc::Sender<(usize, Fate)>,
        room: &Arc<OwnedSemaphorePermit>,
    ) -> (usize, Option<String>) {
        let count = records.len();
        let client = Arc::clone(&self.client.read().unwrap_or_else(PoisonError::into_inner));
        for (number, record) in records.into_iter().enumerate() {
            let delivery = Box::new(Delivery { number, report: report.clone(), _room: Arc::clone(room) });
            let message = BaseRecord::with_opaque_to(topic.name(), delivery)
                .key(record.key.as_ref())
                .payload(record.payload.as_ref())
                .headers(records::headers(&record));
            if let Err((problem, _)) = client.0.send::<[u8], [u8]>(message) {
                if problem.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
                    self.replace(&client);
                }
                return (number, Some(problem.to_string()));
            }
        }
        (count, None)
    }

    /// Puts a new producer in the place of one that can no longer be used.
    fn replace(&self, ended: &Client) {
        let mut client = self.client.write().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&client, ended) {
            return;
        }
        let fatal = ended.0.client().fatal_error();
        error!(?fatal, "the kafka producer ended and is replaced");
        match connect(&self.settings) {
            Ok((fresh, _)) => *client = fresh,
            Err(problem) => error!(%problem, "no new kafka producer"),
        }
    }
}

fn connect(settings: &ClientConfig) -> KafkaResult<(Client, watch::Receiver<bool>)> {
    let (has_id, id_known) = watch::channel(false);
    let client: ThreadedProducer<Deliveries> = settings.create_with_context(Deliveries { has_id })?;
    Ok((Arc::new(Retired::new(Flushed(client))), id_known))
}

/// All positions, in order. A record without a fate was dropped by a client that ended.
fn collect(topic: Topic, fates: Vec<Option<Fate>>) -> Result<Vec<Position>, AppendError> {
    let records = fates.len();
    let positions: Option<Vec<_>> = fates.into_iter().map(|fate| fate?.ok()).collect();
    positions.ok_or_else(|| {
        let reason = "the producer ended before it told".to_owned();
        AppendError::Unknown { topic: topic.name(), records, reason }
    })
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        note_error(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        let has_id = statistics.eos.is_some_and(|eos| eos.idemp_state == "Assigned");
        self.has_id.send_if_modified(|known| std::mem::replace(known, has_id) != has_id);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Delivery>;

    fn delivery(&self, result: &DeliveryResult<'_>, delivery: Box<Delivery>) {
        let fate = match result {
            Ok(message) => position(message).ok_or_else(|| Failure {
                reason: format!("delivered to an unknown topic {}", message.topic()),
                is_sure: false,
            }),
            Err((problem, _)) => {
                Err(Failure { reason: problem.to_string(), is_sure: was_surely_not_appended(problem) })
            }
        };
        // Who no longer waits for the outcome does not need it.
        let _ = delivery.report.try_send((delivery.number, fate));
    }
}

fn position(message: &impl Message) -> Option<Position> {
    let topic = Topic::ALL.into_iter().find(|topic| topic.name() == message.topic())?;
    let partition = Partition { topic, index: records::index(message.partition()) };
    Some(Position { partition, offset: records::offset(message.offset()) })
}

/// Errors that a record meets before it leaves, or that a leader answers before it appends. Anything else, a timeout
/// first of all, leaves it open.
fn was_surely_not_appended(problem: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        problem.rdkafka_error_code(),
        Some(
            Code::QueueFull
                | Code::PurgeQueue
                | Code::MessageSizeTooLarge
                | Code::MessageBatchTooLarge
                | Code::UnknownTopic
                | Code::UnknownPartition
                | Code::UnknownTopicOrPartition
                | Code::InvalidTopic
                | Code::InvalidRecord
                | Code::TopicAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::PolicyViolation
                | Code::NotEnoughReplicas
        )
    )
}
