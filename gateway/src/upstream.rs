//! Upstream endpoints: where they are, how they want to be called, and the connections to them.
//!
//! HTTP/1.1 with a pool of connections for each; TLS by rustls. Certificates: the public ones, or those of a file.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri};
use http_body_util::Full;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use weir_domain::ids::{DeploymentId, InvalidName, UpstreamId};
use weir_domain::usage::Operation;
use weir_runtime::secrets::SecretError;

use crate::config::{UpstreamConfig, UpstreamKind};
use crate::headers::API_KEY;
use crate::link::{CallError, Exchange, Link, UpstreamBody};
use crate::pool::Pool;

/// Upstreams by name.
pub(crate) type Upstreams = HashMap<UpstreamId, Arc<Upstream>>;

/// Why an upstream cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The name is none.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// The address is none.
    #[error("upstream {name}: base_url {url:?} is not a URL such as \"https://host\"")]
    Url {
        /// Which upstream.
        name: String,
        /// What was given.
        url: String,
    },
    /// Its key cannot be had.
    #[error("upstream {name} has no key")]
    Key {
        /// Which upstream.
        name: String,
        /// Why not.
        #[source]
        source: SecretError,
    },
    /// Its key has characters that no header may have.
    #[error("upstream {name}: the key has characters that cannot be sent")]
    KeyText {
        /// Which upstream.
        name: String,
    },
    /// Its certificates cannot be read.
    #[error("upstream {name}: ca_file {path} holds no certificates that can be read: {reason}")]
    Certificates {
        /// Which upstream.
        name: String,
        /// The file.
        path: std::path::PathBuf,
        /// Why not.
        reason: String,
    },
}

/// One upstream.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) id: UpstreamId,
    kind: UpstreamKind,
    base: String,
    api_version: String,
    credential: (HeaderName, HeaderValue),
    /// Of its address, as requests name it.
    host: HeaderValue,
    connector: HttpsConnector<HttpConnector>,
    idle: Arc<Pool>,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream").field("id", &self.id).field("base", &self.base).finish_non_exhaustive()
    }
}

impl Upstream {
    /// Sets an upstream up. Fetches its key; connects to nothing yet.
    pub(crate) fn new(config: &UpstreamConfig) -> Result<Self, UpstreamError> {
        let name = || config.name.clone();
        let key = config.api_key.fetch().map_err(|source| UpstreamError::Key { name: name(), source })?;
        let credential =
            credential(config.kind, &key).ok_or_else(|| UpstreamError::KeyText { name: name() })?;
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(config)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let base = base_of(config)?;
        Ok(Self {
            id: UpstreamId::try_new(&config.name)?,
            kind: config.kind,
            host: host_of(config, &base)?,
            base,
            api_version: config.api_version.clone(),
            credential,
            connector,
            idle: Arc::default(),
        })
    }

    /// Whether the upstream reads the model from the body, where it must be the deployment's name.
    pub(crate) fn reads_model(&self) -> bool {
        self.kind == UpstreamKind::OpenAi
    }

    /// Where to send work for a deployment. None if the configured API version cannot stand in a URL.
    pub(crate) fn url(
        &self,
        operation: Operation,
        deployment: &DeploymentId,
        api_version: Option<&str>,
    ) -> Option<Uri> {
        let work = match operation {
            Operation::ChatCompletions => "chat/completions",
            Operation::Embeddings => "embeddings",
        };
        let base = &self.base;
        let url = match self.kind {
            UpstreamKind::OpenAi => format!("{base}/{work}"),
            UpstreamKind::Azure => {
                let version = api_version.unwrap_or(&self.api_version);
                format!("{base}/openai/deployments/{deployment}/{work}?api-version={version}")
            }
        };
        url.parse().ok()
    }

    /// Where a URL of ours is there, unchanged in what follows `/openai` or `/v1`. For pass-through.
    pub(crate) fn same_url(&self, uri: &Uri) -> Option<Uri> {
        let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let base = &self.base;
        let url = match self.kind {
            UpstreamKind::OpenAi => {
                let path = path.strip_prefix("/openai").unwrap_or(path);
                format!("{base}{}", path.strip_prefix("/v1").unwrap_or(path))
            }
            UpstreamKind::Azure if path.starts_with("/openai") => format!("{base}{path}"),
            UpstreamKind::Azure => format!("{base}/openai{path}"),
        };
        url.parse().ok()
    }

    /// Sends a request, with the upstream's credentials; gives back its answer as far as the head.
    pub(crate) async fn call(
        &self,
        url: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<UpstreamBody>, CallError> {
        let mut request = self.request(&url, headers, body);
        while let Some(link) = self.idle.take().await {
            match link.exchange(request, &self.idle).await {
                Exchange::Answered(response) => return Ok(response),
                Exchange::Broke(problem) => return Err(CallError::Broke(problem)),
                // It was closed while it was idle: another one is as good.
                Exchange::NotSent(unsent, _) => request = unsent,
            }
        }
        let link = Link::connect(self.connector.clone(), url).await?;
        match link.exchange(request, &self.idle).await {
            Exchange::Answered(response) => Ok(response),
            Exchange::Broke(problem) => Err(CallError::Broke(problem)),
            Exchange::NotSent(_, problem) => Err(CallError::NotSent(problem)),
        }
    }

    fn request(&self, url: &Uri, mut headers: HeaderMap, body: Bytes) -> Request<Full<Bytes>> {
        let (name, key) = self.credential.clone();
        headers.insert(name, key);
        headers.insert(HOST, self.host.clone());
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = url.path_and_query().cloned().map_or_else(Uri::default, Uri::from);
        *request.headers_mut() = headers;
        request
    }
}

/// The address in its normal form: no slash at the end, and for Azure no `/openai` either.
pub(crate) fn base_of(config: &UpstreamConfig) -> Result<String, UpstreamError> {
    let invalid = || UpstreamError::Url { name: config.name.clone(), url: config.base_url.clone() };
    let base = config.base_url.trim_end_matches('/');
    let base = match config.kind {
        UpstreamKind::Azure => base.strip_suffix("/openai").unwrap_or(base),
        UpstreamKind::OpenAi => base,
    };
    let uri: Uri = base.parse().map_err(|_| invalid())?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    if is_http && uri.host().is_some() && uri.query().is_none() {
        Ok(base.to_owned())
    } else {
        Err(invalid())
    }
}

fn host_of(config: &UpstreamConfig, base: &str) -> Result<HeaderValue, UpstreamError> {
    let uri: Option<Uri> = base.parse().ok();
    let host = uri
        .as_ref()
        .and_then(Uri::authority)
        .and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    host.ok_or_else(|| UpstreamError::Url { name: config.name.clone(), url: config.base_url.clone() })
}

fn credential(kind: UpstreamKind, key: &SecretString) -> Option<(HeaderName, HeaderValue)> {
    let (name, text) = match kind {
        UpstreamKind::Azure => (API_KEY, key.expose_secret().to_owned()),
        UpstreamKind::OpenAi => (AUTHORIZATION, format!("Bearer {}", key.expose_secret())),
    };
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

fn tls(config: &UpstreamConfig) -> Result<rustls::ClientConfig, UpstreamError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has suites for the default versions");
    let Some(path) = &config.ca_file else { return Ok(builder.with_webpki_roots().with_no_client_auth()) };
    let unreadable = |reason: String| UpstreamError::Certificates {
        name: config.name.clone(),
        path: path.clone(),
        reason,
    };
    let mut roots = rustls::RootCertStore::empty();
    for certificate in
        CertificateDer::pem_file_iter(path).map_err(|problem| unreadable(problem.to_string()))?
    {
        let certificate = certificate.map_err(|problem| unreadable(problem.to_string()))?;
        roots.add(certificate).map_err(|problem| unreadable(problem.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unreadable("it is empty".to_owned()));
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use weir_runtime::secrets::SecretSource;

    fn config(name: &str, kind: UpstreamKind, base_url: &str, key: &std::path::Path) -> UpstreamConfig {
        UpstreamConfig {
            name: name.to_owned(),
            kind,
            base_url: base_url.to_owned(),
            api_key: SecretSource::File(key.to_owned()),
            api_version: "2024-10-21".to_owned(),
            ca_file: None,
        }
    }

    fn upstream(name: &str, kind: UpstreamKind, base_url: &str) -> Upstream {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("key");
        std::fs::write(&key, "s3cret").unwrap();
        Upstream::new(&config(name, kind, base_url, &key)).unwrap()
    }

    /// Upstreams that are never called.
    pub(crate) fn upstreams_named(names: &[&str]) -> Upstreams {
        let named = |name: &&str| {
            let upstream = upstream(name, UpstreamKind::Azure, "http://127.0.0.1:9");
            (upstream.id.clone(), Arc::new(upstream))
        };
        names.iter().map(named).collect()
    }

    fn text(url: Option<Uri>) -> String {
        url.unwrap().to_string()
    }

    #[test]
    fn each_kind_has_its_urls() {
        let deployment = DeploymentId::try_new("d-1").unwrap();
        let azure = upstream("a", UpstreamKind::Azure, "https://x.openai.azure.com/openai/");
        assert_eq!(
            text(azure.url(Operation::ChatCompletions, &deployment, None)),
            "https://x.openai.azure.com/openai/deployments/d-1/chat/completions?api-version=2024-10-21"
        );
        let url = text(azure.url(Operation::Embeddings, &deployment, Some("2025-01-01-preview")));
        assert!(url.ends_with("/openai/deployments/d-1/embeddings?api-version=2025-01-01-preview"));
        let openai = upstream("o", UpstreamKind::OpenAi, "https://api.openai.com/v1/");
        assert_eq!(
            text(openai.url(Operation::Embeddings, &deployment, Some("x"))),
            "https://api.openai.com/v1/embeddings"
        );
    }

    #[test]
    fn a_passed_url_keeps_what_it_asks_for() {
        let azure = upstream("a", UpstreamKind::Azure, "http://x");
        let openai = upstream("o", UpstreamKind::OpenAi, "http://x/v1");
        let same = |upstream: &Upstream, uri: &str| text(upstream.same_url(&uri.parse().unwrap()));
        assert_eq!(
            same(&azure, "/openai/deployments/d/embeddings?a=b"),
            "http://x/openai/deployments/d/embeddings?a=b"
        );
        assert_eq!(same(&azure, "/v1/embeddings"), "http://x/openai/v1/embeddings");
        assert_eq!(same(&openai, "/openai/v1/embeddings"), "http://x/v1/embeddings");
        assert_eq!(same(&openai, "/v1/chat/completions"), "http://x/v1/chat/completions");
    }

    #[test]
    fn a_key_is_shown_nowhere() {
        let upstream = upstream("a", UpstreamKind::OpenAi, "http://x");
        assert_eq!(upstream.credential.1, "Bearer s3cret");
        assert!(!format!("{upstream:?} {:?}", upstream.credential).contains("s3cret"));
    }

    #[test]
    fn a_missing_key_is_named_with_its_upstream() {
        let config = config("azure", UpstreamKind::Azure, "http://x", std::path::Path::new("/nowhere/key"));
        let problem = Upstream::new(&config).unwrap_err();
        assert_eq!(problem.to_string(), "upstream azure has no key");
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("key");
        std::fs::write(&key, "not a certificate").unwrap();
        let config = UpstreamConfig {
            ca_file: Some(key.clone()),
            ..config("a", UpstreamKind::Azure, "https://x", &key)
        };
        assert!(matches!(Upstream::new(&config), Err(UpstreamError::Certificates { .. })));
    }
}
