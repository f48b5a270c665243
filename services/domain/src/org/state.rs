//! The organisation's state, and what can be looked up in it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::access::{AccessKey, Principal};
use crate::burst::BurstRecord;
use crate::directory::{CallerKey, KeyHash};
use crate::ids::{AccessKeyId, BurstId, CallerKeyId, ExceptionId, ModelName, PoolId, ServiceId, TeamId};
use crate::ledger::{Governed, PoolTerms};
use crate::org::commands::Commands;
use crate::org::used_up::UsedUp;
use crate::org::{Decided, EXCEPTIONS_MAX, Event, Intent};
use crate::policy::{Exception, Service, Team};
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
    /// Those that were not ended before their end.
    pub(super) exceptions: BTreeMap<ExceptionId, Exception>,
    pub(super) ended: UsedUp<ExceptionId>,
    pub(super) keys: BTreeMap<CallerKeyId, CallerKey>,
    /// What was revoked keeps its name and its secret to itself.
    pub(super) revoked: UsedUp<CallerKeyId, KeyHash>,
    pub(super) access_keys: BTreeMap<AccessKeyId, AccessKey>,
    pub(super) access_by_hash: BTreeMap<KeyHash, AccessKeyId>,
    /// As above; `access_by_hash` has their secrets too.
    pub(super) access_revoked: UsedUp<AccessKeyId, KeyHash>,
    /// The change that is being made.
    pub(super) intent: Option<Intent>,
    pub(super) commands: Commands,
    /// How long each caller key was to live when it was created, unless it was for ever: so does its successor.
    pub(super) lifetimes: BTreeMap<CallerKeyId, Duration>,
    pub(super) version: u64,
}

impl Org {
    /// Makes a decision outside of any pool so.
    pub fn evolve(&mut self, event: &Event) {
        self.version += u64::from(event.is_decision());
        // What changes something is intended first, with its command as the last step.
        let changing = self.intent().is_some();
        self.intent = Intent::after(self.intent.take(), event);
        match event.what.clone() {
            Decided::ChangeIntended(_) | Decided::ChangeEnded { .. } => {}
            Decided::CommandMade(command) => self.commands.remember(command, event.by.at, changing),
            Decided::TeamDefined(team) => drop(self.teams.insert(team.id.clone(), team)),
            Decided::TeamRemoved(team) => drop(self.teams.remove(&team)),
            Decided::ServiceDefined(service) => drop(self.services.insert(service.id.clone(), service)),
            Decided::ServiceRemoved(service) => drop(self.services.remove(&service)),
            Decided::PriceSet(price) => {
                drop(self.prices.insert((price.model.clone(), price.valid_from), price));
            }
            Decided::PriceRemoved { model, valid_from } => drop(self.prices.remove(&(model, valid_from))),
            Decided::ExceptionGranted(exception) => self.grant(exception, event.by.at),
            Decided::ExceptionEnded(exception) => {
                self.exceptions.remove(&exception);
                self.ended.remember(exception, ());
            }
            Decided::CallerKeyCreated(key) => self.take_key(&key, event.by.at),
            Decided::CallerKeyRevoked(key) => self.drop_key(&key),
            Decided::CallerKeyExpirySet { key, expires } => {
                if let Some(key) = self.keys.get_mut(&key) {
                    key.expires = Some(expires);
                }
            }
            Decided::AccessKeyCreated(key) => self.take_access_key(&key, event.by.at),
            Decided::AccessKeyRevoked(key) => self.drop_access_key(&key),
        }
    }

    /// Of more than may be, those that have ended by themselves are forgotten.
    fn grant(&mut self, exception: Exception, now: Timestamp) {
        self.ended.release(&exception.id);
        self.exceptions.insert(exception.id.clone(), exception);
        if self.exceptions.len() > EXCEPTIONS_MAX {
            self.exceptions.retain(|_, exception| exception.end > now);
        }
    }

    /// Makes a decision about a pool so. Decisions about different pools, and about none, may come in any order.
    pub fn evolve_pool(&mut self, pool: &PoolId, what: &Governed) {
        self.version += 1;
        self.pools.entry(pool.clone()).or_default().evolve(what);
    }

    /// The change that is intended and has not ended, if its last part is there: what is left of it must be made before
    /// anything else is decided.
    pub fn intent(&self) -> Option<&Intent> {
        self.intent.as_ref().filter(|intent| intent.whole)
    }

    /// Grows with every decision.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Every pool that ever was.
    pub fn pools(&self) -> impl Iterator<Item = &PoolId> {
        self.pools.keys()
    }

    /// What was decided about a pool, if anything ever was.
    pub fn terms(&self, pool: &PoolId) -> Option<&PoolTerms> {
        self.pools.get(pool)
    }

    /// A team.
    pub fn team(&self, id: &TeamId) -> Option<&Team> {
        self.teams.get(id)
    }

    /// All teams.
    pub fn teams(&self) -> impl Iterator<Item = &Team> {
        self.teams.values()
    }

    /// All services, without their allocations.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
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

    /// Every burst since its pool was defined, whatever became of it, and its pool.
    pub fn bursts(&self) -> impl Iterator<Item = (&PoolId, &BurstRecord)> {
        self.pools.iter().flat_map(|(pool, terms)| terms.bursts().values().map(move |burst| (pool, burst)))
    }

    /// The burst of a name, and its pool. No two pools have one of the same name.
    pub fn burst(&self, id: &BurstId) -> Option<(&PoolId, &BurstRecord)> {
        self.pools.iter().find_map(|(pool, terms)| Some((pool, terms.bursts().get(id)?)))
    }

    /// The caller key of a name, unless it has been revoked.
    pub fn key(&self, id: &CallerKeyId) -> Option<&CallerKey> {
        self.keys.get(id)
    }

    /// The caller keys that have not been revoked, expired ones too.
    pub fn keys(&self) -> impl Iterator<Item = &CallerKey> {
        self.keys.values()
    }

    /// What tokens cost, and cost before.
    pub fn prices(&self) -> impl Iterator<Item = &Price> {
        self.prices.values()
    }

    /// The access keys that have not been revoked, expired ones too.
    pub fn access_keys(&self) -> impl Iterator<Item = &AccessKey> {
        self.access_keys.values()
    }

    /// Who presents an access key of this hash: nobody if it is unknown, revoked, expired, or that of a team's lead and
    /// there is no such team.
    pub fn principal_of(&self, hash: &KeyHash, now: Timestamp) -> Option<Principal> {
        let key = self.access_keys.get(self.access_by_hash.get(hash)?)?;
        let expired = key.expires.is_some_and(|expires| expires <= now);
        let teamless = key.role.team().is_some_and(|team| !self.teams.contains_key(team));
        (!expired && !teamless).then(|| Principal { name: key.id.to_string(), role: key.role.clone() })
    }
}
