//! The organisation as others read it: the policy as it stands, and what gateways must know.

use std::collections::BTreeMap;

use crate::burst::BurstRecord;
use crate::directory::{Directory, PoolEntry, ServiceEntry};
use crate::ids::{PoolId, ServiceId};
use crate::ledger::PoolTerms;
use crate::org::Org;
use crate::policy::{Allocation, Policy, Service, Terms};
use crate::time::Timestamp;

impl Org {
    /// The policy as it stands at an instant: applying it changes nothing, and applied to an empty organisation it gives
    /// the same policy again.
    ///
    /// Bursts that are over and exceptions that have ended are left out, and so is what lapsed with them.
    pub fn policy(&self, now: Timestamp) -> Policy {
        let open = |burst: &&BurstRecord| burst.phase(now).is_open();
        let bursts = self.bursts().map(|(_, burst)| burst).filter(open).filter_map(BurstRecord::grant);
        let bursts: BTreeMap<_, _> = bursts.map(|granted| (granted.burst.id.clone(), granted)).collect();
        let exceptions = self.exceptions.values().filter(|exception| exception.end > now);
        Policy {
            pools: self.pools.values().filter_map(|terms| terms.pool().cloned()).collect(),
            teams: self.teams.values().cloned().collect(),
            services: self.services.values().map(|service| self.with_allocations(service, now)).collect(),
            bursts: bursts.into_values().collect(),
            exceptions: exceptions.cloned().collect(),
            prices: self.prices.values().cloned().collect(),
        }
    }

    fn with_allocations(&self, service: &Service, now: Timestamp) -> Service {
        let held = |(pool, terms): (&PoolId, &PoolTerms)| {
            let terms = terms.allocations().get(&service.id)?.standing_at(now);
            Some(Allocation { pool: pool.clone(), terms: Terms { lapse: None, ..terms } })
        };
        Service { allocations: self.pools.iter().filter_map(held).collect(), ..service.clone() }
    }

    /// What gateways must know.
    pub fn directory(&self) -> Directory {
        let entry = |service: &Service| ServiceEntry {
            id: service.id.clone(),
            team: service.team.clone(),
            pools: self.entries_of(&service.id),
        };
        Directory {
            version: self.version(),
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
}
