//! Logs and metrics of a process.

use std::io::IsTerminal;

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use serde::Deserialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Settings of logs and of the port that serves health and metrics.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where `/metrics`, `/healthz` and `/readyz` are served.
    pub listen: String,
    /// `pretty` for people, `json` for machines.
    pub log_format: LogFormat,
    /// Which logs, as `tracing`'s `EnvFilter` writes it: `info`, `info,weir_quota=debug`.
    pub log_filter: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:9464".to_owned(),
            log_format: LogFormat::Pretty,
            log_filter: "info".to_owned(),
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line an event.
    Pretty,
    /// One JSON object an event.
    Json,
}

/// Why telemetry did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter is malformed.
    #[error("telemetry.log_filter {filter:?} is not a filter such as \"info,weir_quota=debug\"")]
    Filter {
        /// What was given.
        filter: String,
        /// Why not.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// A subscriber or recorder is installed already.
    #[error("logs were set up before")]
    LogsTwice(#[from] tracing_subscriber::util::TryInitError),
    /// The recorder could not be installed.
    #[error("metrics cannot be set up")]
    Metrics(#[from] BuildError),
}

/// Installs logs (to stderr) and the metrics recorder of this process.
pub fn install(config: &Config) -> Result<PrometheusHandle, Error> {
    let filter = EnvFilter::try_new(&config.log_filter)
        .map_err(|source| Error::Filter { filter: config.log_filter.clone(), source })?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match config.log_format {
        LogFormat::Pretty => registry.with(layer.with_target(false).compact()).try_init()?,
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init()?,
    }
    let metrics = PrometheusBuilder::new().install_recorder()?;
    crate::clock::describe();
    Ok(metrics)
}
