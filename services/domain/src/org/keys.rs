//! Caller keys: who may call as a service. Only hashes are known here.

use crate::authorship::Authorship;
use crate::directory::CallerKey;
use crate::ids::{CallerKeyId, ServiceId};
use crate::org::{Decided, Event, Org};

/// Why a key is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefused {
    /// Another key has or had the name.
    #[error("a caller key named {id} exists or existed; choose another name")]
    NameTaken {
        /// The name.
        id: CallerKeyId,
    },
    /// Another name has the same secret.
    #[error("caller key {other} has the same secret; make a new one")]
    SecretTaken {
        /// That name.
        other: CallerKeyId,
    },
    /// It would call as a service that there is not.
    #[error("service {service} is not defined; define it in the policy first")]
    NoService {
        /// The service.
        service: ServiceId,
    },
    /// There is no such key.
    #[error("there is no caller key named {id}")]
    NoKey {
        /// The name.
        id: CallerKeyId,
    },
}

impl Org {
    /// Creates a key; no event if the very same key exists.
    pub fn create_key(&self, key: &CallerKey, by: Authorship) -> Result<Option<Event>, KeyRefused> {
        if self.keys.get(&key.id) == Some(key) {
            return Ok(None);
        }
        if self.keys.contains_key(&key.id) || self.revoked.contains(&key.id) {
            return Err(KeyRefused::NameTaken { id: key.id.clone() });
        }
        if let Some(other) = self.keys.values().find(|other| other.hash == key.hash) {
            return Err(KeyRefused::SecretTaken { other: other.id.clone() });
        }
        if !self.services.contains_key(&key.service) {
            return Err(KeyRefused::NoService { service: key.service.clone() });
        }
        Ok(Some(Event { by, what: Decided::CallerKeyCreated(key.clone()) }))
    }

    /// Revokes a key; no event if it was revoked before.
    pub fn revoke_key(&self, id: &CallerKeyId, by: Authorship) -> Result<Option<Event>, KeyRefused> {
        if self.revoked.contains(id) {
            return Ok(None);
        }
        if !self.keys.contains_key(id) {
            return Err(KeyRefused::NoKey { id: id.clone() });
        }
        Ok(Some(Event { by, what: Decided::CallerKeyRevoked(id.clone()) }))
    }
}
