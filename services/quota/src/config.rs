//! Settings of the quota service: section `[quota]` of `weir.toml`.

use serde::Deserialize;
use weir_runtime::secrets::SecretSource;

/// Settings of the quota service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Where gRPC is served. Whoever starts the service binds it.
    pub listen: String,
    /// This node's name: the source of the facts it records.
    pub node: String,
    /// The bearer token that every call must present. Without one, calls are accepted from this machine only.
    ///
    /// Whoever starts the service fetches it and hands it over in `Ports`.
    pub token: Option<SecretSource>,
}

impl Default for Config {
    fn default() -> Self {
        Self { listen: "127.0.0.1:7070".to_owned(), node: "quota-1".to_owned(), token: None }
    }
}
