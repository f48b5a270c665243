//! A service with settings of its own for who may call, an issuer of signed tokens, and certificates.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};
use weir_domain::time::Timestamp;
use weir_quota::config::{Config, Tls};
use weir_quota::{Error, Ports};
use weir_runtime::clock::ManualClock;
use weir_runtime::health::Health;
use weir_runtime::journal::memory::MemoryJournal;

use crate::people::Person;
use crate::support::START_S;

/// A running service with its own settings.
pub(crate) struct Secured {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Arc<ManualClock>,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), Error>>,
}

impl Secured {
    pub(crate) async fn start(config: Config, token: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(START_S)));
        let ports = Ports {
            clock: clock.clone(),
            journal: Arc::new(MemoryJournal::new()),
            health: Health::default(),
            listener,
            token: token.map(|token| token.to_owned().into()),
            data_dir: None,
        };
        let shutdown = CancellationToken::new();
        #[expect(clippy::disallowed_methods, reason = "the test waits for it in `stop`")]
        let task = tokio::spawn(weir_quota::run(config, ports, shutdown.clone()));
        Self { address, clock, shutdown, task }
    }

    /// Whoever presents this token in the clear; an empty one is none.
    pub(crate) async fn person(&self, token: &str) -> Person {
        let endpoint = Channel::from_shared(format!("http://{}", self.address)).unwrap();
        Person::on(endpoint.connect().await.unwrap(), token)
    }

    /// Whoever presents this certificate, if any, and this token.
    pub(crate) async fn certified(
        &self,
        authority: &Authority,
        identity: Option<Identity>,
        token: &str,
    ) -> Result<Person, tonic::transport::Error> {
        let tls = ClientTlsConfig::new().ca_certificate(authority.certificate()).domain_name("localhost");
        let tls = identity.into_iter().fold(tls, ClientTlsConfig::identity);
        let endpoint = Channel::from_shared(format!("https://{}", self.address)).unwrap().tls_config(tls)?;
        Ok(Person::on(endpoint.connect().await?, token))
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// Somebody who issues certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Weir test authority");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn certificate(&self) -> Certificate {
        Certificate::from_pem(self.0.pem())
    }

    /// A certificate of a common name, good for `localhost`, and its key.
    fn issue(&self, common_name: &str) -> (String, String) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, common_name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    pub(crate) fn identity(&self, common_name: &str) -> Identity {
        let (certificate, key) = self.issue(common_name);
        Identity::from_pem(certificate, key)
    }

    /// Writes what a service needs into a folder: its own certificate, and whose certificates it accepts.
    pub(crate) fn serve_in(&self, dir: &Path) -> Tls {
        let (certificate, key) = self.issue("quota");
        let write = |name: &str, text: &str| -> PathBuf {
            let path = dir.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        Tls {
            certificate: write("tls.crt", &certificate),
            key: write("tls.key", &key),
            client_ca: Some(write("ca.crt", &self.0.pem())),
        }
    }
}

/// An issuer of signed tokens, which serves its keys over HTTP on this machine.
pub(crate) struct Issuer {
    pub(crate) url: String,
    server: JoinHandle<()>,
}

impl Issuer {
    pub(crate) async fn start(keys: &[(&str, &Key)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (issuer, keys) = (url.clone(), set_of(keys));
        #[expect(clippy::disallowed_methods, reason = "it ends with the issuer, when the test drops it")]
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = service_fn(async |request: Request<hyper::body::Incoming>| {
                    let document = match request.uri().path() {
                        "/.well-known/openid-configuration" => {
                            json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys") })
                        }
                        _ => keys.clone(),
                    };
                    Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(
                        document.to_string(),
                    ))))
                });
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer)
                    .await;
            }
        });
        Self { url, server }
    }

    /// The claims of a token for Weir, good for five minutes, with some of them changed.
    pub(crate) fn claims(&self, changes: &Value) -> Value {
        let mut claims = json!({
            "iss": self.url,
            "aud": "weir",
            "exp": START_S + 300,
            "email": "ada@example.com",
            "roles": ["quota-approvers"],
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn set_of(keys: &[(&str, &Key)]) -> Value {
    let jwk = |(id, key): &(&str, &Key)| json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "use": "sig", "x": b64(key.0.public_key()) });
    json!({ "keys": keys.iter().map(jwk).collect::<Vec<_>>() })
}

/// A key that signs tokens.
pub(crate) struct Key(Ed25519KeyPair);

impl Key {
    pub(crate) fn generate() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap())
    }

    pub(crate) fn sign(&self, id: &str, claims: &Value) -> String {
        let header = json!({ "alg": "EdDSA", "kid": id });
        let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let signature = self.0.sign(message.as_bytes());
        format!("{message}.{}", b64(signature))
    }
}

/// A token that nobody has signed.
pub(crate) fn unsigned(claims: &Value) -> String {
    format!("{}.{}.", b64(json!({ "alg": "none" }).to_string()), b64(claims.to_string()))
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
