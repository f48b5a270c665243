//! A quota service under test, and the words to talk to it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};
use weir_domain::ids::ReservationId;
use weir_domain::time::Timestamp;
use weir_proto::codec::{duration_from_wire, timestamp_to_wire};
use weir_proto::governance::v1 as governance;
use weir_proto::governance::v1::governance_service_client::GovernanceServiceClient;
use weir_proto::quota::v1::admission_service_client::AdmissionServiceClient;
use weir_proto::quota::v1::reserve_response::Decision;
use weir_proto::quota::v1::{self as quota, Headroom};
use weir_proto::record::Topic;
use weir_quota::{Config, Ports};
use weir_runtime::clock::{Clock, ManualClock};
use weir_runtime::health::Health;
use weir_runtime::journal::memory::MemoryJournal;
use weir_runtime::journal::{Journal, Partition};

pub(crate) const TOKEN: &str = "quota-token";
pub(crate) const START_S: i64 = 1_750_000_000;

/// Adds a bearer token to every call.
#[derive(Clone)]
pub(crate) struct Bearer(pub(crate) &'static str);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let value = MetadataValue::try_from(format!("Bearer {}", self.0)).unwrap();
        request.metadata_mut().insert("authorization", value);
        Ok(request)
    }
}

pub(crate) type Admission = AdmissionServiceClient<InterceptedService<Channel, Bearer>>;
pub(crate) type Governance = GovernanceServiceClient<InterceptedService<Channel, Bearer>>;

/// What a service is started with.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) journal: Arc<MemoryJournal>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) config: Config,
    /// Where snapshots go, if anywhere.
    pub(crate) data_dir: Option<PathBuf>,
}

impl Default for Setup {
    /// An empty journal, and no snapshots.
    fn default() -> Self {
        Self {
            journal: Arc::new(MemoryJournal::new()),
            clock: Arc::new(ManualClock::new(Timestamp::from_secs(START_S))),
            config: Config::default(),
            data_dir: None,
        }
    }
}

/// A running service, in a runtime of its own, so that it can be killed.
pub(crate) struct Service {
    pub(crate) setup: Setup,
    pub(crate) journal: Arc<MemoryJournal>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) health: Health,
    pub(crate) address: SocketAddr,
    shutdown: CancellationToken,
    runtime: Runtime,
    task: JoinHandle<Result<(), weir_quota::Error>>,
}

impl Service {
    /// A service on an empty journal.
    pub(crate) async fn start() -> Self {
        Self::start_with(Setup::default()).await
    }

    pub(crate) async fn start_with(setup: Setup) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let listener = listener.into_std().unwrap();
        let (shutdown, health) = (CancellationToken::new(), Health::default());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (given, stop, told) = (setup.clone(), shutdown.clone(), health.clone());
        let task = runtime.spawn(async move {
            let ports = Ports {
                clock: given.clock,
                journal: given.journal,
                health: told,
                listener: TcpListener::from_std(listener).unwrap(),
                token: Some(TOKEN.to_owned().into()),
                data_dir: given.data_dir,
            };
            weir_quota::run(given.config, ports, stop).await
        });
        let (journal, clock) = (setup.journal.clone(), setup.clock.clone());
        Self { setup, journal, clock, health, address, shutdown, runtime, task }
    }

    /// Ends it and starts it again on the same journal.
    pub(crate) async fn restart(self) -> Self {
        let setup = self.setup.clone();
        self.stop().await;
        Self::start_with(setup).await
    }

    /// Kills it and starts it again on the same journal.
    pub(crate) async fn crash(self) -> Self {
        Self::start_with(self.kill().await).await
    }

    /// Kills it, and waits until nothing of it runs. What it was started with.
    pub(crate) async fn kill(self) -> Setup {
        let runtime = self.runtime;
        let killed = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(Duration::from_secs(10)));
        killed.await.unwrap();
        self.setup
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
        self.runtime.shutdown_background();
    }

    async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    pub(crate) async fn admission(&self) -> Admission {
        AdmissionServiceClient::with_interceptor(self.channel().await, Bearer(TOKEN))
    }

    pub(crate) async fn governance(&self) -> Governance {
        self.governance_as(TOKEN).await
    }

    pub(crate) async fn governance_as(&self, token: &'static str) -> Governance {
        GovernanceServiceClient::with_interceptor(self.channel().await, Bearer(token))
    }

    /// A reservation's id minted now by the service's clock.
    pub(crate) fn reservation(&self, number: u128) -> String {
        self.reservation_id(number).to_string()
    }

    pub(crate) fn reservation_id(&self, number: u128) -> ReservationId {
        let ms = u128::try_from(self.clock.now().as_millis()).unwrap();
        ReservationId::new((ms << 80) | (7 << 76) | number)
    }

    /// Admits a request of `chat` that must pass. Its hold.
    pub(crate) async fn admit(&self, client: &mut Admission, number: u128, tokens: u64) -> String {
        match decision(client, reserve(&self.reservation(number), tokens)).await {
            Decision::Admitted(admitted) => admitted.hold_id,
            Decision::Refused(refused) => panic!("{refused:?}"),
        }
    }

    pub(crate) fn advance(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }

    /// How many records the quota topic holds.
    pub(crate) async fn journal_records(&self) -> u64 {
        let mut count = 0;
        for index in 0..self.journal.partitions(Topic::Quota).await.unwrap() {
            let partition = Partition { topic: Topic::Quota, index };
            count += self.journal.end(partition).await.unwrap().get();
        }
        count
    }

    /// Makes the sample policy so.
    pub(crate) async fn with_policy(self) -> Self {
        self.apply(policy()).await;
        self
    }

    pub(crate) async fn apply(&self, policy: governance::Policy) {
        self.governance().await.apply_policy(apply(policy)).await.unwrap();
    }

    pub(crate) async fn headroom(&self, service: &str) -> Headroom {
        self.headroom_for(service, 0).await
    }

    /// The headroom of a service, and what would be said to a request of so many tokens.
    pub(crate) async fn headroom_for(&self, service: &str, tokens: u64) -> Headroom {
        let request = quota::GetHeadroomRequest { service: service.into(), pool: "gpt".into(), tokens };
        let reply = self.admission().await.get_headroom(request).await.unwrap().into_inner();
        reply.allocations.into_iter().next().unwrap()
    }
}

/// A second of the test.
pub(crate) fn s(second: i64) -> prost_types::Timestamp {
    timestamp_to_wire(Timestamp::from_secs(START_S + second))
}

/// A pool of 60,000 a minute; `chat` of team `web` is guaranteed 6,000 of it, 1,000 at once.
pub(crate) fn policy() -> governance::Policy {
    let model = governance::Model { name: "gpt-4o".into(), encoding: 1, output_max: 4_096 };
    let deployment =
        governance::Deployment { upstream: "azure".into(), id: "gpt-4o-eu".into(), model: "gpt-4o".into() };
    governance::Policy {
        pools: vec![governance::Pool {
            id: "gpt".into(),
            capacity_per_minute: 60_000,
            models: vec![model],
            deployments: vec![deployment],
            ..Default::default()
        }],
        teams: vec![governance::Team { id: "web".into(), title: "Web".into(), contact: String::new() }],
        services: vec![service("chat", 6_000, 1_000)],
        prices: vec![price()],
        ..Default::default()
    }
}

/// The sample policy with the allocation of `chat` changed.
pub(crate) fn policy_with(change: impl FnOnce(&mut governance::Allocation)) -> governance::Policy {
    let mut policy = policy();
    change(&mut policy.services[0].allocations[0]);
    policy
}

pub(crate) fn service(name: &str, baseline: u64, request_max: u64) -> governance::Service {
    let allocation = governance::Allocation {
        pool: "gpt".into(),
        baseline_per_minute: baseline,
        request_max,
        ..Default::default()
    };
    governance::Service {
        id: name.into(),
        team: "web".into(),
        owner: "Ada".into(),
        use_case: "support".into(),
        when_throttled: "waits".into(),
        allocations: vec![allocation],
        ..Default::default()
    }
}

pub(crate) fn burst(extra: u64, (start, end): (i64, i64)) -> governance::Burst {
    governance::Burst {
        id: "launch".into(),
        service: "chat".into(),
        pool: "gpt".into(),
        extra_per_minute: extra,
        start: Some(s(start)),
        end: Some(s(end)),
        reason: "launch".into(),
        approved_by: "grace".into(),
        requester: "ada".into(),
        ..Default::default()
    }
}

fn price() -> governance::Price {
    governance::Price {
        model: "gpt-4o".into(),
        valid_from: Some(s(0)),
        currency: "USD".into(),
        input_pico: 2_500_000,
        input_cached_pico: 1_250_000,
        output_pico: 10_000_000,
    }
}

pub(crate) fn apply(policy: governance::Policy) -> governance::ApplyPolicyRequest {
    governance::ApplyPolicyRequest {
        author: "ada".into(),
        reason: "test".into(),
        policy: Some(policy),
        ..Default::default()
    }
}

pub(crate) fn key(id: &str, secret: u8) -> governance::CreateCallerKeyRequest {
    let key = governance::CallerKey {
        id: id.into(),
        sha256: vec![secret; 32],
        service: "chat".into(),
        ..Default::default()
    };
    governance::CreateCallerKeyRequest {
        author: "ada".into(),
        reason: "test".into(),
        key: Some(key),
        ..Default::default()
    }
}

pub(crate) fn reserve(reservation: &str, tokens: u64) -> quota::ReserveRequest {
    quota::ReserveRequest {
        reservation_id: reservation.into(),
        service: "chat".into(),
        pool: "gpt".into(),
        tokens,
        ..Default::default()
    }
}

pub(crate) fn settle(hold: &str, used: u64) -> quota::SettleRequest {
    quota::SettleRequest {
        hold_id: hold.into(),
        service: "chat".into(),
        pool: "gpt".into(),
        used,
        ..Default::default()
    }
}

pub(crate) fn release(hold: &str) -> quota::ReleaseRequest {
    quota::ReleaseRequest {
        hold_id: hold.into(),
        service: "chat".into(),
        pool: "gpt".into(),
        ..Default::default()
    }
}

/// Whether a settle was charged now.
pub(crate) async fn charged(client: &mut Admission, request: quota::SettleRequest) -> bool {
    client.settle(request).await.unwrap().into_inner().charged
}

/// The decision of a reservation.
pub(crate) async fn decision(client: &mut Admission, request: quota::ReserveRequest) -> Decision {
    client.reserve(request).await.unwrap().into_inner().decision.unwrap()
}

/// Why a reservation is refused that must not pass.
pub(crate) async fn refused(client: &mut Admission, request: quota::ReserveRequest) -> quota::Refused {
    match decision(client, request).await {
        Decision::Refused(refused) => refused,
        Decision::Admitted(admitted) => panic!("{admitted:?}"),
    }
}

/// In how long a refusal says that the same passes.
pub(crate) fn passes_in(refused: &quota::Refused) -> Duration {
    match &refused.retry {
        Some(quota::refused::Retry::RetryAfter(after)) => duration_from_wire(after),
        other => panic!("{other:?}"),
    }
}

/// Why a refusal does not say so.
pub(crate) fn no_retry(refused: &quota::Refused) -> quota::NoRetry {
    match refused.retry {
        Some(quota::refused::Retry::NoRetry(why)) => why.try_into().unwrap(),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn admitted(client: &mut Admission, request: quota::ReserveRequest) -> bool {
    matches!(decision(client, request).await, Decision::Admitted(_))
}

/// Asks until there is a decision, as a gateway does; other statuses are failures.
macro_rules! until_decided {
    ($call:expr) => {
        loop {
            match $call.await {
                Ok(response) => break response.into_inner(),
                Err(status) => assert_eq!(status.code(), tonic::Code::Unavailable, "{status}"),
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
}
pub(crate) use until_decided;
