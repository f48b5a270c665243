//! An organisation of two teams, and people and machines of every role who talk to a service.

use sha2::{Digest, Sha256};
use tonic::metadata::MetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};
use weir_proto::governance::v1 as wire;
use weir_proto::governance::v1::governance_service_client::GovernanceServiceClient;
use weir_proto::quota::v1::admission_service_client::AdmissionServiceClient;
use weir_quota::Config;

use crate::support::{Service, Setup, TOKEN, s};

/// Presents a bearer token with every call; an empty one is none.
#[derive(Clone)]
pub(crate) struct Token(String);

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if !self.0.is_empty() {
            let value = MetadataValue::try_from(format!("Bearer {}", self.0)).unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }
}

/// What the command line reads of an answer.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Somebody who talks to a service.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) governance: GovernanceServiceClient<InterceptedService<Channel, Token>>,
    pub(crate) admission: AdmissionServiceClient<InterceptedService<Channel, Token>>,
}

impl Person {
    /// Whoever presents this token on this channel.
    pub(crate) fn on(channel: Channel, token: &str) -> Self {
        let token = Token(token.to_owned());
        Self {
            governance: GovernanceServiceClient::with_interceptor(channel.clone(), token.clone())
                .max_decoding_message_size(ANSWER_BYTES_MAX),
            admission: AdmissionServiceClient::with_interceptor(channel, token),
        }
    }

    /// Whoever presents this token to a service.
    pub(crate) async fn with(service: &Service, token: &str) -> Self {
        let endpoint = Channel::from_shared(format!("http://{}", service.address)).unwrap();
        Self::on(endpoint.connect().await.unwrap(), token)
    }

    /// Whoever has the access key of this name.
    pub(crate) async fn named(service: &Service, name: &str) -> Self {
        Self::with(service, &secret_of(name)).await
    }

    /// Who they are to the service.
    pub(crate) async fn who(&mut self) -> Result<wire::WhoAmIResponse, Status> {
        self.governance.who_am_i(wire::WhoAmIRequest {}).await.map(tonic::Response::into_inner)
    }
}

fn secret_of(name: &str) -> String {
    format!("weir_access_{name}")
}

pub(crate) fn sha256(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

pub(crate) fn access_key(name: &str, role: wire::Role, team: &str) -> wire::CreateAccessKeyRequest {
    let key = wire::AccessKey {
        id: name.into(),
        sha256: sha256(&secret_of(name)),
        role: role.into(),
        team: team.into(),
        expires: None,
    };
    wire::CreateAccessKeyRequest {
        author: "root".into(),
        reason: "begins".into(),
        key: Some(key),
        ..Default::default()
    }
}

/// The access keys of the organisation: names, roles and teams.
pub(crate) const PEOPLE: [(&str, wire::Role, &str); 6] = [
    ("ada", wire::Role::Admin, ""),
    ("grace", wire::Role::Approver, ""),
    ("wendy", wire::Role::Lead, "web"),
    ("olga", wire::Role::Lead, "ops"),
    ("gateway-1", wire::Role::Node, ""),
    ("victor", wire::Role::Viewer, ""),
];

/// A service of an organisation in which teams `web` and `ops` share the pool `gpt`, and everybody has an access key.
pub(crate) async fn organisation() -> Service {
    organisation_with(Config::default()).await
}

/// The same, with settings.
pub(crate) async fn organisation_with(config: Config) -> Service {
    let service = Service::start_with(Setup { config, ..Setup::default() }).await;
    let mut root = Person::with(&service, TOKEN).await;
    root.governance.apply_policy(applying(policy())).await.unwrap();
    for (name, role, team) in PEOPLE {
        root.governance.create_access_key(access_key(name, role, team)).await.unwrap();
    }
    service
}

pub(crate) fn applying(policy: wire::Policy) -> wire::ApplyPolicyRequest {
    wire::ApplyPolicyRequest {
        author: "root".into(),
        reason: "test".into(),
        policy: Some(policy),
        ..wire::ApplyPolicyRequest::default()
    }
}

/// A pool of 60,000 a minute, of which `chat` of team `web` is guaranteed 6,000 and `batch` of team `ops` 12,000.
pub(crate) fn policy() -> wire::Policy {
    wire::Policy {
        pools: vec![pool("gpt", 60_000, "gpt-4o"), pool("ada", 6_000, "embedding")],
        teams: vec![team("ops"), team("web")],
        services: vec![
            wire::Service {
                allocations: vec![share("gpt", 12_000), share("ada", 600)],
                ..of("ops", "batch")
            },
            wire::Service { allocations: vec![share("gpt", 6_000)], ..of("web", "chat") },
        ],
        prices: vec![price("embedding"), price("gpt-4o")],
        ..wire::Policy::default()
    }
}

/// The same without a team, its services and the pools that nobody else has.
pub(crate) fn policy_without(gone: &str) -> wire::Policy {
    let mut policy = policy();
    policy.teams.retain(|team| team.id != gone);
    policy.services.retain(|service| service.team != gone);
    let used = |pool: &wire::Pool| {
        policy.services.iter().flat_map(|it| &it.allocations).any(|allocation| allocation.pool == pool.id)
    };
    policy.pools.retain(used);
    let served = |price: &wire::Price| {
        policy.pools.iter().flat_map(|pool| &pool.models).any(|model| model.name == price.model)
    };
    policy.prices.retain(served);
    policy
}

pub(crate) fn team(name: &str) -> wire::Team {
    wire::Team { id: name.into(), title: name.to_uppercase(), contact: format!("#{name}") }
}

/// A service that somebody answers for, without allocations.
pub(crate) fn of(team: &str, name: &str) -> wire::Service {
    wire::Service {
        id: name.into(),
        team: team.into(),
        owner: "Olivia".into(),
        use_case: "support".into(),
        when_throttled: "waits".into(),
        environment: wire::Environment::Production.into(),
        data_class: wire::DataClass::Internal.into(),
        priority: wire::Priority::Standard.into(),
        ..wire::Service::default()
    }
}

/// A guarantee, and nothing beyond it.
pub(crate) fn share(pool: &str, baseline: u64) -> wire::Allocation {
    wire::Allocation {
        pool: pool.into(),
        baseline_per_minute: baseline,
        ceiling_per_minute: baseline,
        request_max: 100,
        priority: wire::Priority::Standard.into(),
        ..wire::Allocation::default()
    }
}

pub(crate) fn pool(id: &str, capacity: u64, model: &str) -> wire::Pool {
    wire::Pool {
        id: id.into(),
        capacity_per_minute: capacity,
        models: vec![wire::Model { name: model.into(), encoding: 1, output_max: 50 }],
        deployments: vec![wire::Deployment {
            upstream: "azure".into(),
            id: model.into(),
            model: model.into(),
        }],
        thresholds: Some(wire::Thresholds { critical_percent: 0, standard_percent: 20, batch_percent: 50 }),
        ..wire::Pool::default()
    }
}

fn price(model: &str) -> wire::Price {
    wire::Price {
        model: model.into(),
        valid_from: Some(s(0)),
        currency: "USD".into(),
        input_pico: 2_500_000,
        input_cached_pico: 1_250_000,
        output_pico: 10_000_000,
    }
}

/// A burst of `chat` of 6,000 a minute more, from a second of the test until another.
pub(crate) fn burst(id: &str, (start, end): (i64, i64)) -> wire::Burst {
    wire::Burst {
        id: id.into(),
        service: "chat".into(),
        pool: "gpt".into(),
        extra_per_minute: 6_000,
        start: Some(s(start)),
        end: Some(s(end)),
        reason: "launch".into(),
        category: wire::BurstCategory::Demo.into(),
        ..wire::Burst::default()
    }
}

pub(crate) fn asking(burst: wire::Burst) -> wire::RequestBurstRequest {
    wire::RequestBurstRequest { burst: Some(burst), ..Default::default() }
}

pub(crate) fn approving(burst: &str) -> wire::ApproveBurstRequest {
    wire::ApproveBurstRequest {
        reason: "agreed".into(),
        burst: burst.into(),
        ..wire::ApproveBurstRequest::default()
    }
}

pub(crate) fn deciding(burst: &str) -> wire::DecideBurstRequest {
    wire::DecideBurstRequest {
        reason: "not now".into(),
        burst: burst.into(),
        ..wire::DecideBurstRequest::default()
    }
}

pub(crate) fn extending(burst: &str, end: i64) -> wire::ExtendBurstRequest {
    wire::ExtendBurstRequest {
        reason: "goes on".into(),
        burst: burst.into(),
        end: Some(s(end)),
        ..wire::ExtendBurstRequest::default()
    }
}

/// A caller key of a service.
pub(crate) fn caller_key(id: &str, service: &str) -> wire::CreateCallerKeyRequest {
    let key = wire::CallerKey {
        id: id.into(),
        sha256: sha256(id),
        service: service.into(),
        ..wire::CallerKey::default()
    };
    wire::CreateCallerKeyRequest { reason: "begins".into(), key: Some(key), ..Default::default() }
}

/// An exception of a service from a rule that people keep.
pub(crate) fn exception(id: &str, service: &str, end: i64) -> wire::Exception {
    wire::Exception {
        id: id.into(),
        service: service.into(),
        waives_other: "two regions".into(),
        owner: "Olivia".into(),
        reason: "the second is being built".into(),
        end: Some(s(end)),
        ..wire::Exception::default()
    }
}

pub(crate) fn granting(exception: wire::Exception) -> wire::GrantExceptionRequest {
    wire::GrantExceptionRequest { reason: "agreed".into(), exception: Some(exception), ..Default::default() }
}
