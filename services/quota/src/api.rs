//! The gRPC services. A refusal is an OK response; a status means that no decision was made, and carries details.

mod admission;
mod auth;
pub(crate) mod envoy;
mod governance;
mod headroom;
mod input;
mod refusal;
mod serve;
mod session;

use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use weir_proto::FILE_DESCRIPTOR_SET;
use weir_proto::envoy::service::ratelimit::v3::rate_limit_service_server::RateLimitServiceServer;
use weir_proto::governance::v1::governance_service_server::GovernanceServiceServer;
use weir_proto::quota::v1::admission_service_server::AdmissionServiceServer;
use weir_runtime::clock::Clock;

use crate::auth::Authenticator;
use crate::history::History;
use crate::org_writer::OrgHandle;
use crate::pool::Pools;
use crate::simulate::Simulator;
use admission::Admission;
use auth::{Gate, Stay};
use envoy::RateLimit;
use envoy::settings::Envoy;
use governance::Governance;
use serve::Entrance;

/// The largest policy that is applied: some 100,000 allocations. Only whoever is known may send one.
const POLICY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What the services stand on.
pub(crate) struct Means {
    pub(crate) pools: Arc<Pools>,
    pub(crate) org: OrgHandle,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) tls: Option<ServerConfig>,
    pub(crate) envoy: Envoy,
    pub(crate) simulator: Simulator,
    pub(crate) history: Arc<History>,
}

/// Serves until shutdown; calls under way are answered. Who may call what is decided by the gate before all of them.
pub(crate) async fn serve(
    means: Means,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<(), String> {
    let Means { pools, org, clock, authenticator, tls, envoy, simulator, history } = means;
    let stay = Stay::new(Arc::clone(&authenticator), org.directory());
    let rate_limit = RateLimit::new(Arc::clone(&pools), org.prices(), Arc::clone(&clock), envoy);
    let admission = Admission {
        pools: Arc::clone(&pools),
        prices: org.prices(),
        org: org.clone(),
        clock: Arc::clone(&clock),
        shutdown: shutdown.clone(),
        stay: stay.clone(),
    };
    let gate = Gate::new(authenticator);
    let governance = Governance { org, pools, stay, clock, shutdown: shutdown.clone(), simulator, history };
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<AdmissionServiceServer<Admission>>().await;
    reporter.set_serving::<GovernanceServiceServer<Governance>>().await;
    reporter.set_serving::<RateLimitServiceServer<RateLimit>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(|problem| problem.to_string())?;
    let others = Routes::new(health)
        .add_service(GovernanceServiceServer::new(governance).max_decoding_message_size(POLICY_BYTES_MAX))
        .add_service(RateLimitServiceServer::new(rate_limit))
        .add_service(reflection);
    let entrance = Entrance::new(gate, AdmissionServiceServer::new(admission), others);
    serve::serve(entrance, listener, tls.map(Arc::new), shutdown).await;
    Ok(())
}
