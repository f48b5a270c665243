//! The gRPC services. A refusal is an OK response; a status means that no decision was made, and carries details.

mod admission;
mod auth;
mod governance;
mod input;

use std::sync::Arc;

use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use weir_proto::FILE_DESCRIPTOR_SET;
use weir_proto::governance::v1::governance_service_server::GovernanceServiceServer;
use weir_proto::quota::v1::admission_service_server::AdmissionServiceServer;
use weir_runtime::clock::Clock;

use crate::org_writer::OrgHandle;
use crate::pool::Pools;
use admission::Admission;
use auth::Authenticate;
use governance::Governance;

/// What the services stand on.
pub(crate) struct Parts {
    pub(crate) pools: Arc<Pools>,
    pub(crate) org: OrgHandle,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) token: Option<SecretString>,
}

/// Serves until shutdown; calls under way are answered. Health is open to all, everything else needs the token.
pub(crate) async fn serve(
    parts: Parts,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<(), String> {
    let authenticate = Authenticate::new(parts.token.as_ref());
    let admission = Admission { pools: parts.pools, directory: parts.org.directory(), clock: parts.clock };
    let governance = Governance { org: parts.org, shutdown: shutdown.clone() };
    let admission = AdmissionServiceServer::with_interceptor(admission, authenticate.clone());
    let governance = GovernanceServiceServer::with_interceptor(governance, authenticate.clone());
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<AdmissionServiceServer<Admission>>().await;
    reporter.set_serving::<GovernanceServiceServer<Governance>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(|problem| problem.to_string())?;
    Server::builder()
        .add_service(health)
        .add_service(admission)
        .add_service(governance)
        .add_service(InterceptedService::new(reflection, authenticate))
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            shutdown.cancelled_owned(),
        )
        .await
        .map_err(|problem| problem.to_string())
}
