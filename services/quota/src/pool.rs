//! A pool at work: one writer task owns its ledger, others hold a handle.

mod batch;
mod writer;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};
use weir_domain::authorship::Authorship;
use weir_domain::ids::{PoolId, ServiceId};
use weir_domain::ledger::{
    Change, Headroom, Ledger, Refusal, Release, Reserve, Settle, Standing, TermsChanged,
};
use weir_runtime::clock::Clock;
use weir_runtime::tasks::Tasks;

use crate::no_decision::{NoDecision, Reply};
use crate::recorder::Recorder;
use writer::PoolWriter;

/// Calls that may wait for a pool's writer: some 100 ms of the most a node serves, and 2 MB at most.
const WAITING_MAX: usize = 8_192;

/// What a pool's writer is asked.
pub(crate) enum Ask {
    Reserve(Reserve, Reply<Reserved>),
    Settle(Settle, Reply<bool>),
    Release(Release, Reply<bool>),
    Change(Authorship, Vec<Change>, Reply<Changed>),
    Headroom(ServiceId, Reply<Option<Headroom>>),
}

/// What became of a reservation, and where its service stands after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reserved {
    pub(crate) decision: Result<weir_domain::amount::Tokens, Refusal>,
    pub(crate) standing: Option<Standing>,
}

/// What a change of terms changed, or why it was refused.
pub(crate) type Changed = Result<Vec<TermsChanged>, Refusal>;

/// A handle on one pool's writer.
#[derive(Clone)]
pub(crate) struct PoolHandle {
    pool: PoolId,
    asks: mpsc::Sender<Ask>,
}

impl PoolHandle {
    pub(crate) async fn reserve(&self, command: Reserve) -> Result<Reserved, NoDecision> {
        self.ask(|reply| Ask::Reserve(command, reply)).await
    }

    /// Whether it was charged now.
    pub(crate) async fn settle(&self, command: Settle) -> Result<bool, NoDecision> {
        self.ask(|reply| Ask::Settle(command, reply)).await
    }

    /// Whether it gave something back now.
    pub(crate) async fn release(&self, command: Release) -> Result<bool, NoDecision> {
        self.ask(|reply| Ask::Release(command, reply)).await
    }

    pub(crate) async fn change(&self, by: Authorship, changes: Vec<Change>) -> Result<Changed, NoDecision> {
        self.ask(|reply| Ask::Change(by, changes, reply)).await
    }

    pub(crate) async fn headroom(&self, service: ServiceId) -> Result<Option<Headroom>, NoDecision> {
        self.ask(|reply| Ask::Headroom(service, reply)).await
    }

    async fn ask<T>(&self, ask: impl FnOnce(Reply<T>) -> Ask) -> Result<T, NoDecision> {
        let (reply, answer) = oneshot::channel();
        self.asks.try_send(ask(reply)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => {
                NoDecision::Busy { writer: format!("pool {}", self.pool), waiting: WAITING_MAX }
            }
            mpsc::error::TrySendError::Closed(_) => NoDecision::ShuttingDown,
        })?;
        answer.await.unwrap_or(Err(NoDecision::ShuttingDown))
    }
}

/// The writers of all pools. Many read, only the organisation's writer starts new ones.
pub(crate) struct Pools {
    handles: ArcSwap<HashMap<PoolId, PoolHandle>>,
    recorder: Recorder,
    clock: Arc<dyn Clock>,
    tasks: Tasks,
}

impl Pools {
    pub(crate) fn new(recorder: Recorder, clock: Arc<dyn Clock>, tasks: Tasks) -> Self {
        Self { handles: ArcSwap::default(), recorder, clock, tasks }
    }

    /// A pool's handle; none if the pool never was.
    pub(crate) fn get(&self, pool: &PoolId) -> Option<PoolHandle> {
        self.handles.load().get(pool).cloned()
    }

    /// All handles.
    pub(crate) fn all(&self) -> Vec<PoolHandle> {
        self.handles.load().values().cloned().collect()
    }

    /// A pool's handle, its writer started with this ledger if there is none.
    pub(crate) fn start(&self, pool: &PoolId, ledger: Ledger) -> PoolHandle {
        if let Some(handle) = self.get(pool) {
            return handle;
        }
        let (asks, inbox) = mpsc::channel(WAITING_MAX);
        let writer = PoolWriter::new(pool.clone(), ledger, self.recorder.clone(), Arc::clone(&self.clock));
        self.tasks.spawn(writer.run(inbox));
        let handle = PoolHandle { pool: pool.clone(), asks };
        self.handles.rcu(|handles| {
            let mut handles = HashMap::clone(handles);
            handles.insert(pool.clone(), handle.clone());
            handles
        });
        handle
    }
}
