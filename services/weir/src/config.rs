//! All settings of the binary: `weir.toml`, the environment, and what the command line overrides.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;
use weir_domain::policy;
use weir_runtime::config::Settings;
use weir_runtime::{clickhouse, journal, telemetry};

use crate::cli::Common;
use crate::stages::DRAIN_TIMEOUT;

/// The settings file that is read if none is named.
pub(crate) const DEFAULT_FILE: &str = "weir.toml";

/// Everything that can be set.
#[derive(Debug, Default)]
pub(crate) struct Config {
    pub(crate) data: Data,
    pub(crate) policy: Policy,
    pub(crate) telemetry: telemetry::Config,
    pub(crate) journal: journal::Config,
    pub(crate) clickhouse: clickhouse::Config,
    pub(crate) quota: weir_quota::Config,
    pub(crate) client: Client,
    pub(crate) gateway: weir_gateway::Config,
    pub(crate) aggregator: weir_aggregator::Config,
    pub(crate) showback: weir_showback::Config,
    pub(crate) emulator: weir_emulator::Config,
}

impl Config {
    /// Upstreams that a policy's deployments name and the gateway's settings do not, as a place of the policy and what is
    /// wrong with it; none if there are no settings.
    pub(crate) fn unknown_upstreams(&self, policy: &policy::Policy) -> Vec<(String, String)> {
        let known = &self.gateway.upstreams;
        let deployments =
            policy.pools.iter().flat_map(|pool| pool.deployments.iter().map(move |it| (pool, it)));
        let unknown = deployments.filter(|(_, deployment)| {
            !known.is_empty() && !known.iter().any(|upstream| upstream.name == deployment.upstream.as_str())
        });
        unknown
            .map(|(pool, deployment)| {
                let (id, upstream) = (&deployment.id, &deployment.upstream);
                let problem = "is no [[gateway.upstreams]] of weir.toml, so calls of its model will fail";
                (format!("pool {}, deployment {id}", pool.id), format!("upstream {upstream} {problem}"))
            })
            .collect()
    }
}

/// `[data]`
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Data {
    /// Where everything is kept on this machine.
    pub(crate) dir: PathBuf,
}

impl Default for Data {
    fn default() -> Self {
        Self { dir: ".weir".into() }
    }
}

/// `[policy]`
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Policy {
    /// The folder that `weir up` applies when it starts.
    pub(crate) dir: PathBuf,
}

impl Default for Policy {
    fn default() -> Self {
        Self { dir: "policy".into() }
    }
}

/// `[client]`: how the command line reaches the quota service.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Client {
    /// Where it is. None: where the gateway finds it.
    pub(crate) quota_url: Option<String>,
    /// Whom to trust, in PEM, where the URL is https.
    pub(crate) ca_file: Option<PathBuf>,
    /// What to present, in PEM, where the URL is https and certificates give roles.
    pub(crate) certificate: Option<PathBuf>,
    /// Its private key, in PEM.
    pub(crate) key: Option<PathBuf>,
}

impl Client {
    /// What contradicts itself: the setting, and what is wrong with it.
    fn problem(&self) -> Option<(&'static str, &'static str)> {
        match (&self.certificate, &self.key) {
            (Some(_), None) => Some(("client.key", "is missing; state the certificate's key, too")),
            (None, Some(_)) => Some(("client.certificate", "is missing; state what the key is for, too")),
            _ => None,
        }
    }
}

/// Where somebody on this machine reaches what listens there.
pub(crate) fn reachable(listen: &str) -> String {
    listen.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:")
}

/// What a gateway takes to stop beyond its two bounds.
const DRAIN_SLACK_MS: u64 = 5_000;

/// How long a gateway with these settings may take to stop.
fn drain_ms(gateway: &weir_gateway::Config) -> u128 {
    u128::from(gateway.shutdown_streams_ms_max + gateway.shutdown_flush_ms_max + DRAIN_SLACK_MS)
}

/// Reads the settings and tells all that is wrong with them at once.
///
/// The data directory is made absolute: engines in child processes are told it too.
pub(crate) fn load(common: &Common) -> anyhow::Result<Config> {
    let file = common.config.as_deref().or_else(|| {
        let default = Path::new(DEFAULT_FILE);
        default.exists().then_some(default)
    });
    let mut settings = Settings::load(file)?;
    let mut config = Config {
        data: settings.section("data"),
        policy: settings.section("policy"),
        telemetry: settings.section("telemetry"),
        journal: settings.section("journal"),
        clickhouse: settings.section("clickhouse"),
        quota: settings.section("quota"),
        client: settings.section("client"),
        gateway: settings.section("gateway"),
        aggregator: settings.section("aggregator"),
        showback: settings.section("showback"),
        emulator: settings.section("emulator"),
    };
    if drain_ms(&config.gateway) > DRAIN_TIMEOUT.as_millis() {
        let bound = DRAIN_TIMEOUT.as_secs();
        settings.problem(
            "gateway.shutdown_streams_ms_max",
            format!("with shutdown_flush_ms_max it must stay {DRAIN_SLACK_MS} ms below {bound} s, which a role may take"),
        );
    }
    for problem in config.gateway.problems() {
        settings.problem(problem.place, problem.message);
    }
    for problem in config.quota.auth.problems(config.quota.tls.as_ref()) {
        settings.problem(problem.place, problem.message);
    }
    if let Some((place, message)) = config.client.problem() {
        settings.problem(place, message);
    }
    for problem in config.emulator.problems() {
        settings.problem(format!("emulator.{}", problem.place), problem.message);
    }
    settings.finish()?;
    if let Some(data) = &common.data {
        config.data.dir.clone_from(data);
    }
    config.data.dir = std::path::absolute(&config.data.dir).context("data.dir")?;
    if config.gateway.quota_url == weir_gateway::Config::default().quota_url {
        config.gateway.quota_url = format!("http://{}", reachable(&config.quota.listen));
    }
    let wal_dir = config.data.dir.join("gateway");
    config.gateway.wal_dir.get_or_insert(wal_dir);
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_with_default_settings_stops_in_the_time_a_role_is_given() {
        assert!(drain_ms(&weir_gateway::Config::default()) <= DRAIN_TIMEOUT.as_millis());
    }
}
