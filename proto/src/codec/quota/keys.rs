//! Decisions about caller keys, access keys and exceptions, and commands that were made, from their messages. They are written in [`super::org`].

use super::super::values::hash_from_wire;
use super::super::{
    DecodeError, access_key_from_wire, caller_key_from_wire, exception_from_wire, timestamp_from_wire,
};
use super::{decided, decode, kinds, parsed, present};
use crate::quota::v1 as wire;
use crate::record::Record;
use weir_domain::fact::QuotaFact;
use weir_domain::org::{CommandId, Decided};

/// None if the kind says nothing of that.
pub(super) fn from_record(kind: &str, record: &Record) -> Result<Option<QuotaFact>, DecodeError> {
    match kind {
        kinds::COMMAND_MADE_V1 => {
            let wire: wire::CommandMade = decode(record, "weir.quota.v1.CommandMade")?;
            let digest = *hash_from_wire(&wire.sha256, "sha256")?.as_bytes();
            decided(wire.by, Decided::CommandMade(CommandId { name: wire.request_id, digest }))
        }
        kinds::CALLER_KEY_CREATED_V1 => {
            let wire: wire::CallerKeyCreated = decode(record, "weir.quota.v1.CallerKeyCreated")?;
            let key = caller_key_from_wire(present(wire.key.as_ref(), "key")?)?;
            decided(wire.by, Decided::CallerKeyCreated(key))
        }
        kinds::CALLER_KEY_REVOKED_V1 => {
            let wire: wire::CallerKeyRevoked = decode(record, "weir.quota.v1.CallerKeyRevoked")?;
            decided(wire.by, Decided::CallerKeyRevoked(parsed(&wire.key, "key")?))
        }
        kinds::CALLER_KEY_EXPIRY_SET_V1 => {
            let wire: wire::CallerKeyExpirySet = decode(record, "weir.quota.v1.CallerKeyExpirySet")?;
            let expires = timestamp_from_wire(wire.expires.as_ref(), "expires")?;
            decided(wire.by, Decided::CallerKeyExpirySet { key: parsed(&wire.key, "key")?, expires })
        }
        kinds::ACCESS_KEY_CREATED_V1 => {
            let wire: wire::AccessKeyCreated = decode(record, "weir.quota.v1.AccessKeyCreated")?;
            let key = access_key_from_wire(present(wire.key.as_ref(), "key")?)?;
            decided(wire.by, Decided::AccessKeyCreated(key))
        }
        kinds::ACCESS_KEY_REVOKED_V1 => {
            let wire: wire::AccessKeyRevoked = decode(record, "weir.quota.v1.AccessKeyRevoked")?;
            decided(wire.by, Decided::AccessKeyRevoked(parsed(&wire.key, "key")?))
        }
        kinds::EXCEPTION_GRANTED_V1 => {
            let wire: wire::ExceptionGranted = decode(record, "weir.quota.v1.ExceptionGranted")?;
            let exception = exception_from_wire(present(wire.exception.as_ref(), "exception")?)?;
            decided(wire.by, Decided::ExceptionGranted(exception))
        }
        kinds::EXCEPTION_ENDED_V1 => {
            let wire: wire::ExceptionEnded = decode(record, "weir.quota.v1.ExceptionEnded")?;
            decided(wire.by, Decided::ExceptionEnded(parsed(&wire.exception, "exception")?))
        }
        _ => Ok(None),
    }
}
