//! Showback: shows every team what it used, was refused and owes. Owns the queries; writes nothing.
//!
//! [`tables`] asks ClickHouse, [`report`] adds up, [`api`] and [`page`] show. The page, JSON and CSV are made from
//! the same report, so they cannot differ.

mod api;
mod chart;
mod config;
mod metrics;
mod money;
mod page;
mod period;
mod report;
mod request;
mod tables;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use weir_runtime::clickhouse::Connection;
use weir_runtime::clock::Clock;
use weir_runtime::health::{Component, Health};

pub use config::{Config, Invalid};
pub use report::{Figures, Report, Row};
pub use request::{Dimension, ReportRequest};
pub use tables::{Error as TablesError, Reach, Tables, UsageEventView};

/// How often readiness is looked at.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// How long answers that are under way may take after shutdown has begun.
const DRAIN_BOUND: Duration = Duration::from_secs(5);

/// What showback needs from outside.
pub struct Ports {
    /// The time, for the current month.
    pub clock: Arc<dyn Clock>,
    /// Where it is served, bound already.
    pub listener: TcpListener,
    /// Where it says whether it is ready.
    pub health: Health,
    /// Where the tables are.
    pub clickhouse: Connection,
}

/// Why showback did not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting means nothing.
    #[error(transparent)]
    Config(#[from] Invalid),
    /// The listener failed.
    #[error("cannot serve")]
    Serve(#[from] std::io::Error),
}

/// Serves the page and the API until shutdown.
pub async fn run(config: Config, ports: Ports, shutdown: CancellationToken) -> Result<(), Error> {
    metrics::describe();
    let tables = Tables::new(&ports.clickhouse, Duration::from_millis(config.query_timeout_ms));
    let showback = Arc::new(api::Showback {
        tables: tables.clone(),
        clock: ports.clock,
        zone: config.time_zone()?,
        currency: config.report_currency()?,
        refresh_secs: config.refresh_secs.max(1),
    });
    let component = ports.health.component("showback");
    let served = axum::serve(ports.listener, api::router(showback))
        .with_graceful_shutdown(shutdown.clone().cancelled_owned())
        .into_future();
    let drained = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN_BOUND).await;
    };
    tokio::select! {
        served = served => served?,
        () = drained => tracing::warn!("shutdown leaves answers unfinished"),
        never = watch(&tables, &component) => match never {},
    }
    Ok(())
}

/// Keeps readiness true to whether the tables can be read.
async fn watch(tables: &Tables, component: &Component) -> std::convert::Infallible {
    loop {
        match tables.check().await {
            Ok(()) => component.ready(),
            Err(problem) => component.not_ready(problem.to_string()),
        }
        tokio::time::sleep(CHECK_INTERVAL).await;
    }
}
