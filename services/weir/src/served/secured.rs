//! TLS between the parts: what a certificate makes of a gateway and of a person, and what needs no setting.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use weir_proto::governance::v1::WhoAmIRequest;
use weir_quota::Config;
use weir_quota::config::{Auth, Tls};
use weir_runtime::client_tls::ClientTls;
use weir_runtime::clock::SystemClock;
use weir_runtime::health::Health;
use weir_runtime::journal::memory::MemoryJournal;
use weir_runtime::tasks::Tasks;

use super::{Served, TOKEN};
use crate::cli::Common;
use crate::client::{Quota, connect_to};

/// Longer than a handshake takes on the slowest machine; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Somebody who issues certificates, into a folder.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        crate::install_tls();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Weir test authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer, dir: tempfile::tempdir().unwrap() }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn ca_file(&self) -> PathBuf {
        self.write("ca.pem", &self.issuer.pem())
    }

    /// A certificate for a name, and its key.
    fn issue(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (
            self.write(&format!("{name}.pem"), &certificate.pem()),
            self.write(&format!("{name}.key"), &key.serialize_pem()),
        )
    }

    /// What a quota service of this name needs.
    fn serve_as(&self, name: &str) -> Tls {
        let (certificate, key) = self.issue(name);
        Tls { certificate, key, client_ca: Some(self.ca_file()) }
    }

    /// Whoever trusts this authority and presents a certificate for a name.
    fn presenting(&self, name: &str) -> ClientTls {
        let (certificate, key) = self.issue(name);
        let (certificate, key) = (Some(certificate), Some(key));
        ClientTls { ca_file: Some(self.ca_file()), certificate, key, ..ClientTls::default() }
    }
}

async fn secured(authority: &Authority, name: &str, holder: &str, role: &str) -> Served {
    let holders = serde_json::json!([{ "name": holder, "role": role }]);
    let auth = Auth { certificates: serde_json::from_value(holders).unwrap(), ..Auth::default() };
    Served::start(Config { tls: Some(authority.serve_as(name)), auth, ..Config::default() }).await
}

async fn name_of(mut quota: Quota) -> String {
    quota.governance.who_am_i(WhoAmIRequest {}).await.unwrap().into_inner().name
}

#[tokio::test]
async fn a_certificate_says_who_asks_and_then_no_token_is_needed() {
    let authority = Authority::new();
    let served = secured(&authority, "localhost", "ada.example.com", "viewer").await;
    let (url, token) = (format!("https://localhost:{}", served.port), TOKEN.to_owned().into());

    let nobody_trusted = connect_to(&url, &ClientTls::default(), Some(&token)).await.err().unwrap();
    assert!(nobody_trusted.to_string().contains("quota_tls.ca_file"), "{nobody_trusted}");
    let trusted = ClientTls { ca_file: Some(authority.ca_file()), ..ClientTls::default() };
    assert_eq!(name_of(connect_to(&url, &trusted, Some(&token)).await.unwrap()).await, "admin");
    let ada = connect_to(&url, &authority.presenting("ada.example.com"), None).await.unwrap();
    assert_eq!(name_of(ada).await, "ada.example.com");
    served.end().await;
}

#[tokio::test]
async fn a_service_that_goes_by_another_name_than_its_host_is_found_by_its_domain_name() {
    let authority = Authority::new();
    let served = secured(&authority, "quota.example.com", "ada.example.com", "viewer").await;
    let url = format!("https://127.0.0.1:{}", served.port);
    let ada = authority.presenting("ada.example.com");
    assert!(connect_to(&url, &ada, None).await.is_err(), "its certificate is for another host");
    let ada = ClientTls { domain_name: Some("quota.example.com".to_owned()), ..ada };
    assert_eq!(name_of(connect_to(&url, &ada, None).await.unwrap()).await, "ada.example.com");
    served.end().await;
}

/// Runs a gateway until it has a directory, and stops it.
async fn gateway_gets_a_directory(config: weir_gateway::Config, token: Option<&str>) {
    let (health, shutdown, tasks) = (Health::default(), CancellationToken::new(), Tasks::new());
    health.component("gateway");
    let ports = weir_gateway::Ports {
        clock: Arc::new(SystemClock),
        journal: Arc::new(MemoryJournal::new()),
        health: health.clone(),
        listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
        quota_token: token.map(|token| token.to_owned().into()),
    };
    tasks.spawn(weir_gateway::run(config, ports, shutdown.clone()));
    let ready = async {
        while !health.problems().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    let ready = tokio::time::timeout(PATIENCE, ready).await;
    assert!(ready.is_ok(), "{:?}", health.problems());
    shutdown.cancel();
    assert!(tasks.drain(PATIENCE).await, "it ends");
}

#[tokio::test]
async fn a_gateway_with_a_nodes_certificate_gets_its_directory_with_no_token() {
    let authority = Authority::new();
    let served = secured(&authority, "localhost", "gateway-1.example.com", "node").await;
    let config = weir_gateway::Config {
        quota_url: format!("https://localhost:{}", served.port),
        quota_tls: authority.presenting("gateway-1.example.com"),
        wal_dir: Some(authority.dir.path().join("gateway")),
        ..weir_gateway::Config::default()
    };
    gateway_gets_a_directory(config, None).await;
    served.end().await;
}

fn load(settings: &str, dir: &Path) -> anyhow::Result<crate::config::Config> {
    let file = dir.join("weir.toml");
    std::fs::write(&file, settings).unwrap();
    crate::config::load(&Common { config: Some(file), data: Some(dir.join("data")) })
}

#[tokio::test]
async fn what_is_beside_a_secured_service_asks_it_with_no_setting_and_trusts_no_other() {
    let authority = Authority::new();
    let dir = authority.dir.path();
    let settings = |tls: &Tls| {
        let (certificate, key) = (tls.certificate.display(), tls.key.display());
        format!("[quota.tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n")
    };
    let tls = authority.serve_as("quota.example.com");
    let config = load(&settings(&tls), dir).unwrap();
    let served = Served::start(Config { tls: Some(tls), ..Config::default() }).await;
    let url = config.own_quota_url(&format!("0.0.0.0:{}", served.port));
    assert_eq!(url, format!("https://127.0.0.1:{}", served.port));
    let token = TOKEN.to_owned().into();
    let quota = connect_to(&url, &config.client.quota_tls, Some(&token)).await.unwrap();
    assert_eq!(name_of(quota).await, "admin");
    let gateway =
        weir_gateway::Config { quota_url: url.clone(), wal_dir: Some(dir.join("gateway")), ..config.gateway };
    gateway_gets_a_directory(gateway, Some(TOKEN)).await;

    let other = load(&settings(&authority.serve_as("other.example.com")), dir).unwrap();
    let refused = connect_to(&url, &other.client.quota_tls, Some(&token)).await.err().unwrap();
    assert!(format!("{refused:#}").contains("no quota service answers"), "{refused:#}");
    served.end().await;
}

#[test]
fn the_command_line_trusts_as_its_gateway_does_and_presents_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = "[gateway]\nquota_url = \"https://quota:7070\"\n[gateway.quota_tls]\nca_file = \"ca\"\n\
                   certificate = \"node.pem\"\nkey = \"node.key\"\n";
    let client = load(gateway, dir.path()).unwrap().client;
    assert_eq!(client.quota_url.as_deref(), Some("https://quota:7070"));
    assert_eq!(client.quota_tls, ClientTls { ca_file: Some("ca".into()), ..ClientTls::default() });

    let wrong = "[gateway]\nquota_url = \"https://quota:7070\"\n[client]\nquota_url = \"http://quota:7070\"\n\
                 [client.quota_tls]\nkey = \"k\"\n";
    let told = load(wrong, dir.path()).err().unwrap().to_string();
    for place in
        ["gateway.quota_tls.ca_file: ", "client.quota_tls.certificate: ", "client.quota_tls.ca_file: "]
    {
        assert!(told.contains(place), "{told}");
    }
}
