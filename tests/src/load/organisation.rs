//! What benchmarks of quota and gateway ask: a quota service in a process of its own, and an organisation in it whose
//! limits never bind, so that every refusal is a failure.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::future::LocalBoxFuture;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use weir_proto::governance::v1::governance_service_client::GovernanceServiceClient;
use weir_proto::governance::v1::{
    Allocation, ApplyPolicyRequest, CallerKey, CreateCallerKeyRequest, Deployment, Encoding, Model, Policy,
    Pool, Service, Team,
};
use weir_proto::quota::v1::GetHeadroomRequest;
use weir_proto::quota::v1::admission_service_client::AdmissionServiceClient;
use weir_runtime::clock::SystemClock;
use weir_runtime::health::Health;
use weir_runtime::journal::config::EmbeddedConfig;
use weir_runtime::journal::embedded::EmbeddedJournal;
use weir_runtime::journal::memory::MemoryJournal;
use weir_runtime::journal::{EMBEDDED_DIR, SharedJournal};
use weir_runtime::telemetry;

use super::server::{Role, Server, Serving};

/// The one pool.
pub const POOL: &str = "chat";
/// The one model, and its deployment's name.
pub const MODEL: &str = "gpt-4o";
/// The one upstream.
pub const UPSTREAM: &str = "upstream";
/// What callers of the quota service present.
pub const TOKEN: &str = "benchmark-token";
/// Services that share the load, so that no bucket is the only one.
pub const SERVICES: usize = 8;
/// The largest request; far above what benchmarks ask.
const REQUEST_TOKENS_MAX: u64 = 1_000_000;
/// A service's rate. A thousand times what a machine can ask for.
const BASELINE_PER_MINUTE: u64 = 1_000_000_000_000;

/// How long slices may take to go back: each is kept for a second.
const HELD_TIMEOUT: Duration = Duration::from_secs(15);
const HELD_LOOK: Duration = Duration::from_millis(50);

/// The role that is a quota service. Its arguments: a folder, then `memory` or `embedded`.
pub const QUOTA: Role = ("quota", quota);

fn quota(serving: Serving) -> LocalBoxFuture<'static, anyhow::Result<()>> {
    Box::pin(async move {
        telemetry::install(&telemetry::Config::default())?;
        let dir = serving.argument(0)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let ports = weir_quota::Ports {
            clock: Arc::new(SystemClock),
            journal: journal(serving.argument(1)?, Path::new(dir))?,
            health: Health::default(),
            listener,
            token: Some(TOKEN.to_owned().into()),
            data_dir: None,
        };
        serving.say(&address.to_string())?;
        weir_quota::run(weir_quota::Config::default(), ports, serving.stop).await?;
        Ok(())
    })
}

/// A journal of a kind, with its default settings, within a folder.
pub fn journal(kind: &str, dir: &Path) -> anyhow::Result<SharedJournal> {
    match kind {
        "memory" => Ok(Arc::new(MemoryJournal::new())),
        "embedded" => {
            let settings = EmbeddedConfig::default();
            Ok(Arc::new(EmbeddedJournal::open(&dir.join(EMBEDDED_DIR), &settings, Arc::new(SystemClock))?))
        }
        other => anyhow::bail!("there is no journal {other:?}"),
    }
}

/// Puts the token on every call.
#[derive(Debug, Clone)]
pub struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// A connection to a quota service, with the token on every call.
pub type QuotaChannel = InterceptedService<Channel, Bearer>;

/// A quota service that knows the organisation.
pub struct QuotaServer {
    /// Its process.
    pub server: Server,
    channel: QuotaChannel,
}

/// A connection with the settings that a gateway's has.
pub async fn connect(address: &str) -> anyhow::Result<Channel> {
    Ok(Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true).connect().await?)
}

/// The same with the token on every call.
pub async fn connect_as_caller(address: &str) -> anyhow::Result<QuotaChannel> {
    let bearer = Bearer(format!("Bearer {TOKEN}").parse()?);
    Ok(InterceptedService::new(connect(address).await?, bearer))
}

impl QuotaServer {
    /// Starts one over a kind of journal within a folder, and tells it the organisation.
    pub async fn start(dir: &Path, kind: &str) -> anyhow::Result<Self> {
        let data = dir.join(format!("quota-{kind}"));
        std::fs::create_dir_all(&data)?;
        let server = Server::start(dir, QUOTA.0, &[&data.to_string_lossy(), kind])?;
        let channel = connect_as_caller(server.ready()).await?;
        let quota = Self { server, channel };
        let applied = quota
            .governance()
            .apply_policy(ApplyPolicyRequest {
                author: "benchmark".to_owned(),
                reason: "benchmark".to_owned(),
                policy: Some(policy()),
                ..ApplyPolicyRequest::default()
            })
            .await
            .context("the organisation was not taken")?;
        ensure!(!applied.into_inner().changes.is_empty(), "the organisation was there already");
        Ok(quota)
    }

    /// Ends it. Clients of it must be gone.
    pub async fn stop(self) -> anyhow::Result<()> {
        drop(self.channel);
        self.server.stop().await
    }

    fn governance(&self) -> GovernanceServiceClient<QuotaChannel> {
        GovernanceServiceClient::new(self.channel.clone())
    }

    /// A client on the one connection.
    pub fn admission(&self) -> AdmissionServiceClient<QuotaChannel> {
        AdmissionServiceClient::new(self.channel.clone())
    }

    /// Makes a caller key for a service.
    pub async fn caller_key(&self, service: &str) -> anyhow::Result<String> {
        let secret = format!("weir-benchmark-{service}");
        let key = CallerKey {
            id: format!("{service}-key"),
            sha256: Sha256::digest(&secret).to_vec(),
            service: service.to_owned(),
            ..CallerKey::default()
        };
        let request = CreateCallerKeyRequest {
            author: "benchmark".to_owned(),
            reason: "benchmark".to_owned(),
            key: Some(key),
            ..CreateCallerKeyRequest::default()
        };
        self.governance().create_caller_key(request).await?;
        Ok(secret)
    }

    /// Tokens settled by all services, once what was drawn ahead has gone back; an error if any are held for long.
    pub async fn settled_tokens(&self) -> anyhow::Result<u64> {
        let mut settled = 0;
        for service in (0..SERVICES).map(service) {
            let last = tokio::time::timeout(HELD_TIMEOUT, self.settled_by(&service)).await;
            settled += last.with_context(|| format!("{service} still holds tokens"))??;
        }
        Ok(settled)
    }

    async fn settled_by(&self, service: &str) -> anyhow::Result<u64> {
        loop {
            let (service, pool) = (service.to_owned(), POOL.to_owned());
            let request = GetHeadroomRequest { service, pool, tokens: 0 };
            let headroom = self.admission().get_headroom(request).await?.into_inner();
            let found = headroom.allocations.first().context("a service has no allocation")?;
            if (found.holds, found.held) == (0, 0) {
                return Ok(found.settled_total);
            }
            tokio::time::sleep(HELD_LOOK).await;
        }
    }
}

/// A service's name.
pub fn service(index: usize) -> String {
    format!("service-{}", index % SERVICES)
}

fn policy() -> Policy {
    let of_service = |index| Service {
        id: service(index),
        team: "team".to_owned(),
        owner: "Benchmark".to_owned(),
        use_case: "A benchmark".to_owned(),
        when_throttled: "The benchmark fails".to_owned(),
        allocations: vec![Allocation {
            pool: POOL.to_owned(),
            baseline_per_minute: BASELINE_PER_MINUTE,
            request_max: REQUEST_TOKENS_MAX,
            ..Allocation::default()
        }],
        ..Service::default()
    };
    Policy {
        pools: vec![Pool {
            id: POOL.to_owned(),
            capacity_per_minute: BASELINE_PER_MINUTE * SERVICES as u64,
            models: vec![Model {
                name: MODEL.to_owned(),
                encoding: Encoding::O200kBase.into(),
                output_max: 16_384,
            }],
            deployments: vec![Deployment {
                upstream: UPSTREAM.to_owned(),
                id: MODEL.to_owned(),
                model: MODEL.to_owned(),
            }],
            ..Pool::default()
        }],
        teams: vec![Team { id: "team".to_owned(), title: "Team".to_owned(), ..Team::default() }],
        services: (0..SERVICES).map(of_service).collect(),
        ..Policy::default()
    }
}
