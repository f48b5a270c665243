//! The roles: what each needs, bound and opened, and how it is started.

use std::sync::Arc;

use anyhow::{Context, bail};
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::SecretString;
use tokio::net::TcpListener;
use weir_runtime::clock::{Clock, SystemClock};
use weir_runtime::health::{self, Health};
use weir_runtime::journal::config::Kind;
use weir_runtime::journal::{self, SharedJournal};
use weir_runtime::tasks::Tasks;
use weir_runtime::telemetry;

use crate::config::Config;
use crate::engine::Engine;
use crate::stages::Stages;
use crate::token;

/// One of the processes that Weir can be split into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Gateway,
    Quota,
    Aggregator,
    Showback,
    Emulator,
}

/// Where the roles of this process listen, as `host:port`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Addresses {
    pub(crate) gateway: String,
    pub(crate) showback: String,
    pub(crate) quota: String,
    pub(crate) telemetry: String,
    pub(crate) emulator: Option<String>,
}

/// What the roles of this process share.
pub(crate) struct Node {
    config: Config,
    clock: Arc<dyn Clock>,
    health: Health,
    metrics: PrometheusHandle,
    /// Opened if any role of the process needs it.
    journal: Option<SharedJournal>,
    engine: Option<Engine>,
    token: Option<SecretString>,
}

impl Node {
    /// Opens everything that all roles together need.
    pub(crate) async fn open_all(
        config: Config,
        token: SecretString,
        own_prefix: &[&str],
    ) -> anyhow::Result<Self> {
        let mut node = Self::bare(config)?;
        node.token = Some(token);
        node.journal = Some(node.open_journal().await?);
        node.engine = Some(Engine::open_own(&node.config, own_prefix).await?);
        Ok(node)
    }

    /// Logs and metrics only.
    fn bare(config: Config) -> anyhow::Result<Self> {
        let metrics = telemetry::install(&config.telemetry)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Ok(Self {
            config,
            clock,
            health: Health::default(),
            metrics,
            journal: None,
            engine: None,
            token: None,
        })
    }

    /// What one role needs when it is alone: engines that processes can share.
    async fn open_for(config: Config, role: Role) -> anyhow::Result<Self> {
        let mut node = Self::bare(config)?;
        if matches!(role, Role::Gateway | Role::Quota | Role::Aggregator) {
            if node.config.journal.kind == Kind::Embedded {
                bail!(
                    "roles in processes of their own share the journal through Kafka: set journal.kind = \"kafka\" and \
                     journal.kafka.brokers, or run `weir up`"
                );
            }
            node.journal = Some(node.open_journal().await?);
        }
        if matches!(role, Role::Aggregator | Role::Showback) {
            if node.config.clickhouse.url.is_none() {
                bail!(
                    "a role in a process of its own needs a ClickHouse server: set clickhouse.url, or run `weir up`"
                );
            }
            node.engine = Some(Engine::open(&node.config, &[]).await?);
        }
        let (setting, data_dir) = (node.config.quota.token.as_ref(), &node.config.data.dir);
        node.token = match role {
            Role::Gateway => token::of_caller(&node.config.gateway.quota_tls, setting, data_dir)?,
            Role::Quota => Some(token::find(setting, data_dir)?),
            Role::Aggregator | Role::Showback | Role::Emulator => None,
        };
        Ok(node)
    }

    async fn open_journal(&self) -> anyhow::Result<SharedJournal> {
        Ok(journal::open(&self.config.journal, Arc::clone(&self.clock), &self.config.data.dir).await?)
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    /// Starts every role, those first that others need.
    pub(crate) async fn start_all(
        &self,
        stages: &mut Stages,
        with_emulator: bool,
    ) -> anyhow::Result<Addresses> {
        let mut addresses = Addresses { telemetry: self.start_health(stages).await?, ..Addresses::default() };
        if with_emulator {
            addresses.emulator = Some(self.start(Role::Emulator, stages).await?);
        }
        addresses.quota = self.start(Role::Quota, stages).await?;
        self.start(Role::Aggregator, stages).await?;
        addresses.showback = self.start(Role::Showback, stages).await?;
        addresses.gateway = self.start_gateway(stages, Some(&addresses.quota)).await?;
        Ok(addresses)
    }

    async fn start_health(&self, stages: &mut Stages) -> anyhow::Result<String> {
        let (listener, address) = bind("telemetry.listen", &self.config.telemetry.listen).await?;
        let (health, metrics) = (self.health.clone(), self.metrics.clone());
        stages.start("health", |stop| health::serve(listener, health, metrics, stop));
        Ok(address)
    }

    /// Starts one role and says where it listens.
    async fn start(&self, role: Role, stages: &mut Stages) -> anyhow::Result<String> {
        match role {
            Role::Gateway => self.start_gateway(stages, None).await,
            Role::Quota => self.start_quota(stages).await,
            Role::Aggregator => self.start_aggregator(stages),
            Role::Showback => self.start_showback(stages).await,
            Role::Emulator => self.start_emulator(stages).await,
        }
    }

    async fn start_emulator(&self, stages: &mut Stages) -> anyhow::Result<String> {
        let config = self.config.emulator.clone();
        let (listener, address) = bind("emulator.listen", &config.listen).await?;
        let ports = weir_emulator::Ports { clock: Arc::clone(&self.clock), listener };
        stages.start("emulator", |stop| weir_emulator::run(config, ports, stop));
        Ok(address)
    }

    async fn start_quota(&self, stages: &mut Stages) -> anyhow::Result<String> {
        let config = self.config.quota.clone();
        let (listener, address) = bind("quota.listen", &config.listen).await?;
        let ports = weir_quota::Ports {
            clock: Arc::clone(&self.clock),
            journal: self.journal()?,
            health: self.health.clone(),
            listener,
            token: self.token.clone(),
            data_dir: Some(self.config.data.dir.join("quota")),
        };
        stages.start("quota", |stop| weir_quota::run(config, ports, stop));
        Ok(address)
    }

    /// `quota`: where the quota service of this very process listens, which is then the one to ask.
    async fn start_gateway(&self, stages: &mut Stages, quota: Option<&str>) -> anyhow::Result<String> {
        let mut config = self.config.gateway.clone();
        if let Some(quota) = quota {
            config.quota_url = self.config.own_quota_url(quota);
            config.quota_tls = self.config.own_quota_tls();
        }
        let (listener, address) = bind("gateway.listen", &config.listen).await?;
        let ports = weir_gateway::Ports {
            clock: Arc::clone(&self.clock),
            journal: self.journal()?,
            health: self.health.clone(),
            listener,
            quota_token: self.token.clone(),
        };
        stages.start("gateway", |stop| weir_gateway::run(config, ports, stop));
        Ok(address)
    }

    async fn start_showback(&self, stages: &mut Stages) -> anyhow::Result<String> {
        let config = self.config.showback.clone();
        let (listener, address) = bind("showback.listen", &config.listen).await?;
        let ports = weir_showback::Ports {
            clock: Arc::clone(&self.clock),
            health: self.health.clone(),
            listener,
            clickhouse: self.engine()?.connection.clone(),
        };
        stages.start("showback", |stop| weir_showback::run(config, ports, stop));
        Ok(address)
    }

    fn start_aggregator(&self, stages: &mut Stages) -> anyhow::Result<String> {
        let ports = weir_aggregator::Ports {
            clock: Arc::clone(&self.clock),
            journal: self.journal()?,
            health: self.health.clone(),
            clickhouse: self.engine()?.connection.clone(),
        };
        let config = self.config.aggregator.clone();
        stages.start("aggregator", |stop| weir_aggregator::run(config, ports, stop));
        Ok(String::new())
    }

    fn journal(&self) -> anyhow::Result<SharedJournal> {
        self.journal.clone().context("this role needs a journal")
    }

    fn engine(&self) -> anyhow::Result<&Engine> {
        self.engine.as_ref().context("this role needs ClickHouse")
    }

    /// Ends what no role owns.
    pub(crate) async fn close(self) {
        if let Some(engine) = self.engine {
            engine.close().await;
        }
    }
}

async fn bind(setting: &str, address: &str) -> anyhow::Result<(TcpListener, String)> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; set {setting} to a free address"))?;
    let bound = listener.local_addr()?.to_string();
    Ok((listener, bound))
}

/// Runs one role until a signal.
pub(crate) async fn alone(config: Config, role: Role) -> anyhow::Result<()> {
    let node = Node::open_for(config, role).await?;
    let mut stages = Stages::new(Tasks::new());
    node.start_health(&mut stages).await?;
    let address = node.start(role, &mut stages).await?;
    tracing::info!(?role, address, version = crate::VERSION, "started");
    let waited = stages.wait().await;
    let stopped = stages.stop().await;
    node.close().await;
    waited.and(stopped)
}
