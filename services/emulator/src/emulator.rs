//! What the emulator's requests share: deployments with their limits and caches, the ledger, the clock.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use secrecy::ExposeSecret;
use serde_json::Value;
use weir_domain::time::Timestamp;
use weir_runtime::clock::Clock;
use weir_runtime::tokenizer::Tokenizer;

use crate::config::{Config, Deployment};
use crate::ledger::Ledger;
use crate::ledger_file::LedgerFileError;
use crate::limits::Limiter;
use crate::plan::Author;
use crate::prompt_cache::{Prefixes, PromptCache};
use crate::random::{Draws, Seed};
use crate::text::Vocabulary;

/// The state that all connections share.
pub(crate) struct Emulator {
    pub(crate) config: Config,
    pub(crate) ledger: Ledger,
    clock: Arc<dyn Clock>,
    deployments: Vec<Arc<Deployed>>,
    requests: AtomicU64,
}

/// A deployment and what it has to remember.
#[derive(Debug)]
pub(crate) struct Deployed {
    pub(crate) config: Deployment,
    pub(crate) tokenizer: Tokenizer,
    pub(crate) vocabulary: Vocabulary,
    limiter: Mutex<Limiter>,
    prompt_cache: Mutex<PromptCache>,
}

impl Emulator {
    pub(crate) fn new(config: Config, clock: Arc<dyn Clock>) -> Result<Self, LedgerFileError> {
        let ledger = Ledger::open(config.ledger_file.as_deref(), config.ledger_entries_max)?;
        let deployments = config.deployments.iter().map(|deployment| Arc::new(Deployed::new(deployment)));
        let deployments = deployments.collect();
        Ok(Self { ledger, clock, deployments, requests: AtomicU64::new(0), config })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The deployment of this name, else the first of this model.
    pub(crate) fn deployed(&self, name: &str) -> Option<&Arc<Deployed>> {
        let by_name = self.deployments.iter().find(|deployed| deployed.config.name == name);
        by_name.or_else(|| self.deployments.iter().find(|deployed| deployed.config.model() == name))
    }

    pub(crate) fn deployments(&self) -> &[Arc<Deployed>] {
        &self.deployments
    }

    /// Whether the request carries a key that is accepted.
    pub(crate) fn lets_in(&self, headers: &HeaderMap) -> bool {
        let bearer = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let api_key = headers.get("api-key").map(http::HeaderValue::as_bytes);
        let presented: Vec<_> = bearer.into_iter().chain(api_key).collect();
        let mut keys = self.config.keys.iter().map(|key| key.expose_secret().as_bytes());
        self.config.keys.is_empty() || keys.any(|key| presented.contains(&key))
    }

    /// The randomness of the next request: a function of the seed and of how many came before.
    pub(crate) fn draws(&self) -> Draws {
        let before = self.requests.fetch_add(1, Ordering::Relaxed);
        Draws::new(Seed::new(self.config.seed).with_number(before).get())
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Deployed {
    fn new(config: &Deployment) -> Self {
        let tokenizer = Tokenizer::of(config.encoding.into());
        Self {
            tokenizer,
            vocabulary: Vocabulary::new(tokenizer),
            limiter: Mutex::new(Limiter::new(config)),
            prompt_cache: Mutex::default(),
            config: config.clone(),
        }
    }

    pub(crate) fn author(&self, seed: u64) -> Author<'_> {
        Author { deployment: &self.config, vocabulary: &self.vocabulary, seed }
    }

    pub(crate) fn limiter(&self) -> MutexGuard<'_, Limiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many tokens of the prompt are cached. Remembers the prompt for the next time.
    pub(crate) fn cached_tokens(&self, body: &Value, prompt_tokens: u64) -> u64 {
        if let Some(share) = self.config.cached_share {
            return crate::plan::part(prompt_tokens, share);
        }
        let prefixes = Prefixes::of(self.tokenizer, body, prompt_tokens);
        self.prompt_cache.lock().unwrap_or_else(PoisonError::into_inner).look_up(&prefixes)
    }
}
