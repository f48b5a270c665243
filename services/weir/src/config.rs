//! All settings of the binary: `weir.toml`, the environment, and what the command line overrides.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;
use weir_domain::policy;
use weir_runtime::client_tls::ClientTls;
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
    /// Where the quota service of these very settings is reached, if it listens there.
    pub(crate) fn own_quota_url(&self, listen: &str) -> String {
        let scheme = if self.quota.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", reachable(listen))
    }

    /// How a gateway speaks TLS to the quota service of these very settings: it knows its certificate.
    pub(crate) fn own_quota_tls(&self) -> ClientTls {
        let stated = self.gateway.quota_tls.clone();
        let own = self.quota.tls.as_ref().filter(|_| stated.ca_file.is_none());
        ClientTls { pinned: own.map(|tls| tls.certificate.clone()), ..stated }
    }

    /// Where nothing else is stated, the gateway asks the quota service beside it, and the command line asks as it does. What
    /// a gateway presents is its own.
    fn follow(&mut self) {
        if self.gateway.quota_url == weir_gateway::Config::default().quota_url {
            self.gateway.quota_url = self.own_quota_url(&self.quota.listen);
            self.gateway.quota_tls = self.own_quota_tls();
        }
        let (client, gateway) = (&mut self.client, &self.gateway);
        if client.quota_url.is_none() && client.quota_tls.ca_file.is_none() {
            let ClientTls { ca_file, domain_name, pinned, .. } = gateway.quota_tls.clone();
            client.quota_tls.domain_name = client.quota_tls.domain_name.take().or(domain_name);
            (client.quota_tls.ca_file, client.quota_tls.pinned) = (ca_file, pinned);
        }
        client.quota_url.get_or_insert_with(|| gateway.quota_url.clone());
    }

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
    /// How TLS is spoken to it, where that is https. Whom to trust is as the gateway has it, if neither is stated here.
    pub(crate) quota_tls: ClientTls,
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
    config.follow();
    for problem in config.gateway.problems() {
        settings.problem(problem.place, problem.message);
    }
    for problem in config.quota.problems() {
        settings.problem(problem.place, problem.message);
    }
    let client_url = config.client.quota_url.as_deref().unwrap_or_default();
    for problem in config.client.quota_tls.problems("client.quota_tls", client_url) {
        settings.problem(problem.place, problem.message);
    }
    for problem in config.emulator.problems() {
        settings.problem(format!("emulator.{}", problem.place), problem.message);
    }
    settings.finish()?;
    if let Some(data) = &common.data {
        config.data.dir.clone_from(data);
    }
    config.data.dir = std::path::absolute(&config.data.dir).context("data.dir")?;
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
