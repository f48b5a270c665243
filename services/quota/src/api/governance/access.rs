//! Access keys to this service itself, and who the caller is to it.

use tonic::Status;
use weir_domain::ids::AccessKeyId;
use weir_proto::codec::{access_key_from_wire, access_key_to_wire, role_to_wire};
use weir_proto::governance::v1 as wire;

use super::Governance;
use super::decision::Order;
use super::size;
use crate::api::input::{invalid, parsed, undecodable};
use crate::auth::Caller;
use crate::org_writer::Command;

impl Governance {
    pub(super) async fn create_access_key(
        &self,
        caller: &Caller,
        call: wire::CreateAccessKeyRequest,
    ) -> Result<wire::CreateAccessKeyResponse, Status> {
        let order = Order::of(caller, &call)?;
        let key = call.key.ok_or_else(|| invalid("key", "is missing"))?;
        size::check("key", &key)?;
        let key = access_key_from_wire(&key).map_err(|problem| undecodable(&problem))?;
        let done = self.decide(Command::CreateAccessKey(key), order).await?;
        Ok(wire::CreateAccessKeyResponse { created: done.changed })
    }

    pub(super) async fn revoke_access_key(
        &self,
        caller: &Caller,
        call: wire::RevokeAccessKeyRequest,
    ) -> Result<wire::RevokeAccessKeyResponse, Status> {
        let order = Order::of(caller, &call)?;
        let id: AccessKeyId = parsed(&call.id, "id")?;
        let done = self.decide(Command::RevokeAccessKey(id), order).await?;
        Ok(wire::RevokeAccessKeyResponse { revoked: done.changed })
    }

    #[expect(clippy::unused_async, reason = "answers like every other method")]
    pub(super) async fn access_keys(
        &self,
        _: &Caller,
        _: wire::ListAccessKeysRequest,
    ) -> Result<wire::ListAccessKeysResponse, Status> {
        let org = self.org.org();
        let keys = org.access_keys().map(access_key_to_wire).collect();
        Ok(wire::ListAccessKeysResponse { keys, etag: org.version().to_string() })
    }

    #[expect(clippy::unused_async, reason = "answers like every other method")]
    pub(super) async fn who_am_i(
        &self,
        caller: &Caller,
        _: wire::WhoAmIRequest,
    ) -> Result<wire::WhoAmIResponse, Status> {
        let principal = caller.principal();
        let (role, team) = role_to_wire(&principal.role);
        Ok(wire::WhoAmIResponse { name: principal.name.clone(), role: role.into(), team })
    }
}
