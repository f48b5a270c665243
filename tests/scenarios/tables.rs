//! The ground of scenarios about the tables: a journal in memory, the real engine, an aggregator on both.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use weir_aggregator::USAGE_GROUP;
use weir_domain::amount::{Requests, Tokens};
use weir_domain::ids::{
    AttemptId, CallerKeyId, DeploymentId, EventId, HoldId, ModelName, NodeId, PoolId, RequestId, ServiceId,
    TeamId, UpstreamId,
};
use weir_domain::tally::UsageTally;
use weir_domain::time::Timestamp;
use weir_domain::usage::{
    AttemptOutcome, Operation, RefusalsCounted, TokenUsage, UsageBounds, UsageEvent, UsageRecorded,
    UsageSource,
};
use weir_embedded_clickhouse::Supervisor;
use weir_proto::codec::usage_to_record;
use weir_proto::record::{Record, Topic};
use weir_runtime::clickhouse::{Config, Connection};
use weir_runtime::clock::SystemClock;
use weir_runtime::health::Health;
use weir_runtime::journal::memory::MemoryJournal;
use weir_runtime::journal::{Journal, Partition};
use weir_showback::Tables;
use weir_tests::engine;

/// How long the aggregator may take to catch up, on a loaded machine.
const CAUGHT_UP_TIMEOUT: Duration = Duration::from_mins(1);

/// 2026-11-20T12:00:00Z.
pub(crate) const NOON_SECS: i64 = 1_795_176_000;

/// A journal, an engine, and aggregators that come and go.
pub(crate) struct Ground {
    pub(crate) journal: Arc<MemoryJournal>,
    pub(crate) engine: Supervisor,
    pub(crate) connection: Connection,
    _dir: tempfile::TempDir,
}

impl Ground {
    pub(crate) async fn prepare() -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let engine = engine::start(dir.path().join("clickhouse")).await?;
        let connection = Config::default().connection(&engine.url())?;
        Ok(Self { journal: Arc::new(MemoryJournal::new()), engine, connection, _dir: dir })
    }

    pub(crate) fn tables(&self) -> Tables {
        Tables::new(&self.connection, Duration::from_secs(10))
    }

    pub(crate) fn aggregator(&self) -> Aggregator {
        let health = Health::default();
        let ports = weir_aggregator::Ports {
            clock: Arc::new(SystemClock),
            journal: self.journal.clone(),
            health: health.clone(),
            clickhouse: self.connection.clone(),
        };
        // Small batches, so that there are many.
        let config = weir_aggregator::Config {
            batch_records_max: 20,
            linger_ms: 5,
            retry_max_ms: 200,
            ..weir_aggregator::Config::default()
        };
        let stop = CancellationToken::new();
        let running =
            weir_runtime::tasks::Tasks::new().spawn(weir_aggregator::run(config, ports, stop.clone()));
        Aggregator { running, stop, health }
    }

    pub(crate) async fn append(&self, records: Vec<Record>) -> anyhow::Result<()> {
        self.journal.append(Topic::Usage, records).await?;
        Ok(())
    }

    /// Waits until all of the usage topic is committed and nothing is under way.
    pub(crate) async fn caught_up(&self) -> anyhow::Result<()> {
        tokio::time::timeout(CAUGHT_UP_TIMEOUT, self.catch_up(USAGE_GROUP, Topic::Usage)).await?
    }

    /// The same of prices.
    pub(crate) async fn prices_caught_up(&self) -> anyhow::Result<()> {
        let group = weir_aggregator::PRICES_GROUP;
        tokio::time::timeout(CAUGHT_UP_TIMEOUT, self.catch_up(group, Topic::Quota)).await?
    }

    async fn catch_up(&self, group: &str, topic: Topic) -> anyhow::Result<()> {
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        for index in 0..self.journal.partitions(topic).await? {
            let partition = Partition { topic, index };
            let end = self.journal.end(partition).await?;
            while end.get() > 0 {
                let committed = self.journal.committed(group, partition).await?;
                if committed.is_some_and(|at| at.offset == end && at.metadata.is_empty()) {
                    break;
                }
                looks.tick().await;
            }
        }
        Ok(())
    }

    /// Waits until so many records of the usage topic are committed.
    pub(crate) async fn committed(&self, records: u64) -> anyhow::Result<()> {
        tokio::time::timeout(CAUGHT_UP_TIMEOUT, self.commit(records)).await?
    }

    async fn commit(&self, records: u64) -> anyhow::Result<()> {
        let mut looks = tokio::time::interval(Duration::from_millis(1));
        loop {
            let mut done = 0;
            for index in 0..self.journal.partitions(Topic::Usage).await? {
                let partition = Partition { topic: Topic::Usage, index };
                let committed = self.journal.committed(USAGE_GROUP, partition).await?;
                done += committed.map_or(0, |at| at.offset.get());
            }
            if done >= records {
                return Ok(());
            }
            looks.tick().await;
        }
    }

    /// The dead letters' ids, each once.
    pub(crate) async fn letters(&self) -> anyhow::Result<Vec<String>> {
        let mut ids = std::collections::BTreeSet::new();
        for index in 0..self.journal.partitions(Topic::DeadLetter).await? {
            let partition = Partition { topic: Topic::DeadLetter, index };
            let end = self.journal.end(partition).await?;
            let mut reader = self.journal.read(partition, weir_runtime::journal::Offset::ZERO).await?;
            let mut read = 0;
            while read < end.get() {
                for stored in reader.next(100, Duration::from_secs(1)).await? {
                    read = stored.offset.next().get();
                    let id = stored.record.headers.iter().find(|(name, _)| name == "ce_id");
                    ids.extend(id.map(|(_, id)| String::from_utf8_lossy(id).into_owned()));
                }
            }
        }
        Ok(ids.into_iter().collect())
    }
}

/// A running aggregator.
pub(crate) struct Aggregator {
    running: JoinHandle<Result<(), weir_aggregator::Error>>,
    stop: CancellationToken,
    pub(crate) health: Health,
}

impl Aggregator {
    /// Ends it as shutdown does.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        self.stop.cancel();
        Ok(self.running.await??)
    }
}

/// What a test says of an event; the rest is the same for all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) id: u128,
    pub(crate) team: &'static str,
    pub(crate) service: &'static str,
    pub(crate) model: &'static str,
    pub(crate) ended: Timestamp,
    pub(crate) attempt_number: u32,
    /// Input, cached input, output.
    pub(crate) tokens: [u64; 3],
}

impl Sample {
    /// The event of this number.
    pub(crate) fn new(id: u128) -> Self {
        Self {
            id,
            team: "search",
            service: "chat",
            model: "gpt-4o",
            ended: Timestamp::from_secs(NOON_SECS),
            attempt_number: 1,
            tokens: [100, 40, 20],
        }
    }

    pub(crate) fn event(&self) -> UsageRecorded {
        let [input, input_cached, output] = self.tokens.map(Tokens::new);
        UsageRecorded {
            id: EventId::new(self.id),
            node: NodeId::try_new("gateway-1").expect("it is a name"),
            request: RequestId::new(self.id),
            attempt: AttemptId::new(self.id + (1 << 64)),
            attempt_number: self.attempt_number,
            team: TeamId::try_new(self.team).expect("it is a name"),
            service: ServiceId::try_new(self.service).expect("it is a name"),
            caller_key: CallerKeyId::try_new("key").expect("it is a name"),
            pool: PoolId::try_new("gpt").expect("it is a name"),
            upstream: UpstreamId::try_new("azure").expect("it is a name"),
            deployment: DeploymentId::try_new("prod").expect("it is a name"),
            model: ModelName::try_new(self.model).expect("it is a name"),
            operation: Operation::ChatCompletions,
            streamed: true,
            started: self.ended.minus(Duration::from_millis(750)),
            ended: self.ended,
            first_byte_after: Some(Duration::from_micros(1_234)),
            upstream_status: None,
            outcome: AttemptOutcome::Completed,
            usage: TokenUsage { input, input_cached, output, ..TokenUsage::default() },
            usage_source: UsageSource::Reported,
            bounds: UsageBounds::exact(input + output),
            hold: HoldId::new(self.id),
            held: Tokens::new(1_000),
            traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned(),
        }
    }

    pub(crate) fn record(&self) -> Record {
        usage_to_record(&UsageEvent::Recorded(Box::new(self.event())))
    }

    /// As many refusals at that time as there are input tokens.
    pub(crate) fn refusals(&self) -> Record {
        let event = self.event();
        usage_to_record(&UsageEvent::Refused(RefusalsCounted {
            id: event.id,
            node: event.node,
            team: event.team,
            service: event.service,
            pool: event.pool,
            model: event.model,
            limit: "baseline".to_owned(),
            count: Requests::new(self.tokens[0]),
            tokens: Tokens::new(10),
            from: event.started,
            to: event.ended,
        }))
    }
}

/// Checks that the tables say what these events add up to.
pub(crate) async fn ensure_tables_say(ground: &Ground, events: &[UsageRecorded]) -> anyhow::Result<()> {
    let mut expected = UsageTally::default();
    for event in events {
        expected.add(event);
    }
    let found = ground.tables().usage_totals(None).await?;
    let differences = expected.differences(&found);
    ensure!(differences.is_empty(), "expected and found differ: {differences:#?}");
    Ok(())
}

/// Checks that so many requests were refused, by service.
pub(crate) async fn ensure_refused(ground: &Ground, expected: &[(&str, u64)]) -> anyhow::Result<()> {
    let found = ground.tables().refused_totals(None).await?;
    let found: BTreeMap<_, _> =
        found.iter().map(|(service, count)| (service.as_str(), count.get())).collect();
    ensure!(found == expected.iter().copied().collect(), "refused: {found:?}");
    Ok(())
}
