//! The organisation as plain data, for snapshots: a cache of what the journal says, never a truth.

use std::time::Duration;

use crate::access::AccessKey;
use crate::directory::{CallerKey, KeyHash};
use crate::ids::{AccessKeyId, CallerKeyId, ExceptionId, PoolId};
use crate::ledger::PoolTerms;
use crate::org::commands::Commands;
use crate::org::used_up::UsedUp;
use crate::org::{CommandId, Intent, Org};
use crate::policy::{Exception, Service, Team};
use crate::price::Price;
use crate::time::Timestamp;

/// An organisation, whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrgImage {
    /// How many decisions were made.
    pub version: u64,
    /// Its teams.
    pub teams: Vec<Team>,
    /// Its services, without their allocations.
    pub services: Vec<Service>,
    /// What was decided about every pool that ever was.
    pub pools: Vec<(PoolId, PoolTerms)>,
    /// What tokens cost.
    pub prices: Vec<Price>,
    /// Exceptions that were not ended before their end.
    pub exceptions: Vec<Exception>,
    /// Those that were, as far as they are remembered, the oldest first.
    pub ended: Vec<ExceptionId>,
    /// Caller keys that were not revoked.
    pub keys: Vec<CallerKey>,
    /// Those that were, as far as they are remembered, the oldest first: their names and secrets are used up.
    pub revoked: Vec<(CallerKeyId, KeyHash)>,
    /// Access keys that were not revoked.
    pub access_keys: Vec<AccessKey>,
    /// Those that were, as above.
    pub access_revoked: Vec<(AccessKeyId, KeyHash)>,
    /// The change that was being made, whether or not all its parts are there.
    pub intent: Option<Intent>,
    /// The last commands that changed something, and when they were made, the oldest first.
    pub commands: Vec<(Timestamp, CommandId)>,
    /// The last that changed nothing, as above.
    pub idle_commands: Vec<(Timestamp, CommandId)>,
    /// How long caller keys were to live when they were created.
    pub lifetimes: Vec<(CallerKeyId, Duration)>,
}

impl Org {
    /// The organisation as plain data.
    pub fn image(&self) -> OrgImage {
        OrgImage {
            version: self.version,
            teams: self.teams.values().cloned().collect(),
            services: self.services.values().cloned().collect(),
            pools: self.pools.iter().map(|(id, terms)| (id.clone(), terms.clone())).collect(),
            prices: self.prices.values().cloned().collect(),
            exceptions: self.exceptions.values().cloned().collect(),
            ended: self.ended.iter().map(|(id, ())| id.clone()).collect(),
            keys: self.keys.values().cloned().collect(),
            revoked: self.revoked.iter().cloned().collect(),
            access_keys: self.access_keys.values().cloned().collect(),
            access_revoked: self.access_revoked.iter().cloned().collect(),
            intent: self.intent.clone(),
            commands: self.commands.changing().cloned().collect(),
            idle_commands: self.commands.idle().cloned().collect(),
            lifetimes: self.lifetimes.iter().map(|(id, lifetime)| (id.clone(), *lifetime)).collect(),
        }
    }

    /// The organisation that an image was made of.
    pub fn from_image(image: OrgImage) -> Self {
        let access_revoked = UsedUp::new(image.access_revoked);
        let hashes = image.access_keys.iter().map(|key| (key.hash, key.id.clone()));
        let hashes = hashes.chain(access_revoked.iter().map(|(id, hash)| (*hash, id.clone()))).collect();
        Self {
            version: image.version,
            teams: image.teams.into_iter().map(|team| (team.id.clone(), team)).collect(),
            services: image.services.into_iter().map(|service| (service.id.clone(), service)).collect(),
            pools: image.pools.into_iter().collect(),
            prices: image
                .prices
                .into_iter()
                .map(|price| ((price.model.clone(), price.valid_from), price))
                .collect(),
            exceptions: image.exceptions.into_iter().map(|given| (given.id.clone(), given)).collect(),
            ended: UsedUp::new(image.ended.into_iter().map(|id| (id, ()))),
            keys: image.keys.into_iter().map(|key| (key.id.clone(), key)).collect(),
            revoked: UsedUp::new(image.revoked),
            access_by_hash: hashes,
            access_keys: image.access_keys.into_iter().map(|key| (key.id.clone(), key)).collect(),
            access_revoked,
            intent: image.intent,
            commands: Commands::new(image.commands, image.idle_commands),
            lifetimes: image.lifetimes.into_iter().collect(),
        }
    }
}
