//! Access keys: who may open the quota service itself. Only hashes are known here.

use crate::access::AccessKey;
use crate::authorship::Authorship;
use crate::calendar::Utc;
use crate::ids::{AccessKeyId, TeamId};
use crate::org::{Decided, Event, Org};
use crate::time::Timestamp;

/// Access keys that open something: one for each of some hundred people and gateways, and for their successors.
pub const ACCESS_KEYS_MAX: usize = 1_024;

/// Why an access key is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessKeyRefused {
    /// Another key has or had the name.
    #[error("an access key named {id} exists or existed; choose another name")]
    NameTaken {
        /// The name.
        id: AccessKeyId,
    },
    /// Another name has or had the same secret.
    #[error("access key {other} has the same secret; make a new one")]
    SecretTaken {
        /// That name.
        other: AccessKeyId,
    },
    /// There are as many as there may be.
    #[error(
        "there are {live} access keys that have not expired, which is the most; revoke one that is not used"
    )]
    TooMany {
        /// How many.
        live: usize,
    },
    /// It would be that of the lead of a team that there is not.
    #[error("team {team} is not defined; define it in the policy first")]
    NoTeam {
        /// The team.
        team: TeamId,
    },
    /// It would have expired already.
    #[error("expires at {}, which has passed; choose a later time", Utc(*.expires))]
    ExpiryPast {
        /// The time.
        expires: Timestamp,
    },
    /// There is no such key.
    #[error("there is no access key named {id}")]
    NoKey {
        /// The name.
        id: AccessKeyId,
    },
}

impl Org {
    /// Creates an access key; no event if the very same key exists.
    pub fn create_access_key(
        &self,
        key: &AccessKey,
        by: Authorship,
    ) -> Result<Option<Event>, AccessKeyRefused> {
        if self.access_keys.get(&key.id) == Some(key) {
            return Ok(None);
        }
        if self.access_keys.contains_key(&key.id) || self.access_revoked.contains(&key.id) {
            return Err(AccessKeyRefused::NameTaken { id: key.id.clone() });
        }
        if let Some(other) = self.access_by_hash.get(&key.hash) {
            return Err(AccessKeyRefused::SecretTaken { other: other.clone() });
        }
        if let Some(team) = key.role.team().filter(|team| !self.teams.contains_key(team)) {
            return Err(AccessKeyRefused::NoTeam { team: team.clone() });
        }
        if let Some(expires) = key.expires.filter(|expires| *expires <= by.at) {
            return Err(AccessKeyRefused::ExpiryPast { expires });
        }
        let expired = |key: &AccessKey| key.expires.is_some_and(|expires| expires <= by.at);
        let live = self.access_keys.values().filter(|key| !expired(key)).count();
        if live >= ACCESS_KEYS_MAX {
            return Err(AccessKeyRefused::TooMany { live });
        }
        Ok(Some(Event { by, what: Decided::AccessKeyCreated(key.clone()) }))
    }

    /// Takes a key in. Where there are more than may open something, those that have expired are kept as those that are
    /// revoked.
    pub(super) fn take_access_key(&mut self, key: &AccessKey, now: Timestamp) {
        self.access_by_hash.insert(key.hash, key.id.clone());
        self.access_keys.insert(key.id.clone(), key.clone());
        if self.access_keys.len() <= ACCESS_KEYS_MAX {
            return;
        }
        let expired = self.access_keys.values().filter(|key| key.expires.is_some_and(|at| at <= now));
        let expired: Vec<_> = expired.map(|key| key.id.clone()).collect();
        for id in expired {
            self.drop_access_key(&id);
        }
    }

    pub(super) fn drop_access_key(&mut self, id: &AccessKeyId) {
        let Some(key) = self.access_keys.remove(id) else { return };
        if let Some((_, forgotten)) = self.access_revoked.remember(key.id, key.hash) {
            self.access_by_hash.remove(&forgotten);
        }
    }

    /// Revokes an access key; no event if it was revoked before.
    pub fn revoke_access_key(
        &self,
        id: &AccessKeyId,
        by: Authorship,
    ) -> Result<Option<Event>, AccessKeyRefused> {
        if self.access_revoked.contains(id) {
            return Ok(None);
        }
        if !self.access_keys.contains_key(id) {
            return Err(AccessKeyRefused::NoKey { id: id.clone() });
        }
        Ok(Some(Event { by, what: Decided::AccessKeyRevoked(id.clone()) }))
    }
}
