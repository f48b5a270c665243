//! Simulations: the usage topic, read and played under the policy as it stands and under a candidate.
//!
//! One at a time, on a thread of its own, so that no admission waits for it; it ends when whoever asked has left. What
//! is played, and by which rules, is the domain's ([`weir_domain::simulate`]).

mod reading;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};
use weir_domain::authorship::Authorship;
use weir_domain::org::Org;
use weir_domain::policy::{Policy, PolicyProblem, Rules};
use weir_domain::simulate::{Report, Simulation, TooMany, applied};
use weir_domain::time::{Timestamp, Window};
use weir_runtime::journal::{self, Partition, SharedJournal};
use weir_runtime::tasks::Tasks;

/// Simulations under way: each takes a core and, at most, some 200 MB.
const SIMULATIONS_MAX: usize = 1;
/// What is told and not heard yet. How far it has come is left out where nobody listens.
const TOLD_MAX: usize = 8;
/// Attempts that are played before it is told how far it has come: some milliseconds.
const ATTEMPTS_AT_ONCE: usize = 4_096;

/// Runs simulations. Clones share the one that may be under way.
#[derive(Clone)]
pub(crate) struct Simulator {
    journal: SharedJournal,
    tasks: Tasks,
    rules: Rules,
    free: Arc<Semaphore>,
}

/// What is to be simulated.
pub(crate) struct Wanted {
    pub(crate) org: Arc<Org>,
    pub(crate) policy: Policy,
    pub(crate) span: Window,
    pub(crate) by: Authorship,
}

/// What is told of a simulation; the report is last.
#[derive(Debug)]
pub(crate) enum Told {
    /// So many of so many records are read.
    Read { done: u64, total: u64 },
    /// So many of so many attempts are played, and when the next began.
    Played { done: u64, total: u64, at: Timestamp },
    /// What was found, and how many records could not be read.
    Found { report: Box<Report>, unreadable: u64 },
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error(
        "{SIMULATIONS_MAX} simulation is under way, and no more run at a time; ask again when it is over"
    )]
    Busy,
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Unsound(Vec<PolicyProblem>),
    #[error(transparent)]
    TooMany(#[from] TooMany),
    #[error(transparent)]
    Journal(#[from] journal::Error),
    #[error("{0} gives no more records, although it has not come to its end")]
    Stalled(Partition),
    #[error("the quota service is shutting down")]
    ShuttingDown,
}

/// What is told, as it comes. Dropped, it ends the simulation.
pub(crate) struct Telling {
    told: mpsc::Receiver<Result<Told, Failed>>,
    _ends: DropGuard,
}

impl Telling {
    /// The next that is told; none after the report or a failure.
    pub(crate) async fn next(&mut self) -> Option<Result<Told, Failed>> {
        self.told.recv().await
    }
}

impl Simulator {
    pub(crate) fn new(journal: SharedJournal, tasks: Tasks, rules: Rules) -> Self {
        Self { journal, tasks, rules, free: Arc::new(Semaphore::new(SIMULATIONS_MAX)) }
    }

    /// Begins a simulation, if none is under way. It ends with the service.
    pub(crate) fn begin(&self, wanted: Wanted, shutdown: CancellationToken) -> Result<Telling, Failed> {
        let permit = Arc::clone(&self.free).try_acquire_owned().map_err(|_| Failed::Busy)?;
        let (tell, told) = mpsc::channel(TOLD_MAX);
        let left = CancellationToken::new();
        let (journal, rules) = (Arc::clone(&self.journal), self.rules);
        let work =
            Work { journal, tell, left: left.clone(), shutdown, handle: Handle::current(), _permit: permit };
        self.tasks.spawn(async move {
            let ended = tokio::task::spawn_blocking(move || work.run(&wanted, rules)).await;
            if let Err(panicked) = ended {
                tracing::error!(%panicked, "simulation failed");
            }
        });
        Ok(Telling { told, _ends: left.drop_guard() })
    }
}

/// A simulation on its thread.
struct Work {
    journal: SharedJournal,
    tell: mpsc::Sender<Result<Told, Failed>>,
    /// Whoever asked has left.
    left: CancellationToken,
    shutdown: CancellationToken,
    handle: Handle,
    _permit: OwnedSemaphorePermit,
}

impl Work {
    fn run(self, wanted: &Wanted, rules: Rules) {
        let told = self.simulate(wanted, rules);
        if let Ok(Told::Found { report, .. }) = &told {
            let (author, allocations) = (&wanted.by.author, report.allocations.len());
            tracing::info!(author, allocations, "simulated a policy");
        }
        // Whoever asked may have left; that is their business.
        let telling = self.shutdown.run_until_cancelled(self.tell.reserve());
        if let Some(Ok(room)) = self.handle.block_on(telling) {
            room.send(told);
        }
    }

    fn simulate(&self, wanted: &Wanted, rules: Rules) -> Result<Told, Failed> {
        let Wanted { org, policy, span, by } = wanted;
        let candidate = applied(org, policy, &rules, by).map_err(Failed::Unsound)?;
        let mut simulation = Simulation::new(org, &candidate, *span);
        let unreadable = self.handle.block_on(self.read_while_wanted(&mut simulation))?;
        let mut course = simulation.begin();
        let total = course.attempts() as u64;
        while let Some(at) = course.at() {
            self.go_on()?;
            self.progress(Told::Played { done: course.played() as u64, total, at });
            course.play(ATTEMPTS_AT_ONCE);
        }
        Ok(Told::Found { report: Box::new(course.report()), unreadable })
    }

    async fn read_while_wanted(&self, simulation: &mut Simulation) -> Result<u64, Failed> {
        tokio::select! {
            read = self.read(simulation) => read,
            () = self.left.cancelled() => Err(Failed::ShuttingDown),
            () = self.shutdown.cancelled() => Err(Failed::ShuttingDown),
        }
    }

    /// Whether anybody still waits for what comes of it.
    fn go_on(&self) -> Result<(), Failed> {
        if self.left.is_cancelled() || self.shutdown.is_cancelled() {
            Err(Failed::ShuttingDown)
        } else {
            Ok(())
        }
    }

    fn progress(&self, told: Told) {
        // Where nobody listens yet, the next will do.
        let _ = self.tell.try_send(Ok(told));
    }
}
