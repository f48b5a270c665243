//! ClickHouse for this machine: fetched once, run as a child, unless the settings name a server.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context;
use weir_embedded_clickhouse::{ChildArgs, Supervisor, SupervisorConfig, fetch, running_url};
use weir_runtime::clickhouse::Connection;

use crate::config::Config;

/// The argument that makes this program the engine's child process.
pub(crate) const CHILD_COMMAND: &str = "embedded-clickhouse";

/// How tables are reached, and the child that answers if it is ours.
pub(crate) struct Engine {
    pub(crate) connection: Connection,
    child: Option<Supervisor>,
}

impl Engine {
    /// The server of the settings, or the embedded engine: one that runs already is used, otherwise it is started.
    pub(crate) async fn open(config: &Config, own_prefix: &[&str]) -> anyhow::Result<Self> {
        if config.clickhouse.url.is_some() {
            return Ok(Self { connection: config.clickhouse.connection("")?, child: None });
        }
        let data_dir = data_dir(config);
        if let Some(url) = running_url(&data_dir) {
            return Ok(Self { connection: config.clickhouse.connection(&url)?, child: None });
        }
        let child = start(data_dir, own_prefix).await?;
        Ok(Self { connection: config.clickhouse.connection(&child.url())?, child: Some(child) })
    }

    /// Starts the embedded engine, which must not run yet, unless the settings name a server.
    pub(crate) async fn open_own(config: &Config, own_prefix: &[&str]) -> anyhow::Result<Self> {
        if config.clickhouse.url.is_some() {
            return Self::open(config, own_prefix).await;
        }
        let child = start(data_dir(config), own_prefix).await?;
        Ok(Self { connection: config.clickhouse.connection(&child.url())?, child: Some(child) })
    }

    /// Ends the child, if there is one.
    pub(crate) async fn close(self) {
        if let Some(child) = self.child {
            child.shutdown().await;
        }
    }
}

fn data_dir(config: &Config) -> PathBuf {
    config.data.dir.join("clickhouse")
}

async fn start(data_dir: PathBuf, own_prefix: &[&str]) -> anyhow::Result<Supervisor> {
    let cache = fetch::default_cache_dir()?;
    let library =
        tokio::task::spawn_blocking(move || fetch::ensure(&cache, &mut fetch::terminal())).await??;
    std::fs::create_dir_all(&data_dir).with_context(|| format!("cannot create {}", data_dir.display()))?;
    let child = SupervisorConfig {
        executable: std::env::current_exe().context("cannot find this program's own file")?,
        args_prefix: own_prefix.iter().copied().chain([CHILD_COMMAND]).map(OsString::from).collect(),
        library,
        data_dir,
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    };
    Ok(Supervisor::start(child).await?)
}

/// Is the child, until it is told to end.
pub(crate) fn run_child(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<()> {
    let arguments = ChildArgs::parse(arguments)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(weir_embedded_clickhouse::run_child(
        arguments,
        tokio_util::sync::CancellationToken::new(),
    ))?;
    Ok(())
}
