//! The directory as a gateway looks things up in it.
//!
//! A directory that came once is used however long quota cannot be reached: who may call does not change by that.

mod follow;
mod kept;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwapOption;
use weir_domain::directory::{Directory, KeyHash, PoolEntry, ServiceEntry};
use weir_domain::ids::{CallerKeyId, ModelName, PoolId};
use weir_domain::policy::{Deployment, Model, Pool};
use weir_domain::time::Timestamp;

pub(crate) use follow::{Follower, Means};
pub(crate) use kept::Kept;

/// The directory that counts now; none before the first.
pub(crate) type SharedDirectory = Arc<ArcSwapOption<Index>>;

/// A directory, indexed.
#[derive(Debug, Default)]
pub(crate) struct Index {
    keys: HashMap<KeyHash, Key>,
    models: HashMap<Box<str>, Arc<ServedModel>>,
    /// By the name that the upstream knows, for callers that use it.
    deployments: HashMap<Box<str>, Arc<ServedModel>>,
}

#[derive(Debug)]
struct Key {
    caller: Caller,
    expires: Option<Timestamp>,
}

/// Who calls.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) key: CallerKeyId,
    pub(crate) service: Arc<ServiceEntry>,
    /// The only models that the key may call; none stated means all that the service may.
    models: Arc<[ModelName]>,
}

impl Caller {
    /// The service's allocation in a pool, if it has one.
    pub(crate) fn allocation(&self, pool: &PoolId) -> Option<&PoolEntry> {
        self.service.pools.iter().find(|entry| entry.pool == *pool)
    }

    /// Whether the key may call the model, as far as the key goes.
    pub(crate) fn key_allows(&self, model: &ModelName) -> bool {
        self.models.is_empty() || self.models.contains(model)
    }

    /// Whether the caller may use a model.
    pub(crate) fn may_use(&self, served: &ServedModel) -> bool {
        self.key_allows(&served.model.name) && self.allocation(&served.pool).is_some()
    }
}

/// A model and where it is served.
#[derive(Debug)]
pub(crate) struct ServedModel {
    pub(crate) pool: PoolId,
    pub(crate) model: Model,
    pub(crate) deployments: Vec<Deployment>,
    turn: AtomicUsize,
}

impl ServedModel {
    /// The deployments in turn: each call begins with the next one.
    pub(crate) fn in_turn(&self) -> impl Iterator<Item = &Deployment> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.deployments.len().max(1);
        self.deployments[turn..].iter().chain(&self.deployments[..turn])
    }
}

impl Index {
    /// Indexes a directory. Keys of services that it does not know are left out.
    pub(crate) fn new(directory: Directory) -> Self {
        let mut index = Self::default();
        for pool in &directory.pools {
            index.add_pool(pool);
        }
        let services: HashMap<_, _> =
            directory.services.into_iter().map(|entry| (entry.id.clone(), Arc::new(entry))).collect();
        for key in directory.keys {
            if let Some(service) = services.get(&key.service) {
                let (service, models) = (Arc::clone(service), key.models.into());
                let caller = Caller { key: key.id, service, models };
                index.keys.insert(key.hash, Key { caller, expires: key.expires });
            }
        }
        index
    }

    /// Who holds the key with this hash, if it is accepted now.
    pub(crate) fn caller(&self, hash: &KeyHash, now: Timestamp) -> Option<&Caller> {
        let key = self.keys.get(hash)?;
        key.expires.is_none_or(|expires| now < expires).then_some(&key.caller)
    }

    /// The model that callers mean by a name: a model's own, or else that of a deployment.
    pub(crate) fn model(&self, name: &str) -> Option<&Arc<ServedModel>> {
        self.models.get(name).or_else(|| self.deployments.get(name))
    }

    /// The models that a caller may use, by name.
    pub(crate) fn models_of(&self, caller: &Caller) -> Vec<&ServedModel> {
        let mut usable: Vec<_> =
            self.models.values().map(Arc::as_ref).filter(|served| caller.may_use(served)).collect();
        usable.sort_by(|a, b| a.model.name.cmp(&b.model.name));
        usable
    }

    fn add_pool(&mut self, pool: &Pool) {
        for model in &pool.models {
            let deployments: Vec<Deployment> = pool
                .deployments
                .iter()
                .filter(|deployment| deployment.model == model.name)
                .cloned()
                .collect();
            let served = Arc::new(ServedModel {
                pool: pool.id.clone(),
                model: model.clone(),
                turn: AtomicUsize::new(0),
                deployments,
            });
            for deployment in &served.deployments {
                self.deployments.entry(deployment.id.as_str().into()).or_insert_with(|| Arc::clone(&served));
            }
            self.models.insert(model.name.as_str().into(), served);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use weir_domain::amount::{Tokens, TokensPerMinute};
    use weir_domain::directory::{CallerKey, KeyHolder};
    use weir_domain::ids::{DeploymentId, ServiceId, TeamId, UpstreamId};
    use weir_domain::policy::{Encoding, FailureMode, Thresholds};

    /// Two pools: `chat` with `gpt-4o` and `mini` on deployments `d-1` to `d-3`, `other` with `secret` on `d-4`. Service `bot` is
    /// in `chat`; its third key may call `mini` only.
    pub(crate) fn sample() -> Index {
        let model = |name: &str| Model {
            name: ModelName::try_new(name).unwrap(),
            encoding: Encoding::O200kBase,
            output_max: Tokens::new(1_000),
        };
        let deployment = |id: &str, model: &str| Deployment {
            upstream: UpstreamId::try_new("u").unwrap(),
            id: DeploymentId::try_new(id).unwrap(),
            model: ModelName::try_new(model).unwrap(),
        };
        let pool = |id: &str, models, deployments| Pool {
            id: PoolId::try_new(id).unwrap(),
            capacity: TokensPerMinute::new(1),
            requests: None,
            thresholds: Thresholds::default(),
            models,
            deployments,
        };
        let key = |id: &str, byte, expires, models| CallerKey {
            id: CallerKeyId::try_new(id).unwrap(),
            hash: KeyHash::new([byte; 32]),
            service: ServiceId::try_new("bot").unwrap(),
            holder: KeyHolder::Workload,
            expires,
            models,
        };
        Index::new(Directory {
            version: 1,
            pools: vec![
                pool(
                    "chat",
                    vec![model("gpt-4o"), model("mini")],
                    vec![deployment("d-1", "gpt-4o"), deployment("d-2", "gpt-4o"), deployment("d-3", "mini")],
                ),
                pool("other", vec![model("secret")], vec![deployment("d-4", "secret")]),
            ],
            services: vec![ServiceEntry {
                id: ServiceId::try_new("bot").unwrap(),
                team: TeamId::try_new("team").unwrap(),
                pools: vec![PoolEntry {
                    pool: PoolId::try_new("chat").unwrap(),
                    failure: FailureMode::Closed,
                }],
            }],
            keys: vec![
                key("k-1", 1, None, vec![]),
                key("k-2", 2, Some(Timestamp::from_secs(100)), vec![]),
                key(
                    "k-3",
                    3,
                    None,
                    vec![ModelName::try_new("mini").unwrap(), ModelName::try_new("secret").unwrap()],
                ),
            ],
        })
    }

    #[test]
    fn a_key_is_accepted_until_it_expires() {
        let index = sample();
        let caller =
            |byte, secs| index.caller(&KeyHash::new([byte; 32]), Timestamp::from_secs(secs)).is_some();
        assert!(caller(1, 1_000));
        assert!(caller(2, 99));
        assert!(!caller(2, 100));
        assert!(!caller(4, 0));
    }

    #[test]
    fn deployments_take_turns() {
        let index = sample();
        let served = index.model("gpt-4o").unwrap();
        let first = || served.in_turn().next().unwrap().id.to_string();
        assert_eq!([first(), first(), first()], ["d-1", "d-2", "d-1"]);
        assert_eq!(served.in_turn().count(), 2);
    }

    #[test]
    fn a_caller_sees_the_models_that_its_service_and_its_key_may_use() {
        let index = sample();
        let names = |byte| {
            let caller = index.caller(&KeyHash::new([byte; 32]), Timestamp::EPOCH).unwrap();
            index.models_of(caller).iter().map(|served| served.model.name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(1), ["gpt-4o", "mini"]);
        assert_eq!(
            names(3),
            ["mini"],
            "the key names `secret` too, but the service has no allocation for it"
        );
    }
}
