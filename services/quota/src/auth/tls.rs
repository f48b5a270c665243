//! TLS of the gRPC listener, from files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

use super::settings::Tls;

/// What gRPC is spoken over: RFC 7301, and RFC 9113, 3.2.
const HTTP_2: &[u8] = b"h2";

/// A file that TLS needs cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It cannot be read.
    #[error("quota.tls.{setting}: {path} cannot be read")]
    Unreadable {
        /// Which setting names it.
        setting: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// It is not in PEM, or holds something else.
    #[error("quota.tls.{setting}: {path} does not hold it in PEM")]
    NotPem {
        /// Which setting names it.
        setting: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: pem::Error,
    },
    /// The certificate and the key are not a pair that can be used.
    #[error("quota.tls.certificate and quota.tls.key cannot be used together")]
    Pair(#[source] rustls::Error),
    /// The authority of callers' certificates cannot be used.
    #[error("quota.tls.client_ca cannot be used")]
    ClientCa(#[source] VerifierBuilderError),
    /// The authority of callers' certificates is none.
    #[error("quota.tls.client_ca holds a certificate that cannot be used")]
    Root(#[source] rustls::Error),
}

/// Reads the files. Callers may present a certificate and need not: a token says who they are as well.
pub(crate) fn server(tls: &Tls) -> Result<ServerConfig, TlsError> {
    let chain = certificates("certificate", &tls.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&read("key", &tls.key)?)
        .map_err(|source| not_pem("key", &tls.key, source))?;
    let callers: Arc<dyn ClientCertVerifier> = match &tls.client_ca {
        None => Arc::new(NoClientAuth),
        Some(path) => issued_by(certificates("client_ca", path)?)?,
    };
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().map_err(TlsError::Pair)?;
    let config = config.with_client_cert_verifier(callers).with_single_cert(chain, key);
    let mut config = config.map_err(TlsError::Pair)?;
    config.alpn_protocols = vec![HTTP_2.to_vec()];
    Ok(config)
}

fn issued_by(authorities: Vec<CertificateDer<'static>>) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority).map_err(TlsError::Root)?;
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    verifier.allow_unauthenticated().build().map_err(TlsError::ClientCa)
}

fn certificates(setting: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(setting, path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match certificates.map_err(|source| not_pem(setting, path, source))? {
        none if none.is_empty() => Err(not_pem(setting, path, pem::Error::NoItemsFound)),
        some => Ok(some),
    }
}

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Unreadable { setting, path: path.to_owned(), source })
}

fn not_pem(setting: &'static str, path: &Path, source: pem::Error) -> TlsError {
    TlsError::NotPem { setting, path: path.to_owned(), source }
}
