//! Fetches the issuer's keys over HTTP: OpenID Connect Discovery 1.0, 4, then the JSON Web Key Set it names.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::uri::InvalidUri;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use serde_json::Value;

use super::keys::KeySet;
use crate::auth::settings::{Oidc, is_trustworthy};

/// How long one document may take; nobody waits for it.
const FETCH_MAX: Duration = Duration::from_secs(10);
/// Far more than any issuer's documents have.
const DOCUMENT_BYTES_MAX: usize = 256 * 1024;

/// Why the issuer's keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// This process has no TLS.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// A document did not come.
    #[error("{url} cannot be fetched: {reason}")]
    Http {
        /// Where it is.
        url: String,
        /// Why not.
        reason: String,
    },
    /// A document does not say what it must.
    #[error("{url} {problem}")]
    Document {
        /// Where it is.
        url: String,
        /// What is wrong.
        problem: &'static str,
    },
}

/// Fetches the keys of one issuer.
pub(super) struct Fetcher {
    issuer: String,
    jwks_url: Option<String>,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

impl Fetcher {
    pub(super) fn new(settings: &Oidc) -> Result<Self, FetchError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_webpki_roots()
            .with_no_client_auth();
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { issuer: settings.issuer.clone(), jwks_url: settings.jwks_url.clone(), client })
    }

    /// The keys as the issuer lists them now.
    pub(super) async fn fetch(&self) -> Result<KeySet, FetchError> {
        let url = match &self.jwks_url {
            Some(url) => url.clone(),
            None => self.discover().await?,
        };
        let problem = "is not a JSON Web Key Set";
        KeySet::from_json(&self.get(&url).await?).ok_or(FetchError::Document { url, problem })
    }

    /// Where the issuer says that its keys are.
    async fn discover(&self) -> Result<String, FetchError> {
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let document = self.get(&url).await?;
        let text = |key: &str| document.get(key).and_then(Value::as_str);
        if text("issuer") != Some(&self.issuer) {
            return Err(FetchError::Document { url, problem: "is the document of another issuer" });
        }
        match text("jwks_uri") {
            Some(keys) if is_trustworthy(keys) => Ok(keys.to_owned()),
            _ => Err(FetchError::Document { url, problem: "names no jwks_uri with https" }),
        }
    }

    async fn get(&self, url: &str) -> Result<Value, FetchError> {
        let failed = |reason: String| FetchError::Http { url: url.to_owned(), reason };
        let uri: Uri = url.parse().map_err(|problem: InvalidUri| failed(problem.to_string()))?;
        let fetched = async {
            let response = self.client.get(uri).await.map_err(|problem| failed(whole(&problem)))?;
            let status = response.status();
            if !status.is_success() {
                return Err(failed(format!("it answered {status}")));
            }
            let body = Limited::new(response.into_body(), DOCUMENT_BYTES_MAX).collect().await;
            Ok(body.map_err(|problem| failed(whole(&*problem)))?.to_bytes())
        };
        let body = tokio::time::timeout(FETCH_MAX, fetched).await;
        let body = body.map_err(|_| failed(format!("it took longer than {FETCH_MAX:?}")))??;
        serde_json::from_slice(&body).map_err(|problem| failed(problem.to_string()))
    }
}

/// A problem and what caused it: the client's own words do not say why.
fn whole(problem: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(problem), |problem| problem.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
