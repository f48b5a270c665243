//! The embedded ClickHouse, run as `weir` runs it, in a child of this executable.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::{Context, ensure};
use clickhouse::Row;
use futures_util::future::LocalBoxFuture;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use weir_embedded_clickhouse::{ChildArgs, Supervisor, SupervisorConfig, fetch, run_child};
use weir_runtime::clickhouse::{Config, Connection};
use weir_tests::load::cpu::CpuClock;
use weir_tests::load::server::{Role, Serving};

use crate::events::{Amount, TOKENS_EACH};

/// The role that is the engine's process.
pub(crate) const ROLE: Role = ("engine", serve);

fn serve(serving: Serving) -> LocalBoxFuture<'static, anyhow::Result<()>> {
    Box::pin(async move {
        let arguments = ChildArgs::parse(serving.arguments.into_iter().map(OsString::from))?;
        // Its supervisor ends it by a signal, and has closed its input.
        Ok(run_child(arguments, CancellationToken::new()).await?)
    })
}

/// A running engine.
pub(crate) struct Engine(Supervisor);

#[derive(Debug, Row, Deserialize, PartialEq, Eq)]
struct Taken {
    rows: u64,
    events: u64,
    tokens: u64,
}

impl Engine {
    /// Fetches the library if it is not there, and starts an engine with its data in a folder.
    pub(crate) async fn start(dir: &Path) -> anyhow::Result<Self> {
        let cache = fetch::default_cache_dir()?;
        let library =
            tokio::task::spawn_blocking(move || fetch::ensure(&cache, &mut fetch::terminal())).await??;
        let data_dir = dir.join("clickhouse");
        std::fs::create_dir_all(&data_dir)?;
        let config = SupervisorConfig {
            executable: std::env::current_exe()?,
            args_prefix: ["serve", ROLE.0].map(OsString::from).into(),
            library,
            data_dir,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        };
        Ok(Self(Supervisor::start(config).await?))
    }

    pub(crate) fn url(&self) -> String {
        self.0.url()
    }

    pub(crate) fn clock(&self) -> CpuClock {
        CpuClock::of(*self.0.pid().borrow())
    }

    /// Every event is in the table once, with its tokens. Then the database is dropped, so that nothing of it is left to
    /// merge while the next one is measured.
    pub(crate) async fn check_and_drop(&self, database: &str, amount: Amount) -> anyhow::Result<()> {
        let client = clickhouse::Client::default().with_url(self.url());
        let sql = format!(
            "SELECT count() AS rows, uniqExact(event_id) AS events, sum(input_tokens + output_tokens) AS tokens \
             FROM {database}.usage_events"
        );
        let taken: Taken = client.query(&sql).fetch_one().await.context("the table cannot be read")?;
        let total = amount.total() as u64;
        let right = Taken { rows: total, events: total, tokens: total * TOKENS_EACH };
        ensure!(taken == right, "{database}: {taken:?} instead of {right:?}");
        client.query(&format!("DROP DATABASE {database} SYNC")).execute().await?;
        Ok(())
    }

    pub(crate) async fn stop(self) {
        self.0.shutdown().await;
    }
}

/// How a database of an engine is reached.
pub(crate) fn connection(url: &str, database: &str) -> anyhow::Result<Connection> {
    Ok(Config { database: database.to_owned(), ..Config::default() }.connection(url)?)
}
