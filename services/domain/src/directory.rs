//! The directory: what a gateway must know to authenticate and route, and no more.
//!
//! Quota derives it from the journal and sends it whole on every change.

use crate::ids::{CallerKeyId, ModelName, PoolId, ServiceId, TeamId};
use crate::policy::{FailureMode, Pool};
use crate::time::Timestamp;

/// SHA-256 of a caller key. The key itself is known to its holder alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// Takes the digest as it is.
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyHash({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

/// A caller key: who may call as a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerKey {
    /// Its public name.
    pub id: CallerKeyId,
    /// What is compared with what a caller presents.
    pub hash: KeyHash,
    /// The service it calls as.
    pub service: ServiceId,
    /// Who holds it.
    pub holder: KeyHolder,
    /// From when on it is no longer accepted, if ever.
    pub expires: Option<Timestamp>,
    /// The only models it may call; none stated means all that the service may.
    pub models: Vec<ModelName>,
}

/// Who holds a caller key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum KeyHolder {
    /// A program.
    #[default]
    Workload,
    /// A person.
    Human {
        /// Their name.
        name: String,
    },
}

/// A service as a gateway sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceEntry {
    /// Its name.
    pub id: ServiceId,
    /// The team that owns it.
    pub team: TeamId,
    /// The pools in which it has an allocation.
    pub pools: Vec<PoolEntry>,
}

/// A service's allocation in a pool as a gateway sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolEntry {
    /// The pool.
    pub pool: PoolId,
    /// What to do while quota cannot be asked.
    pub failure: FailureMode,
}

/// All that a gateway needs, at one version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directory {
    /// Grows with every change; for logs and for tests that wait for a change.
    pub version: u64,
    /// Capacity, models and deployments.
    pub pools: Vec<Pool>,
    /// Services.
    pub services: Vec<ServiceEntry>,
    /// Keys that have not been revoked.
    pub keys: Vec<CallerKey>,
}
