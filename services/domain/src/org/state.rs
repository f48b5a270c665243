//! The organisation's state and what can be read from it.

use std::collections::{BTreeMap, BTreeSet};

use crate::burst::BurstRecord;
use crate::directory::{CallerKey, Directory, PoolEntry, ServiceEntry};
use crate::ids::{CallerKeyId, ModelName, PoolId, ServiceId, TeamId};
use crate::ledger::{Governed, PoolTerms};
use crate::org::{Decided, Event};
use crate::policy::{Allocation, Policy, Service, Team};
use crate::price::Price;
use crate::time::Timestamp;

/// All that an organisation has decided.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Org {
    pub(super) teams: BTreeMap<TeamId, Team>,
    /// Without their allocations, which stand in `pools`.
    pub(super) services: BTreeMap<ServiceId, Service>,
    pub(super) pools: BTreeMap<PoolId, PoolTerms>,
    pub(super) prices: BTreeMap<(ModelName, Timestamp), Price>,
    pub(super) keys: BTreeMap<CallerKeyId, CallerKey>,
    pub(super) revoked: BTreeSet<CallerKeyId>,
    version: u64,
}

impl Org {
    /// Makes a decision outside of any pool so.
    pub fn evolve(&mut self, event: &Event) {
        self.version += 1;
        match event.what.clone() {
            Decided::TeamDefined(team) => drop(self.teams.insert(team.id.clone(), team)),
            Decided::TeamRemoved(team) => drop(self.teams.remove(&team)),
            Decided::ServiceDefined(service) => drop(self.services.insert(service.id.clone(), service)),
            Decided::ServiceRemoved(service) => drop(self.services.remove(&service)),
            Decided::PriceSet(price) => {
                drop(self.prices.insert((price.model.clone(), price.valid_from), price));
            }
            Decided::PriceRemoved { model, valid_from } => drop(self.prices.remove(&(model, valid_from))),
            Decided::CallerKeyCreated(key) => drop(self.keys.insert(key.id.clone(), key)),
            Decided::CallerKeyRevoked(key) => {
                self.keys.remove(&key);
                self.revoked.insert(key);
            }
        }
    }

    /// Makes a decision about a pool so. Decisions about different pools, and about none, may come in any order.
    pub fn evolve_pool(&mut self, pool: &PoolId, what: &Governed) {
        self.version += 1;
        self.pools.entry(pool.clone()).or_default().evolve(what);
    }

    /// Grows with every decision.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Every pool that ever was.
    pub fn pools(&self) -> impl Iterator<Item = &PoolId> {
        self.pools.keys()
    }

    /// A service, without its allocations.
    pub fn service(&self, id: &ServiceId) -> Option<&Service> {
        self.services.get(id)
    }

    /// The pools in which a service has an allocation.
    pub fn pools_of<'a>(&'a self, service: &'a ServiceId) -> impl Iterator<Item = &'a PoolId> {
        let entitled = |terms: &PoolTerms| terms.allocations().contains_key(service);
        self.pools.iter().filter(move |(_, terms)| entitled(terms)).map(|(pool, _)| pool)
    }

    /// The keys that have not been revoked.
    pub fn keys(&self) -> impl Iterator<Item = &CallerKey> {
        self.keys.values()
    }

    /// What gateways must know.
    pub fn directory(&self) -> Directory {
        let entry = |service: &Service| ServiceEntry {
            id: service.id.clone(),
            team: service.team.clone(),
            pools: self.entries_of(&service.id),
        };
        Directory {
            version: self.version,
            pools: self.pools.values().filter_map(|terms| terms.pool().cloned()).collect(),
            services: self.services.values().map(entry).collect(),
            keys: self.keys().filter(|key| self.services.contains_key(&key.service)).cloned().collect(),
        }
    }

    fn entries_of(&self, service: &ServiceId) -> Vec<PoolEntry> {
        let entry = |(pool, terms): (&PoolId, &PoolTerms)| {
            let failure = terms.allocations().get(service)?.failure;
            Some(PoolEntry { pool: pool.clone(), failure })
        };
        self.pools.iter().filter_map(entry).collect()
    }

    /// The policy as it stands: applying it changes nothing.
    pub fn policy(&self) -> Policy {
        let services = self.services.values().map(|service| {
            let allocations = self.pools.iter().filter_map(|(pool, terms)| {
                let held = terms.allocations().get(&service.id)?;
                Some(Allocation { pool: pool.clone(), terms: held.clone() })
            });
            Service { allocations: allocations.collect(), ..service.clone() }
        });
        Policy {
            pools: self.pools.values().filter_map(|terms| terms.pool().cloned()).collect(),
            teams: self.teams.values().cloned().collect(),
            services: services.collect(),
            bursts: self
                .pools
                .values()
                .flat_map(|terms| terms.bursts().values().filter_map(BurstRecord::grant))
                .collect(),
            exceptions: Vec::new(),
            prices: self.prices.values().cloned().collect(),
        }
    }
}
