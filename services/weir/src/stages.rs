//! The roles of one process: started in order, stopped in the opposite order.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use weir_runtime::tasks::Tasks;

/// How long one role may take to drain before the process goes on without it. What is lost then is in its log and
/// is found at the next start.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(45);

/// What runs, in the order in which it was started.
pub(crate) struct Stages {
    tasks: Tasks,
    running: Vec<Stage>,
    /// Cancelled as soon as any role ends by itself.
    ended: CancellationToken,
}

struct Stage {
    name: &'static str,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Stages {
    pub(crate) fn new(tasks: Tasks) -> Self {
        Self { tasks, running: Vec::new(), ended: CancellationToken::new() }
    }

    /// Starts a role. It will be stopped before all that were started before it.
    pub(crate) fn start<F, E>(&mut self, name: &'static str, role: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<anyhow::Error>,
    {
        let (stop, ended) = (CancellationToken::new(), self.ended.clone());
        let work = role(stop.clone());
        let task = self.tasks.spawn(async move {
            let _guard = ended.drop_guard();
            work.await.map_err(Into::into)
        });
        self.running.push(Stage { name, stop, task });
    }

    /// Cancelled as soon as any role has ended by itself.
    pub(crate) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// Waits for the signal to stop, or for a role that ends by itself.
    pub(crate) async fn wait(&self) -> anyhow::Result<()> {
        tokio::select! {
            signal = weir_runtime::tasks::termination() => signal.context("cannot listen for signals"),
            () = self.ended.cancelled() => Ok(()),
        }
    }

    /// Stops everything in order and tells the first failure.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let mut outcome = Ok(());
        for stage in self.running.into_iter().rev() {
            let ended_early = stage.task.is_finished();
            stage.stop.cancel();
            let ended = tokio::time::timeout(DRAIN_TIMEOUT, stage.task).await;
            let ended = match ended {
                Err(_) => Err(anyhow!("it did not drain within {} s", DRAIN_TIMEOUT.as_secs())),
                Ok(Err(panicked)) => Err(panicked.into()),
                Ok(Ok(ended)) if ended_early => ended.and(Err(anyhow!("it ended by itself"))),
                Ok(Ok(ended)) => ended,
            };
            if let Err(problem) = ended {
                tracing::error!(role = stage.name, problem = format!("{problem:#}"), "role failed");
                outcome = outcome.and(Err(problem.context(format!("{} failed", stage.name))));
            }
        }
        outcome
    }
}
