//! Caller keys: created, rotated, revoked and listed. Only hashes come here.

use tonic::Status;
use weir_domain::directory::{CallerKey, KeyHash};
use weir_domain::ids::CallerKeyId;
use weir_domain::org::{KeyRotation, Org};
use weir_proto::codec::{caller_key_from_wire, caller_key_to_wire, timestamp_from_wire};
use weir_proto::governance::v1 as wire;

use super::Governance;
use super::decision::Order;
use super::size;
use crate::api::auth::permission_denied;
use crate::api::input::{invalid, parsed, undecodable};
use crate::auth::{Caller, Owner};
use crate::org_writer::Command;

impl Governance {
    pub(super) async fn create_key(
        &self,
        caller: &Caller,
        call: wire::CreateCallerKeyRequest,
    ) -> Result<wire::CreateCallerKeyResponse, Status> {
        let key = call.key.as_ref().ok_or_else(|| invalid("key", "is missing"))?;
        size::check("key", key)?;
        let key = caller_key_from_wire(key).map_err(|problem| undecodable(&problem))?;
        let org = self.org.org();
        caller
            .may_touch(Owner::of_service(&org, &key.service))
            .map_err(|denied| permission_denied(&denied))?;
        let order = Order::of(caller, &call)?;
        let done = self.decide(Command::CreateKey(key), order).await?;
        Ok(wire::CreateCallerKeyResponse { created: done.changed })
    }

    pub(super) async fn revoke_key(
        &self,
        caller: &Caller,
        call: wire::RevokeCallerKeyRequest,
    ) -> Result<wire::RevokeCallerKeyResponse, Status> {
        let id: CallerKeyId = parsed(&call.id, "id")?;
        caller.may_touch(owner(&self.org.org(), &id)).map_err(|denied| permission_denied(&denied))?;
        let order = Order::of(caller, &call)?;
        let done = self.decide(Command::RevokeKey(id), order).await?;
        Ok(wire::RevokeCallerKeyResponse { revoked: done.changed })
    }

    pub(super) async fn rotate_key(
        &self,
        caller: &Caller,
        call: wire::RotateCallerKeyRequest,
    ) -> Result<wire::RotateCallerKeyResponse, Status> {
        let old: CallerKeyId = parsed(&call.id, "id")?;
        caller.may_touch(owner(&self.org.org(), &old)).map_err(|denied| permission_denied(&denied))?;
        let order = Order::of(caller, &call)?;
        let hash: [u8; 32] = call
            .new_sha256
            .try_into()
            .map_err(|_| invalid("new_sha256", "is not 32 bytes; send the SHA-256 of the new key"))?;
        let old_expires = timestamp_from_wire(call.old_expires.as_ref(), "old_expires");
        let new_expires = call.new_expires.as_ref();
        let new_expires = new_expires.map(|at| timestamp_from_wire(Some(at), "new_expires")).transpose();
        let rotation = KeyRotation {
            old,
            new: parsed(&call.new_id, "new_id")?,
            new_hash: KeyHash::new(hash),
            old_expires: old_expires.map_err(|problem| undecodable(&problem))?,
            new_expires: new_expires.map_err(|problem| undecodable(&problem))?,
        };
        let done = self.decide(Command::RotateKey(rotation), order).await?;
        Ok(wire::RotateCallerKeyResponse { rotated: done.changed })
    }

    #[expect(clippy::unused_async, reason = "answers like every other method")]
    pub(super) async fn keys(
        &self,
        caller: &Caller,
        _: wire::ListCallerKeysRequest,
    ) -> Result<wire::ListCallerKeysResponse, Status> {
        let org = self.org.org();
        let seen = |key: &&CallerKey| caller.may_see(Owner::of_thing(&org, Some(&key.service))).is_ok();
        let keys = org.keys().filter(seen).map(caller_key_to_wire).collect();
        Ok(wire::ListCallerKeysResponse { keys, etag: org.version().to_string() })
    }
}

fn owner<'a>(org: &'a Org, key: &CallerKeyId) -> Owner<'a> {
    Owner::of_thing(org, org.key(key).map(|key| &key.service))
}
