//! Which parts of this process are ready, and the port that tells: `/healthz`, `/readyz`, `/metrics`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The readiness of every part of a process. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<BTreeMap<&'static str, Readiness>>>);

#[derive(Debug, Clone)]
enum Readiness {
    Ready,
    /// It does its work, and somebody should know how.
    ReadyBut(String),
    NotReady(String),
}

/// One part's own switch.
#[derive(Debug, Clone)]
pub struct Component {
    health: Health,
    name: &'static str,
}

impl Health {
    /// Registers a part, not ready yet.
    pub fn component(&self, name: &'static str) -> Component {
        let component = Component { health: self.clone(), name };
        component.not_ready("starting");
        component
    }

    /// Why the process is not ready, one line a part; empty if it is.
    pub fn problems(&self) -> Vec<String> {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts
            .iter()
            .filter_map(|(name, state)| match state {
                Readiness::Ready | Readiness::ReadyBut(_) => None,
                Readiness::NotReady(why) => Some(format!("{name}: {why}")),
            })
            .collect()
    }

    /// What is to be known of parts that are ready, one line each.
    pub fn remarks(&self) -> Vec<String> {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let remark = |(name, state): (&&'static str, &Readiness)| match state {
            Readiness::ReadyBut(what) => Some(format!("{name}: {what}")),
            Readiness::Ready | Readiness::NotReady(_) => None,
        };
        parts.iter().filter_map(remark).collect()
    }

    fn set(&self, name: &'static str, state: Readiness) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, state);
    }
}

impl Component {
    /// From now on the part does its work.
    pub fn ready(&self) {
        self.health.set(self.name, Readiness::Ready);
    }

    /// From now on the part does its work, but not as it should.
    pub fn ready_but(&self, what: impl Into<String>) {
        self.health.set(self.name, Readiness::ReadyBut(what.into()));
    }

    /// From now on it does not.
    pub fn not_ready(&self, why: impl Into<String>) {
        self.health.set(self.name, Readiness::NotReady(why.into()));
    }
}

/// Serves health and metrics until shutdown.
pub async fn serve(
    listener: TcpListener,
    health: Health,
    metrics: PrometheusHandle,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let app = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .with_state(health)
        .route("/metrics", get(move || async move { metrics.render() }));
    axum::serve(listener, app).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

async fn readyz(State(health): State<Health>) -> (StatusCode, String) {
    let problems = health.problems();
    if problems.is_empty() {
        let lines = std::iter::once("ready".to_owned()).chain(health.remarks());
        (StatusCode::OK, lines.collect::<Vec<_>>().join("\n") + "\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, problems.join("\n") + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_is_ready_but_not_as_it_should_be_says_so() {
        let health = Health::default();
        let (gateway, quota) = (health.component("gateway"), health.component("quota"));
        quota.ready();
        let (status, text) = readyz(State(health.clone())).await;
        assert_eq!((status.as_u16(), text.as_str()), (503, "gateway: starting\n"));
        gateway.ready_but("goes by an old directory");
        let (status, text) = readyz(State(health.clone())).await;
        assert_eq!((status.as_u16(), text.as_str()), (200, "ready\ngateway: goes by an old directory\n"));
        gateway.ready();
        assert_eq!(readyz(State(health)).await.1, "ready\n");
    }
}
