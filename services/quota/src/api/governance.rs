//! `weir.governance.v1.GovernanceService`: reads calls, asks who may, and gives them to the organisation's writer.
//!
//! Reading looks at what the writer has published. What a role alone decides is decided before a call comes here (see
//! [`crate::auth::rules`]); what depends on a team is asked here, before anything else is told.

mod access;
mod bursts;
mod debt;
mod decision;
mod exceptions;
mod history;
mod holds;
mod keys;
mod named;
mod policy;
mod refused;
mod simulate;
mod size;
mod watch;

use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tracing::{Instrument, Span, info_span};
use weir_proto::governance::v1 as wire;
use weir_proto::governance::v1::governance_service_server::GovernanceService;
use weir_runtime::clock::Clock;

use super::auth::{Stay, caller};
use super::input::trace_id;
use crate::auth::Caller;
use crate::history::History;
use crate::org_writer::OrgHandle;
use crate::pool::Pools;
use crate::simulate::Simulator;

/// Governance, in front of the organisation's writer.
pub(crate) struct Governance {
    pub(super) org: OrgHandle,
    pub(super) pools: Arc<Pools>,
    pub(super) stay: Stay,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) shutdown: CancellationToken,
    pub(super) simulator: Simulator,
    pub(super) history: Arc<History>,
}

type Directories = Pin<Box<dyn Stream<Item = Result<wire::Directory, Status>> + Send>>;
type Simulations = Pin<Box<dyn Stream<Item = Result<wire::SimulateResponse, Status>> + Send>>;
type Answer<T> = Result<Response<T>, Status>;

/// A call, who makes it, and the span it belongs to.
struct Call<T> {
    caller: Caller,
    asked: T,
    span: Span,
}

fn open<T>(method: &'static str, request: Request<T>) -> Result<Call<T>, Status> {
    let caller = caller(&request)?;
    let span = info_span!("governance", method, caller = caller.principal().name, trace = trace_id(&request));
    Ok(Call { caller, asked: request.into_inner(), span })
}

/// A method that answers with one message.
macro_rules! answer {
    ($self:ident, $request:ident, $method:ident) => {{
        let Call { caller, asked, span } = open(stringify!($method), $request)?;
        $self.$method(&caller, asked).instrument(span).await.map(Response::new)
    }};
}

#[tonic::async_trait]
impl GovernanceService for Governance {
    type WatchDirectoryStream = Directories;
    type SimulateStream = Simulations;

    async fn apply_policy(
        &self,
        request: Request<wire::ApplyPolicyRequest>,
    ) -> Answer<wire::ApplyPolicyResponse> {
        answer!(self, request, apply)
    }

    async fn export_policy(
        &self,
        request: Request<wire::ExportPolicyRequest>,
    ) -> Answer<wire::ExportPolicyResponse> {
        answer!(self, request, export)
    }

    async fn request_burst(
        &self,
        request: Request<wire::RequestBurstRequest>,
    ) -> Answer<wire::BurstResponse> {
        answer!(self, request, ask_for_burst)
    }

    async fn approve_burst(
        &self,
        request: Request<wire::ApproveBurstRequest>,
    ) -> Answer<wire::BurstResponse> {
        answer!(self, request, approve)
    }

    async fn deny_burst(&self, request: Request<wire::DecideBurstRequest>) -> Answer<wire::BurstResponse> {
        answer!(self, request, deny)
    }

    async fn revoke_burst(&self, request: Request<wire::DecideBurstRequest>) -> Answer<wire::BurstResponse> {
        answer!(self, request, revoke)
    }

    async fn extend_burst(&self, request: Request<wire::ExtendBurstRequest>) -> Answer<wire::BurstResponse> {
        answer!(self, request, extend)
    }

    async fn list_bursts(
        &self,
        request: Request<wire::ListBurstsRequest>,
    ) -> Answer<wire::ListBurstsResponse> {
        answer!(self, request, bursts)
    }

    async fn forgive_debt(
        &self,
        request: Request<wire::ForgiveDebtRequest>,
    ) -> Answer<wire::ForgiveDebtResponse> {
        answer!(self, request, forgive)
    }

    async fn grant_exception(
        &self,
        request: Request<wire::GrantExceptionRequest>,
    ) -> Answer<wire::GrantExceptionResponse> {
        answer!(self, request, grant)
    }

    async fn end_exception(
        &self,
        request: Request<wire::EndExceptionRequest>,
    ) -> Answer<wire::EndExceptionResponse> {
        answer!(self, request, end)
    }

    async fn list_exceptions(
        &self,
        request: Request<wire::ListExceptionsRequest>,
    ) -> Answer<wire::ListExceptionsResponse> {
        answer!(self, request, exceptions)
    }

    async fn list_decisions(
        &self,
        request: Request<wire::ListDecisionsRequest>,
    ) -> Answer<wire::ListDecisionsResponse> {
        answer!(self, request, decisions)
    }

    async fn list_holds(&self, request: Request<wire::ListHoldsRequest>) -> Answer<wire::ListHoldsResponse> {
        answer!(self, request, holds)
    }

    async fn create_caller_key(
        &self,
        request: Request<wire::CreateCallerKeyRequest>,
    ) -> Answer<wire::CreateCallerKeyResponse> {
        answer!(self, request, create_key)
    }

    async fn revoke_caller_key(
        &self,
        request: Request<wire::RevokeCallerKeyRequest>,
    ) -> Answer<wire::RevokeCallerKeyResponse> {
        answer!(self, request, revoke_key)
    }

    async fn list_caller_keys(
        &self,
        request: Request<wire::ListCallerKeysRequest>,
    ) -> Answer<wire::ListCallerKeysResponse> {
        answer!(self, request, keys)
    }

    async fn rotate_caller_key(
        &self,
        request: Request<wire::RotateCallerKeyRequest>,
    ) -> Answer<wire::RotateCallerKeyResponse> {
        answer!(self, request, rotate_key)
    }

    async fn create_access_key(
        &self,
        request: Request<wire::CreateAccessKeyRequest>,
    ) -> Answer<wire::CreateAccessKeyResponse> {
        answer!(self, request, create_access_key)
    }

    async fn revoke_access_key(
        &self,
        request: Request<wire::RevokeAccessKeyRequest>,
    ) -> Answer<wire::RevokeAccessKeyResponse> {
        answer!(self, request, revoke_access_key)
    }

    async fn list_access_keys(
        &self,
        request: Request<wire::ListAccessKeysRequest>,
    ) -> Answer<wire::ListAccessKeysResponse> {
        answer!(self, request, access_keys)
    }

    async fn who_am_i(&self, request: Request<wire::WhoAmIRequest>) -> Answer<wire::WhoAmIResponse> {
        answer!(self, request, who_am_i)
    }

    async fn simulate(&self, request: Request<wire::SimulateRequest>) -> Answer<Simulations> {
        let Call { caller, asked, span } = open("simulate", request)?;
        let told = span.in_scope(|| self.simulations(&caller, &asked))?;
        Ok(Response::new(Box::pin(self.stay.limit(caller, told))))
    }

    async fn watch_directory(&self, request: Request<wire::WatchDirectoryRequest>) -> Answer<Directories> {
        let Call { caller, asked, span } = open("watch", request)?;
        span.in_scope(|| tracing::info!(node = asked.node, "a node watches the directory"));
        Ok(Response::new(Box::pin(self.stay.limit(caller, self.directories()))))
    }
}
