//! TLS to the quota service, as whoever calls it sees it: the settings, and the connection that they come to.
//!
//! Whom the service takes the caller for is its own business.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use serde::Deserialize;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use crate::config::Problem;

/// How a caller of the quota service speaks TLS to it, where its URL is https.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct ClientTls {
    /// Who issued the service's certificate, in PEM.
    pub ca_file: Option<PathBuf>,
    /// What to present to the service, in PEM, where certificates give roles.
    pub certificate: Option<PathBuf>,
    /// Its private key, in PEM.
    pub key: Option<PathBuf>,
    /// A name in the service's certificate, where the host of its URL is none.
    pub domain_name: Option<String>,
    /// The service's own certificate, in PEM, for those beside it: they trust no other, and this one under any name.
    #[serde(skip)]
    pub pinned: Option<PathBuf>,
}

/// Why there can be no TLS to the quota service.
#[derive(Debug, thiserror::Error)]
pub enum ClientTlsError {
    /// A file cannot be read.
    #[error("{setting} {path} cannot be read")]
    Unreadable {
        /// Which setting names it.
        setting: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The service's own certificate is none.
    #[error("quota.tls.certificate {path} holds no certificate in PEM")]
    Pinned {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        #[source]
        source: pem::Error,
    },
    /// Nobody is trusted.
    #[error("the quota service's URL is https: say in quota_tls.ca_file who issued its certificate (PEM)")]
    NobodyTrusted,
    /// What the files hold is not usable.
    #[error("the files of quota_tls are not certificates and a key in PEM that belong together")]
    Unusable(#[from] tonic::transport::Error),
}

impl ClientTls {
    /// All that is wrong with the settings in a section, for a service at this URL.
    pub fn problems(&self, section: &str, url: &str) -> Vec<Problem> {
        let mut found = Vec::new();
        let mut add = |key: &str, message: &str| {
            found.push(Problem { place: format!("{section}.{key}"), message: message.to_owned() });
        };
        match (&self.certificate, &self.key) {
            (Some(_), None) => add("key", "is missing; state the certificate's key, too"),
            (None, Some(_)) => add("certificate", "is missing; state what the key is for, too"),
            _ => {}
        }
        let is_https = url.starts_with("https:");
        if is_https && self.ca_file.is_none() && self.pinned.is_none() {
            add("ca_file", &format!("is missing; {url} is https: say who issued its certificate (PEM)"));
        }
        let stated = Self { pinned: None, ..self.clone() };
        if !is_https && stated != Self::default() {
            add("ca_file", &format!("and its like are for https, and {url} is not; make it https://…"));
        }
        found
    }

    /// Has an endpoint speak TLS, if its URL is https.
    pub fn secure(&self, endpoint: Endpoint) -> Result<Endpoint, ClientTlsError> {
        if endpoint.uri().scheme_str() != Some("https") {
            return Ok(endpoint);
        }
        let mut tls = ClientTlsConfig::new();
        if let Some(name) = &self.domain_name {
            tls = tls.domain_name(name);
        }
        if let (Some(certificate), Some(key)) = (&self.certificate, &self.key) {
            let certificate = read("quota_tls.certificate", certificate)?;
            tls = tls.identity(Identity::from_pem(certificate, read("quota_tls.key", key)?));
        }
        match (&self.ca_file, &self.pinned) {
            (Some(ca_file), _) => {
                let ca = Certificate::from_pem(read("quota_tls.ca_file", ca_file)?);
                Ok(endpoint.tls_config(tls.ca_certificate(ca))?)
            }
            (None, Some(own)) => Ok(endpoint.tls_config_with_verifier(tls, Arc::new(Pinned::read(own)?))?),
            (None, None) => Err(ClientTlsError::NobodyTrusted),
        }
    }
}

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, ClientTlsError> {
    std::fs::read(path).map_err(|source| ClientTlsError::Unreadable {
        setting,
        path: path.to_owned(),
        source,
    })
}

/// Trusts one certificate. That whoever shows it has its key is checked as ever.
#[derive(Debug)]
struct Pinned {
    certificate: CertificateDer<'static>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Pinned {
    fn read(path: &Path) -> Result<Self, ClientTlsError> {
        let certificate = CertificateDer::from_pem_file(path)
            .map_err(|source| ClientTlsError::Pinned { path: path.to_owned(), source })?;
        let installed = CryptoProvider::get_default();
        let algorithms = installed.map_or_else(
            || ring::default_provider().signature_verification_algorithms,
            |provider| provider.signature_verification_algorithms,
        );
        Ok(Self { certificate, algorithms })
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *shown == self.certificate {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTTPS: &str = "https://quota:7070";

    #[test]
    fn what_is_missing_or_makes_no_sense_is_named_at_once() {
        let places = |tls: &ClientTls, url: &str| {
            let problems = tls.problems("gateway.quota_tls", url);
            problems.into_iter().map(|problem| problem.place).collect::<Vec<_>>()
        };
        let none = ClientTls::default();
        assert_eq!(places(&none, "http://quota:7070"), [""; 0]);
        assert_eq!(places(&none, HTTPS), ["gateway.quota_tls.ca_file"]);
        assert_eq!(places(&ClientTls { pinned: Some("own".into()), ..none.clone() }, HTTPS), [""; 0]);
        let half = ClientTls { certificate: Some("c".into()), ..none.clone() };
        assert_eq!(places(&half, HTTPS), ["gateway.quota_tls.key", "gateway.quota_tls.ca_file"]);
        let whole = ClientTls { ca_file: Some("ca".into()), key: Some("k".into()), ..half };
        assert_eq!(places(&whole, HTTPS), [""; 0]);
        assert_eq!(places(&whole, "http://quota:7070"), ["gateway.quota_tls.ca_file"]);
        assert_eq!(
            places(&ClientTls { key: Some("k".into()), ..none }, HTTPS)[0],
            "gateway.quota_tls.certificate"
        );
    }

    #[test]
    fn a_file_that_is_not_there_is_named_with_its_setting() {
        let endpoint = Endpoint::from_static(HTTPS);
        let tls = ClientTls { ca_file: Some("/nowhere/ca.pem".into()), ..ClientTls::default() };
        let told = tls.secure(endpoint.clone()).unwrap_err().to_string();
        assert_eq!(told, "quota_tls.ca_file /nowhere/ca.pem cannot be read");
        let tls = ClientTls { pinned: Some("/nowhere/own.pem".into()), ..ClientTls::default() };
        let told = tls.secure(endpoint.clone()).unwrap_err().to_string();
        assert!(told.starts_with("quota.tls.certificate /nowhere/own.pem"), "{told}");
        assert!(matches!(ClientTls::default().secure(endpoint), Err(ClientTlsError::NobodyTrusted)));
        assert!(ClientTls::default().secure(Endpoint::from_static("http://quota:7070")).is_ok());
    }
}
