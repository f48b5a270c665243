//! A small organisation on this machine: the emulator, Weir, callers with keys.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::process::{Launch, Process, free_port};

/// How long anything may take to come up, on a loaded machine.
const UP_TIMEOUT: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(100);

/// The services of the test's policy.
pub const SERVICES: [&str; 3] = ["alpha", "beta", "gamma"];

/// Where everything listens. Chosen once, so that what is killed comes back at the same place.
#[derive(Debug, Clone)]
pub struct Ports {
    /// The emulator.
    pub emulator: u16,
    /// The gateway.
    pub gateway: u16,
    /// Showback.
    pub showback: u16,
    /// Quota.
    pub quota: u16,
    /// Health and metrics, one a role: `weir up` uses the first.
    pub telemetry: [u16; 4],
}

impl Ports {
    fn choose() -> Self {
        let port = |_| free_port();
        Self {
            emulator: free_port(),
            gateway: free_port(),
            showback: free_port(),
            quota: free_port(),
            telemetry: [0; 4].map(port),
        }
    }
}

/// The folder, the ports and the running emulator.
pub struct World {
    /// Where everything lives; removed at the end unless the test fails.
    pub dir: tempfile::TempDir,
    /// Where everything listens.
    pub ports: Ports,
    /// The witness. Never killed.
    pub emulator: Process,
    http: Client<HttpConnector, Full<Bytes>>,
}

impl World {
    /// Writes settings and policy and starts the emulator. `extra` is appended to the settings.
    pub async fn begin(extra: &str) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let ports = Ports::choose();
        std::fs::write(dir.path().join("weir.toml"), settings(&ports, extra))?;
        std::fs::create_dir_all(dir.path().join("policy"))?;
        std::fs::write(dir.path().join("policy/policy.toml"), policy())?;
        std::fs::write(dir.path().join("upstream.key"), "emulator-key\n")?;
        // The settings' port for health and metrics belongs to whoever is under test.
        let own_port = vec![("WEIR__TELEMETRY__LISTEN".to_owned(), "127.0.0.1:0".to_owned())];
        let emulator =
            Launch { environment: own_port, ..launch(dir.path(), "emulator", &["emulator"]) }.start()?;
        let http = Client::builder(TokioExecutor::new()).build_http();
        let world = Self { dir, ports, emulator, http };
        world.wait_for(world.ports.emulator, "/emulator/v1/totals").await.context("emulator")?;
        Ok(world)
    }

    /// Adds to the settings of whatever is started from now on.
    pub fn append_settings(&self, text: &str) -> anyhow::Result<()> {
        let path = self.path("weir.toml");
        let settings = std::fs::read_to_string(&path)?;
        Ok(std::fs::write(&path, settings + text)?)
    }

    /// Starts `weir` with these arguments in the world's folder.
    pub fn start(&self, name: &str, arguments: &[&str]) -> anyhow::Result<Process> {
        Ok(launch(self.dir.path(), name, arguments).start()?)
    }

    /// Starts `weir` with these arguments and variables in the world's folder.
    pub fn start_with(
        &self,
        name: &str,
        arguments: &[&str],
        environment: Vec<(String, String)>,
    ) -> anyhow::Result<Process> {
        Ok(Launch { environment, ..launch(self.dir.path(), name, arguments) }.start()?)
    }

    /// Runs `weir` with these arguments to its end.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<std::process::Output> {
        Ok(launch(self.dir.path(), "run", arguments).run()?)
    }

    /// Runs `weir`, expects success and returns what it printed.
    pub fn expect(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.run(arguments)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            bail!("weir {arguments:?} failed: {text}{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(text)
    }

    /// Makes a caller key for each of [`SERVICES`].
    pub fn keys(&self) -> anyhow::Result<Vec<String>> {
        SERVICES
            .iter()
            .map(|service| Ok(self.expect(&["keys", "create", service])?.trim().to_owned()))
            .collect()
    }

    /// Waits until the process behind a telemetry port says that it is ready.
    pub async fn ready(&self, telemetry_port: u16) -> anyhow::Result<()> {
        self.wait_for(telemetry_port, "/readyz").await
    }

    async fn wait_for(&self, port: u16, path: &str) -> anyhow::Result<()> {
        let wait = async {
            while self.get(port, path).await.is_err() {
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::time::timeout(UP_TIMEOUT, wait)
            .await
            .with_context(|| format!("port {port} did not answer {path}"))
    }

    /// Fetches from a port of this machine; anything but success is an error.
    pub async fn get(&self, port: u16, path: &str) -> anyhow::Result<String> {
        self.ask(Request::get(format!("http://127.0.0.1:{port}{path}")).body(Full::default())?).await
    }

    /// Posts a text to a URL of this machine; anything but success is an error.
    pub async fn post(&self, url: &str, text: &str) -> anyhow::Result<String> {
        self.ask(Request::post(url).body(Full::new(Bytes::copy_from_slice(text.as_bytes())))?).await
    }

    async fn ask(&self, request: Request<Full<Bytes>>) -> anyhow::Result<String> {
        let path = request.uri().path().to_owned();
        let response = self.http.request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        if !status.is_success() {
            bail!("{path} answered {status}: {text}");
        }
        Ok(text)
    }

    /// The gateway's address.
    pub fn gateway(&self) -> String {
        format!("127.0.0.1:{}", self.ports.gateway)
    }

    /// A file of the world's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn launch<'a>(dir: &'a Path, name: &'a str, arguments: &[&str]) -> Launch<'a> {
    let arguments = arguments.iter().map(OsString::from).collect();
    Launch { dir, name, arguments, environment: Vec::new() }
}

fn settings(ports: &Ports, extra: &str) -> String {
    let Ports { emulator, gateway, showback, quota, telemetry } = ports;
    let telemetry = telemetry[0];
    format!(
        r#"
[telemetry]
listen = "127.0.0.1:{telemetry}"

[quota]
listen = "127.0.0.1:{quota}"

[showback]
listen = "127.0.0.1:{showback}"

[emulator]
listen = "127.0.0.1:{emulator}"

[gateway]
listen = "127.0.0.1:{gateway}"
quota_url = "http://127.0.0.1:{quota}"

[[gateway.upstreams]]
name = "azure"
kind = "azure"
base_url = "http://127.0.0.1:{emulator}"
api_key = {{ file = "upstream.key" }}

[[gateway.upstreams]]
name = "openai"
kind = "openai"
base_url = "http://127.0.0.1:{emulator}/v1"
api_key = {{ file = "upstream.key" }}
{extra}
"#
    )
}

/// Two pools on two kinds of upstream, three services with room for everything that a scenario asks.
fn policy() -> String {
    let mut text = r#"
[[pool]]
name = "chat"
tokens_per_minute = 600_000_000
[[pool.model]]
name = "gpt-4o"
encoding = "o200k_base"
output_tokens_max = 16_384
[[pool.model]]
name = "gpt-4o-mini"
encoding = "o200k_base"
output_tokens_max = 16_384
[[pool.deployment]]
upstream = "azure"
name = "gpt-4o"
model = "gpt-4o"
[[pool.deployment]]
upstream = "openai"
name = "gpt-4o-mini"
model = "gpt-4o-mini"

[[pool]]
name = "embeddings"
tokens_per_minute = 600_000_000
[[pool.model]]
name = "text-embedding-3-small"
encoding = "cl100k_base"
[[pool.deployment]]
upstream = "openai"
name = "text-embedding-3-small"
model = "text-embedding-3-small"

[[team]]
name = "team-a"
title = "Team A"

[[price]]
model = "gpt-4o"
valid_from = 2025-01-01
currency = "USD"
input = "2.50"
input_cached = "1.25"
output = "10.00"
"#
    .to_owned();
    for service in SERVICES {
        text += &format!(
            r#"
[[service]]
name = "{service}"
team = "team-a"
owner = "Owner of {service}"
use_case = "A test"
when_throttled = "The test fails"
allocation = [
    {{ pool = "chat", baseline = 150_000_000, request_max = 100_000 }},
    {{ pool = "embeddings", baseline = 150_000_000, request_max = 100_000 }},
]
"#
        );
    }
    text
}
