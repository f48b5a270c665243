//! TLS of the gRPC listener, from files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use super::settings::Tls;

/// How long a handshake may take: a caller far away on a bad line needs about two seconds.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// A file that TLS needs cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("quota.tls.{setting}: {path} cannot be read")]
pub struct TlsError {
    /// Which setting names it.
    setting: &'static str,
    /// Where it should be.
    path: PathBuf,
    /// Why not.
    #[source]
    source: std::io::Error,
}

/// Reads the files. Callers may present a certificate and need not: a token says who they are as well.
pub(crate) fn server(tls: &Tls) -> Result<ServerTlsConfig, TlsError> {
    let identity = Identity::from_pem(read("certificate", &tls.certificate)?, read("key", &tls.key)?);
    let config = ServerTlsConfig::new().identity(identity).timeout(HANDSHAKE_MAX);
    let Some(client_ca) = &tls.client_ca else { return Ok(config) };
    let client_ca = Certificate::from_pem(read("client_ca", client_ca)?);
    Ok(config.client_ca_root(client_ca).client_auth_optional(true))
}

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError { setting, path: path.to_owned(), source })
}
