//! The gateway as a whole, between a caller and an upstream of which every byte is known and a quota service that does
//! as it is told.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod governance;
mod kept;
mod life;
mod metering;
mod outage;
mod quota;
mod refusal;
mod streams;
mod upstream;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use weir_domain::amount::{Tokens, TokensPerMinute};
use weir_domain::directory::{CallerKey, Directory, KeyHash, KeyHolder, PoolEntry, ServiceEntry};
use weir_domain::policy::{Deployment, Encoding, FailureMode, Model, Pool, Thresholds};
use weir_domain::usage::{UsageEvent, UsageRecorded};
use weir_gateway::config::{Config, UpstreamConfig, UpstreamKind};
use weir_gateway::{Ports, run};
use weir_proto::codec::usage_from_record;
use weir_proto::record::Topic;
use weir_runtime::clock::SystemClock;
use weir_runtime::health::Health;
use weir_runtime::journal::config::Partitions;
use weir_runtime::journal::memory::MemoryJournal;
use weir_runtime::journal::{Journal, Offset, Partition};
use weir_runtime::secrets::SecretSource;

use client::Client;
use quota::FakeQuota;
use upstream::Upstream;

/// What the sample service presents, and what the gateway presents to the upstream.
const KEY: &str = "weir-caller-key";
/// The same service's, for embeddings only.
const KEY_FOR_EMBEDDINGS: &str = "weir-key-for-embeddings";
const UPSTREAM_KEY: &str = "upstream-s3cret";
const TOKEN: &str = "node-token";
const CHAT: &str = "POST /v1/chat/completions";

/// Longer than anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("a test waited in vain")
}

#[expect(clippy::disallowed_methods, reason = "tasks of a test end with its runtime")]
fn spawn<F: Future<Output: Send> + Send + 'static>(task: F) {
    tokio::spawn(task);
}

/// Everything around a gateway, and the gateway.
struct World {
    quota: FakeQuota,
    upstream: Upstream,
    journal: Arc<MemoryJournal>,
    config: Config,
    gateway: Option<Running>,
    dir: tempfile::TempDir,
}

/// A gateway in a runtime of its own, so that it can be killed.
struct Running {
    address: SocketAddr,
    health: Health,
    shutdown: CancellationToken,
    runtime: tokio::runtime::Runtime,
    ended: tokio::task::JoinHandle<()>,
}

impl World {
    async fn new() -> Self {
        Self::with(UpstreamKind::Azure, |_| {}).await
    }

    async fn with(kind: UpstreamKind, change: impl FnOnce(&mut Config)) -> Self {
        Self::with_directory(kind, directory(), change).await
    }

    async fn with_directory(
        kind: UpstreamKind,
        directory: Directory,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (quota, quota_address) = FakeQuota::start(directory, Some(TOKEN)).await;
        let upstream = Upstream::start().await;
        let mut config = Config {
            quota_url: format!("http://{quota_address}"),
            wal_dir: Some(dir.path().join("wal")),
            upstreams: vec![upstream_config(kind, upstream.address, dir.path())],
            ..Config::default()
        };
        change(&mut config);
        let partitions = Partitions { usage: 1, ..Partitions::default() };
        let journal = Arc::new(MemoryJournal::with_partitions(partitions));
        let mut world = Self { quota, upstream, journal, config, gateway: None, dir };
        world.start().await;
        world
    }

    /// Starts a gateway and waits until it is ready.
    async fn start(&mut self) {
        self.launch().await;
        self.readiness(Vec::is_empty).await;
    }

    /// What keeps the gateway from being ready, once that is as somebody wants it.
    async fn readiness(&self, wanted: impl Fn(&Vec<String>) -> bool) -> Vec<String> {
        let health = &self.gateway.as_ref().unwrap().health;
        in_time(async {
            loop {
                let problems = health.problems();
                if wanted(&problems) {
                    return problems;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }

    /// Starts a gateway.
    async fn launch(&mut self) {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (shutdown, health) = (CancellationToken::new(), Health::default());
        let (config, journal) = (self.config.clone(), self.journal.clone());
        // Not ready from the beginning, and not only once the gateway has said so.
        health.component("gateway");
        let (stop, health_of_gateway) = (shutdown.clone(), health.clone());
        let (tell, address) = tokio::sync::oneshot::channel();
        let ended = runtime.spawn(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            let ports = Ports {
                clock: Arc::new(SystemClock),
                journal,
                health: health_of_gateway,
                listener,
                quota_token: Some(TOKEN.to_owned().into()),
            };
            run(config, ports, stop).await.unwrap();
        });
        let address = address.await.unwrap();
        self.gateway = Some(Running { address, health, shutdown, runtime, ended });
    }

    fn address(&self) -> SocketAddr {
        self.gateway.as_ref().unwrap().address
    }

    async fn client(&self) -> Client {
        Client::connect(self.address()).await
    }

    /// A caller that has sent a chat request.
    async fn asked(&self, body: &str) -> Client {
        let mut client = self.client().await;
        client.send(CHAT, &authorization(), body).await;
        client
    }

    /// Ends the gateway as SIGKILL would: its log is as it was at that moment, and nothing that its tasks do while they
    /// are taken down reaches anybody.
    async fn kill(&mut self) {
        let running = self.gateway.take().unwrap();
        let (wal, kept) = (self.dir.path().join("wal"), self.dir.path().join("kept"));
        copy_dir(&wal, &kept);
        self.journal.faults().hold_appends();
        self.quota.fail_settles(u32::MAX);
        tokio::task::spawn_blocking(move || running.runtime.shutdown_timeout(PATIENCE)).await.unwrap();
        self.quota.fail_settles(0);
        self.journal.faults().release_appends();
        std::fs::remove_dir_all(&wal).unwrap();
        std::fs::rename(&kept, &wal).unwrap();
    }

    /// Ends the gateway as SIGTERM would.
    async fn stop(&mut self) {
        let running = self.gateway.take().unwrap();
        running.shutdown.cancel();
        in_time(running.ended).await.unwrap();
        running.runtime.shutdown_background();
    }

    /// The usage events in the journal, once there are so many.
    async fn events(&self, count: usize) -> Vec<UsageEvent> {
        let partition = Partition { topic: Topic::Usage, index: 0 };
        let mut reader = self.journal.read(partition, Offset::ZERO).await.unwrap();
        let mut events = Vec::new();
        while events.len() < count {
            let stored = reader.next(100, PATIENCE).await.unwrap();
            assert!(!stored.is_empty(), "waited in vain for event {} of {count}", events.len() + 1);
            events.extend(stored.iter().map(|stored| usage_from_record(&stored.record).unwrap()));
        }
        events
    }

    /// The one usage event that there is after everything has ended.
    async fn only_event(&mut self) -> UsageRecorded {
        if self.gateway.is_some() {
            self.stop().await;
        }
        let events = self.events(1).await;
        let [UsageEvent::Recorded(event)] = &events[..] else { panic!("not one event: {events:?}") };
        (**event).clone()
    }

    fn wal_dir(&self) -> PathBuf {
        self.dir.path().join("wal")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(running) = self.gateway.take() {
            running.runtime.shutdown_background();
        }
    }
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn authorization() -> String {
    format!("authorization: Bearer {KEY}\r\ncontent-type: application/json\r\n")
}

fn upstream_config(kind: UpstreamKind, address: SocketAddr, dir: &Path) -> UpstreamConfig {
    let key = dir.join("key");
    std::fs::write(&key, UPSTREAM_KEY).unwrap();
    let path = if kind == UpstreamKind::OpenAi { "/v1" } else { "" };
    UpstreamConfig {
        name: "u".to_owned(),
        kind,
        base_url: format!("http://{address}{path}"),
        api_key: SecretSource::File(key),
        api_version: "2024-10-21".to_owned(),
        ca_file: None,
    }
}

/// Pool `chat` with model `gpt-4o` on deployment `gpt-4o-eu`, pool `embed` with `embedder`, and pool `other`, in which
/// the service `bot` has no allocation, with `secret`.
fn directory() -> Directory {
    let pool = |id: &str, model: &str, deployment: &str, output_max| Pool {
        id: id.parse().unwrap(),
        capacity: TokensPerMinute::new(1_000_000),
        requests: None,
        thresholds: Thresholds::default(),
        models: vec![Model {
            name: model.parse().unwrap(),
            encoding: Encoding::O200kBase,
            output_max: Tokens::new(output_max),
        }],
        deployments: vec![Deployment {
            upstream: "u".parse().unwrap(),
            id: deployment.parse().unwrap(),
            model: model.parse().unwrap(),
        }],
    };
    let entry = |pool: &str| PoolEntry { pool: pool.parse().unwrap(), failure: FailureMode::Closed };
    let key = |id: &str, key, models| CallerKey {
        id: id.parse().unwrap(),
        hash: KeyHash::new(Sha256::digest(key).into()),
        service: "bot".parse().unwrap(),
        holder: KeyHolder::Workload,
        expires: None,
        models,
    };
    Directory {
        version: 1,
        pools: vec![
            pool("chat", "gpt-4o", "gpt-4o-eu", 1_000),
            pool("embed", "embedder", "embedder", 0),
            pool("other", "secret", "secret", 1_000),
        ],
        services: vec![ServiceEntry {
            id: "bot".parse().unwrap(),
            team: "team-1".parse().unwrap(),
            pools: vec![entry("chat"), entry("embed")],
        }],
        keys: vec![
            key("bot-key", KEY, vec![]),
            key("embed-key", KEY_FOR_EMBEDDINGS, vec!["embedder".parse().unwrap()]),
        ],
    }
}
