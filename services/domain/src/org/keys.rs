//! Caller keys: who may call as a service. Only hashes are known here.

use crate::authorship::Authorship;
use crate::calendar::Utc;
use crate::directory::{CallerKey, KeyHash};
use crate::ids::{CallerKeyId, ModelName, ServiceId};
use crate::org::{Decided, Event, Org};
use crate::time::Timestamp;

/// Caller keys of one service that may call: two for each of 32 deployments of it, one on its way in and one on its way
/// out. Every gateway is told of all keys of all services.
pub const CALLER_KEYS_MAX: usize = 64;

/// One key takes the place of another, which goes on for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRotation {
    /// The key that is to go.
    pub old: CallerKeyId,
    /// Its successor's name. All but name, secret and expiry is taken from the old one.
    pub new: CallerKeyId,
    /// The successor's secret.
    pub new_hash: KeyHash,
    /// When the old one expires.
    pub old_expires: Timestamp,
    /// When the successor expires. Not stated: after as long as the old one was to live when it was created.
    pub new_expires: Option<Timestamp>,
}

/// Why a caller key is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefused {
    /// Another key has or had the name.
    #[error("a caller key named {id} exists or existed; choose another name")]
    NameTaken {
        /// The name.
        id: CallerKeyId,
    },
    /// Another name has or had the same secret.
    #[error("caller key {other} has the same secret; make a new one")]
    SecretTaken {
        /// That name.
        other: CallerKeyId,
    },
    /// The service has as many keys as it may.
    #[error(
        "service {service} has {live} caller keys that may call, which is the most; revoke one that is not used"
    )]
    TooMany {
        /// Whose.
        service: ServiceId,
        /// How many.
        live: usize,
    },
    /// It would call as a service that there is not.
    #[error("service {service} is not defined; define it in the policy first")]
    NoService {
        /// The service.
        service: ServiceId,
    },
    /// It would be for a model that no pool serves.
    #[error("model {model} is served by no pool; name a model of the policy")]
    NoModel {
        /// The model.
        model: ModelName,
    },
    /// It would have expired already.
    #[error("expires at {}, which has passed; choose a later time", Utc(*.expires))]
    ExpiryPast {
        /// The time.
        expires: Timestamp,
    },
    /// It expires before the overlap would end.
    #[error("caller key {id} expires at {}; an overlap with its successor must end by then", Utc(*.expires))]
    ExpiresBefore {
        /// The key.
        id: CallerKeyId,
        /// When it expires.
        expires: Timestamp,
    },
    /// There is no such key.
    #[error("there is no caller key named {id}")]
    NoKey {
        /// The name.
        id: CallerKeyId,
    },
}

impl Org {
    /// Creates a caller key; no event if the very same key exists.
    pub fn create_key(&self, key: &CallerKey, by: Authorship) -> Result<Option<Event>, KeyRefused> {
        if self.keys.get(&key.id) == Some(key) {
            return Ok(None);
        }
        if self.keys.contains_key(&key.id) || self.revoked.contains(&key.id) {
            return Err(KeyRefused::NameTaken { id: key.id.clone() });
        }
        if let Some(other) = self.key_of_hash(&key.hash) {
            return Err(KeyRefused::SecretTaken { other: other.clone() });
        }
        if !self.services.contains_key(&key.service) {
            return Err(KeyRefused::NoService { service: key.service.clone() });
        }
        if let Some(model) = key.models.iter().find(|model| !self.serves(model)) {
            return Err(KeyRefused::NoModel { model: model.clone() });
        }
        if let Some(expires) = key.expires.filter(|expires| *expires <= by.at) {
            return Err(KeyRefused::ExpiryPast { expires });
        }
        let expired = |key: &CallerKey| key.expires.is_some_and(|expires| expires <= by.at);
        let live = self.keys_of(&key.service).filter(|key| !expired(key)).count();
        if live >= CALLER_KEYS_MAX {
            return Err(KeyRefused::TooMany { service: key.service.clone(), live });
        }
        Ok(Some(Event { by, what: Decided::CallerKeyCreated(key.clone()) }))
    }

    fn keys_of(&self, service: &ServiceId) -> impl Iterator<Item = &CallerKey> {
        self.keys.values().filter(move |key| key.service == *service)
    }

    /// Takes a key in. Where its service has more than may call, those that have expired are kept as those that are revoked.
    pub(super) fn take_key(&mut self, key: &CallerKey, now: Timestamp) {
        self.keys.insert(key.id.clone(), key.clone());
        self.lifetimes.extend(key.expires.map(|expires| (key.id.clone(), expires.since(now))));
        if self.keys_of(&key.service).count() <= CALLER_KEYS_MAX {
            return;
        }
        let expired = self.keys_of(&key.service).filter(|key| key.expires.is_some_and(|at| at <= now));
        let expired: Vec<_> = expired.map(|key| key.id.clone()).collect();
        for id in expired {
            self.drop_key(&id);
        }
    }

    pub(super) fn drop_key(&mut self, id: &CallerKeyId) {
        self.lifetimes.remove(id);
        if let Some(key) = self.keys.remove(id) {
            self.revoked.remember(key.id, key.hash);
        }
    }

    /// Revokes a caller key; no event if it was revoked before.
    pub fn revoke_key(&self, id: &CallerKeyId, by: Authorship) -> Result<Option<Event>, KeyRefused> {
        if self.revoked.contains(id) {
            return Ok(None);
        }
        if !self.keys.contains_key(id) {
            return Err(KeyRefused::NoKey { id: id.clone() });
        }
        Ok(Some(Event { by, what: Decided::CallerKeyRevoked(id.clone()) }))
    }

    /// Creates a key beside another one of the same service, which expires after an overlap; no events if it is so.
    pub fn rotate_key(&self, rotation: &KeyRotation, by: &Authorship) -> Result<Vec<Event>, KeyRefused> {
        let Some(old) = self.keys.get(&rotation.old) else { return self.rotated_before(rotation) };
        if rotation.new == rotation.old {
            return Err(KeyRefused::NameTaken { id: rotation.new.clone() });
        }
        let lifetime = self.lifetimes.get(&rotation.old);
        let expires = rotation.new_expires.or_else(|| lifetime.map(|lifetime| by.at.plus(*lifetime)));
        let successor =
            CallerKey { id: rotation.new.clone(), hash: rotation.new_hash, expires, ..old.clone() };
        // A successor that was made before, or is being rotated itself, has another expiry, and is the same key all the same.
        let same = |key: &CallerKey| CallerKey { expires, ..key.clone() } == successor;
        let exists = self.keys.get(&rotation.new).is_some_and(same);
        let created = if exists { None } else { self.create_key(&successor, by.clone())? };
        let expiry = Self::expire_key(old, rotation.old_expires, by)?;
        Ok(created.into_iter().chain(expiry).collect())
    }

    /// The old key is gone. That is well if its successor is there.
    fn rotated_before(&self, rotation: &KeyRotation) -> Result<Vec<Event>, KeyRefused> {
        let successor = self.keys.get(&rotation.new).filter(|key| key.hash == rotation.new_hash);
        if self.revoked.contains(&rotation.old) && successor.is_some() {
            return Ok(Vec::new());
        }
        Err(KeyRefused::NoKey { id: rotation.old.clone() })
    }

    fn expire_key(key: &CallerKey, expires: Timestamp, by: &Authorship) -> Result<Option<Event>, KeyRefused> {
        if key.expires == Some(expires) {
            return Ok(None);
        }
        if let Some(before) = key.expires.filter(|before| *before < expires) {
            return Err(KeyRefused::ExpiresBefore { id: key.id.clone(), expires: before });
        }
        if expires <= by.at {
            return Err(KeyRefused::ExpiryPast { expires });
        }
        let what = Decided::CallerKeyExpirySet { key: key.id.clone(), expires };
        Ok(Some(Event { by: by.clone(), what }))
    }

    fn key_of_hash(&self, hash: &KeyHash) -> Option<&CallerKeyId> {
        let live = self.keys.values().map(|key| (&key.id, &key.hash));
        let revoked = self.revoked.iter().map(|(id, hash)| (id, hash));
        live.chain(revoked).find(|(_, other)| *other == hash).map(|(id, _)| id)
    }

    fn serves(&self, model: &ModelName) -> bool {
        let pools = self.pools.values().filter_map(|terms| terms.pool());
        pools.flat_map(|pool| &pool.models).any(|served| served.name == *model)
    }
}
