//! `weir.governance.v1.GovernanceService`.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, stream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tracing::{Instrument, info_span};
use weir_domain::directory::Directory;
use weir_domain::ids::CallerKeyId;
use weir_domain::org::KeyRefused;
use weir_proto::codec::{caller_key_from_wire, caller_key_to_wire, directory_to_wire, policy_from_wire};
use weir_proto::governance::v1 as wire;
use weir_proto::governance::v1::governance_service_server::GovernanceService;

use super::input::{authorship, invalid, invalid_policy, parsed, trace_id, undecided, undecodable};
use crate::org_writer::OrgHandle;

/// Governance, in front of the organisation's writer.
pub(crate) struct Governance {
    pub(super) org: OrgHandle,
    pub(super) shutdown: CancellationToken,
}

type Directories = Pin<Box<dyn Stream<Item = Result<wire::Directory, Status>> + Send>>;

#[tonic::async_trait]
impl GovernanceService for Governance {
    type WatchDirectoryStream = Directories;

    async fn apply_policy(
        &self,
        request: Request<wire::ApplyPolicyRequest>,
    ) -> Result<Response<wire::ApplyPolicyResponse>, Status> {
        let span = info_span!("apply_policy", trace = trace_id(&request));
        self.apply(request.into_inner()).instrument(span).await.map(Response::new)
    }

    async fn create_caller_key(
        &self,
        request: Request<wire::CreateCallerKeyRequest>,
    ) -> Result<Response<wire::CreateCallerKeyResponse>, Status> {
        let span = info_span!("create_caller_key", trace = trace_id(&request));
        self.create_key(request.into_inner()).instrument(span).await.map(Response::new)
    }

    async fn revoke_caller_key(
        &self,
        request: Request<wire::RevokeCallerKeyRequest>,
    ) -> Result<Response<wire::RevokeCallerKeyResponse>, Status> {
        let span = info_span!("revoke_caller_key", trace = trace_id(&request));
        self.revoke_key(request.into_inner()).instrument(span).await.map(Response::new)
    }

    async fn list_caller_keys(
        &self,
        _request: Request<wire::ListCallerKeysRequest>,
    ) -> Result<Response<wire::ListCallerKeysResponse>, Status> {
        let keys = self.org.keys().await.map_err(|reason| undecided(&reason))?;
        let keys = keys.iter().map(caller_key_to_wire).collect();
        Ok(Response::new(wire::ListCallerKeysResponse { keys }))
    }

    async fn watch_directory(
        &self,
        request: Request<wire::WatchDirectoryRequest>,
    ) -> Result<Response<Directories>, Status> {
        let peer = request.remote_addr();
        let node = request.into_inner().node;
        tracing::info!(node, ?peer, "a node watches the directory");
        let directories = directories(self.org.directory(), self.shutdown.clone());
        Ok(Response::new(Box::pin(directories)))
    }
}

impl Governance {
    async fn apply(&self, call: wire::ApplyPolicyRequest) -> Result<wire::ApplyPolicyResponse, Status> {
        let by = authorship(&call.author, &call.reason)?;
        let policy = call.policy.ok_or_else(|| invalid("policy", "is missing"))?;
        let policy = policy_from_wire(&policy).map_err(|problem| undecodable(&problem))?;
        let applied = self.org.apply(policy, by).await.map_err(|reason| undecided(&reason))?;
        let changes = applied.map_err(|problems| invalid_policy(&problems))?;
        Ok(wire::ApplyPolicyResponse { changes })
    }

    async fn create_key(
        &self,
        call: wire::CreateCallerKeyRequest,
    ) -> Result<wire::CreateCallerKeyResponse, Status> {
        let by = authorship(&call.author, &call.reason)?;
        let key = call.key.ok_or_else(|| invalid("key", "is missing"))?;
        let key = caller_key_from_wire(&key).map_err(|problem| undecodable(&problem))?;
        let created = self.org.create_key(key, by).await.map_err(|reason| undecided(&reason))?;
        Ok(wire::CreateCallerKeyResponse { created: created.map_err(|refused| key_refused(&refused))? })
    }

    async fn revoke_key(
        &self,
        call: wire::RevokeCallerKeyRequest,
    ) -> Result<wire::RevokeCallerKeyResponse, Status> {
        let by = authorship(&call.author, &call.reason)?;
        let id: CallerKeyId = parsed(&call.id, "id")?;
        let revoked = self.org.revoke_key(id, by).await.map_err(|reason| undecided(&reason))?;
        Ok(wire::RevokeCallerKeyResponse { revoked: revoked.map_err(|refused| key_refused(&refused))? })
    }
}

fn key_refused(refused: &KeyRefused) -> Status {
    match refused {
        KeyRefused::NameTaken { .. } => Status::already_exists(refused.to_string()),
        KeyRefused::SecretTaken { .. } => invalid("key.sha256", refused),
        KeyRefused::NoService { .. } => invalid("key.service", refused),
        KeyRefused::NoKey { .. } => Status::not_found(refused.to_string()),
    }
}

/// The directory now and after every change. Whoever is slow misses versions in between, never the last. Ends with the
/// service, so that shutdown does not wait for it.
fn directories(
    mut directory: watch::Receiver<Arc<Directory>>,
    shutdown: CancellationToken,
) -> impl Stream<Item = Result<wire::Directory, Status>> {
    directory.mark_changed();
    stream::unfold((directory, shutdown), |(mut directory, shutdown)| async move {
        tokio::select! {
            changed = directory.changed() => changed.ok()?,
            () = shutdown.cancelled() => return None,
        }
        let now = directory_to_wire(&directory.borrow_and_update());
        Some((Ok(now), (directory, shutdown)))
    })
}
