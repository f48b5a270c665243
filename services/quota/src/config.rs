//! Settings of the quota service: section `[quota]` of `weir.toml`.

use serde::Deserialize;
use weir_domain::amount::TokensPerMinute;
use weir_domain::policy::Rules;
use weir_runtime::config::Problem;
use weir_runtime::secrets::SecretSource;

pub use crate::api::envoy::settings::{Charge, EntryKey, Envoy, Part, Rule, Unmatched};
pub use crate::auth::settings::{Auth, Holder, Oidc, RoleName, Tls};

/// Settings of the quota service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Where gRPC is served. Whoever starts the service binds it.
    pub listen: String,
    /// This node's name: the source of the facts it records.
    pub node: String,
    /// The admin token. Without one, and without `auth`, calls are accepted from this machine only.
    ///
    /// Whoever starts the service fetches it and hands it over in `Ports`.
    pub token: Option<SecretSource>,
    /// TLS of the listener. Without it gRPC is in the clear.
    pub tls: Option<Tls>,
    /// Who else may call.
    pub auth: Auth,
    /// What Envoy filters ask about.
    pub envoy: Envoy,
    /// The most that a service without a named owner and a use case may reach in a pool, in tokens a minute.
    pub sandbox_tokens_per_minute: u64,
    /// Whether whoever asked for a burst may approve and extend it. Where one person does everything they must; where there
    /// are more, false makes it two who decide.
    pub requester_may_approve: bool,
    /// After how many events a snapshot is written to the data directory, so that a start reads no more than those.
    /// Zero: only at a clean end.
    pub snapshot_every_events: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:7070".to_owned(),
            node: "quota-1".to_owned(),
            token: None,
            tls: None,
            auth: Auth::default(),
            envoy: Envoy::default(),
            sandbox_tokens_per_minute: 1_000,
            requester_may_approve: true,
            snapshot_every_events: 100_000,
        }
    }
}

impl Config {
    /// All that is wrong with settings that hang together.
    pub fn problems(&self) -> Vec<Problem> {
        let mut found = self.auth.problems(self.tls.as_ref());
        found.extend(self.envoy.problems());
        found
    }

    /// The rules for policies.
    pub(crate) fn rules(&self) -> Rules {
        Rules {
            sandbox: TokensPerMinute::new(self.sandbox_tokens_per_minute),
            requester_may_approve: self.requester_may_approve,
        }
    }
}
