//! The issuer's keys, and when they are fetched anew.
//!
//! Looking a key up never waits. A token whose key is not known asks for a refresh; however many do, keys are fetched
//! at most once a minute, so that forged tokens cannot be made to flood the issuer.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::TokenRefused;
use super::fetch::FetchError;

/// What an issuer may sign with. No HMAC: whoever could verify it could forge it. And not `none`.
pub(super) const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];
/// Issuers list two or three; more than this is a mistake, and all of them are tried in turn to be read.
const KEYS_MAX: usize = 64;
/// Between two fetches, so that forged tokens do not become a flood at the issuer.
const FETCH_PAUSE: Duration = Duration::from_mins(1);
/// After a fetch that failed: soon enough for an issuer that starts together with this service.
const RETRY_PAUSE: Duration = Duration::from_secs(5);
/// However well known all keys are: a key that the issuer no longer lists is accepted no longer than this.
const AGE_MAX: Duration = Duration::from_hours(1);

/// The issuer's keys as last fetched.
#[derive(Default)]
pub(super) struct Keys {
    set: ArcSwapOption<KeySet>,
    wanted: Notify,
}

/// Keys that can verify a token.
#[derive(Default)]
pub(super) struct KeySet(Vec<Key>);

struct Key {
    id: Option<String>,
    /// The one that it may be used for, so that a token cannot choose another.
    algorithm: Algorithm,
    public: Arc<DecodingKey>,
}

impl Keys {
    /// The key that a token names. One that names none has the only key of its algorithm.
    pub(super) fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Arc<DecodingKey>, TokenRefused> {
        let set = self.set.load();
        let Some(set) = set.as_deref() else { return Err(TokenRefused::NoKeys) };
        set.find(id, algorithm).map(Arc::clone).ok_or_else(|| {
            self.wanted.notify_one();
            TokenRefused::UnknownKey
        })
    }

    /// From now on these are the issuer's keys.
    pub(super) fn set(&self, set: KeySet) {
        self.set.store(Some(Arc::new(set)));
    }

    /// Fetches now, whenever an unknown key was asked for, and every hour, until shutdown.
    pub(super) async fn refresh<F>(&self, fetch: impl Fn() -> F, shutdown: CancellationToken)
    where
        F: Future<Output = Result<KeySet, FetchError>>,
    {
        let refreshing = async {
            loop {
                self.fetch_until_done(&fetch).await;
                tokio::time::sleep(FETCH_PAUSE).await;
                let _ =
                    tokio::time::timeout(AGE_MAX.saturating_sub(FETCH_PAUSE), self.wanted.notified()).await;
            }
        };
        shutdown.run_until_cancelled(refreshing).await;
    }

    /// The keys that were fetched last go on while the issuer cannot be asked.
    async fn fetch_until_done<F>(&self, fetch: &impl Fn() -> F)
    where
        F: Future<Output = Result<KeySet, FetchError>>,
    {
        loop {
            match fetch().await {
                Ok(set) => {
                    tracing::info!(keys = set.0.len(), "keys of the issuer fetched");
                    return self.set(set);
                }
                Err(problem) => tracing::warn!(%problem, "keys of the issuer cannot be fetched"),
            }
            let known = self.set.load().is_some();
            tokio::time::sleep(if known { FETCH_PAUSE } else { RETRY_PAUSE }).await;
        }
    }
}

impl KeySet {
    /// Reads a JSON Web Key Set: RFC 7517, 5. Keys that cannot verify a token are left out, as it asks.
    pub(super) fn from_json(set: &Value) -> Option<Self> {
        let keys = set.get("keys")?.as_array()?;
        if keys.len() > KEYS_MAX {
            tracing::warn!(
                keys = keys.len(),
                max = KEYS_MAX,
                "the issuer lists too many keys; the first are taken"
            );
        }
        Some(Self(keys.iter().take(KEYS_MAX).filter_map(Key::from_json).collect()))
    }

    fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&Arc<DecodingKey>> {
        let mut fitting = self.0.iter().filter(|key| key.algorithm == algorithm);
        match id {
            Some(id) => fitting.find(|key| key.id.as_deref() == Some(id)).map(|key| &key.public),
            None => match (fitting.next(), fitting.next()) {
                (Some(only), None) => Some(&only.public),
                _ => None,
            },
        }
    }
}

impl Key {
    fn from_json(key: &Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(key.clone()).ok()?;
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
            _ => return None,
        };
        let common = &jwk.common;
        let signs = common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
        let fits = common.key_algorithm.is_none_or(|stated| stated == algorithm.into());
        let public = Arc::new(DecodingKey::from_jwk(&jwk).ok()?);
        (signs && fits).then(|| Self { id: common.key_id.clone(), algorithm, public })
    }
}
