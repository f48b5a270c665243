//! A pool at work: a lock owns its desk, one writer task appends what the desk says, others hold a handle.

mod askers;
mod batch;
mod clerk;
mod due;
mod edges;
mod entitled;
mod inside;
mod pace;
mod section;
mod shared;
mod waiting;
mod writer;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use weir_domain::authorship::Authorship;
use weir_domain::budget::Budget;
use weir_domain::desk::{Answer, BudgetStanding, Headroom, Release, Reserve};
use weir_domain::ids::{HoldId, InvalidName, PoolId, ReservationId, ServiceId};
use weir_domain::ledger::{Change, ChangeRefused, Governed, Ledger, Quantity, Settle};
use weir_domain::time::Timestamp;
use weir_runtime::clock::Clock;
use weir_runtime::tasks::Tasks;

use crate::no_decision::NoDecision;
use crate::rebuild::{Folded, RebuildError};
pub(crate) use clerk::{Clerk, Decided, Held, LimitsSeen, Looked, Reserved};
pub(crate) use due::Due;
pub(crate) use entitled::Entitled;
use section::Section;
pub(crate) use shared::Shared;
use writer::PoolWriter;

/// A handle on one pool.
#[derive(Clone)]
pub(crate) struct PoolHandle(Arc<Section>);

/// What a change of terms changed, or why it was refused.
pub(crate) type Changed = Result<Vec<Governed>, ChangeRefused>;

impl PoolHandle {
    pub(crate) fn pool(&self) -> &PoolId {
        self.0.pool()
    }

    /// A service by its name, and whether its calls must be priced.
    pub(crate) fn entitled(&self, service: &str) -> Result<Entitled, InvalidName> {
        self.0.entitled(service)
    }

    /// Reserves for nobody that is known by name.
    pub(crate) async fn reserve(&self, ask: &Reserve) -> Result<Reserved, NoDecision> {
        self.reserve_for(ask, "").await
    }

    /// Reserves for whoever asks by this name.
    pub(crate) async fn reserve_for(&self, ask: &Reserve, by: &str) -> Result<Reserved, NoDecision> {
        let reserve = |clerk: &mut Clerk| clerk.reserve_and_stand(ask, by);
        self.step(1, reserve)?.await
    }

    /// Whether it was charged now.
    pub(crate) async fn settle(&self, ask: &Settle) -> Result<bool, NoDecision> {
        self.step(1, |clerk| clerk.settle(ask))?.await
    }

    /// Whether it gave something back now.
    pub(crate) async fn release(&self, ask: &Release, service: &ServiceId) -> Result<bool, NoDecision> {
        self.step(1, |clerk| clerk.release(ask, service))?.await
    }

    /// Whether the hold counts as under way.
    pub(crate) async fn extend(&self, hold: HoldId, service: &ServiceId) -> Result<bool, NoDecision> {
        self.step(1, |clerk| clerk.extend(hold, service))?.await
    }

    /// Where a service stands, and whether a request of a size would pass.
    pub(crate) async fn headroom(
        &self,
        service: &ServiceId,
        asked: Option<Quantity>,
    ) -> Result<Option<Headroom>, NoDecision> {
        self.step(1, |clerk| clerk.headroom(service, asked))?.await
    }

    /// How far budgets of services would be used if they were decided now.
    pub(crate) async fn budgets_if_set(
        &self,
        asked: &[(ServiceId, Vec<Budget>)],
    ) -> Result<Vec<(ServiceId, BudgetStanding)>, NoDecision> {
        self.step(1, |clerk| clerk.budgets_if_set(asked))?.await
    }

    /// Holds that nobody has settled, of reservations from this one on that were minted up to an instant, as far as one look
    /// goes.
    pub(crate) async fn unsettled(
        &self,
        first: ReservationId,
        until: Timestamp,
        is_wanted: impl Fn(&ServiceId) -> bool,
    ) -> Result<Looked, NoDecision> {
        self.step(1, |clerk| clerk.unsettled(first, until, is_wanted))?.await
    }

    /// Changes what the pool is or who is entitled to what; refused if the pool's version is not the expected one.
    pub(crate) async fn change(
        &self,
        by: Authorship,
        changes: Vec<Change>,
        expected: Option<u64>,
    ) -> Result<Changed, NoDecision> {
        let changed = self.step(1, |clerk| clerk.change(&by, &changes, expected))?.await;
        self.0.match_entitled();
        changed
    }

    /// Returns when all that was said so far is in the journal.
    pub(crate) async fn recorded(&self) -> Result<(), NoDecision> {
        self.step(1, Clerk::nothing)?.await
    }

    /// Whether a step that takes so much room could be done now.
    pub(crate) fn admits(&self, items: usize) -> Result<(), NoDecision> {
        self.0.admits(items)
    }

    /// Does a step at the pool's desk that takes as much room as so many calls, if its answer has to wait.
    pub(crate) fn step<T>(
        &self,
        items: usize,
        step: impl FnOnce(&mut Clerk) -> Answer<T>,
    ) -> Result<Due<T>, NoDecision> {
        self.0.step(items, step)
    }

    /// Does a step that adds to an answer, which then rests on this step too.
    pub(crate) fn step_on<T>(
        &self,
        due: &mut Due<T>,
        items: usize,
        step: impl FnOnce(&mut Clerk, &mut T) -> Answer<()>,
    ) -> Result<(), NoDecision> {
        self.0.step_on(due, items, step)
    }

    /// The limits of a service now, to be compared with later ones. Says nothing of what is recorded.
    pub(crate) fn limits_of(&self, service: &ServiceId) -> Option<LimitsSeen> {
        self.0.limits_of(service)
    }

    /// How often limits in the pool have changed.
    pub(crate) fn limits(&self) -> u64 {
        self.0.limits()
    }

    /// How often the pool's desk was lost, and with it what holds were under way.
    pub(crate) fn losses(&self) -> u64 {
        self.0.losses()
    }
}

/// All pools. Many read, only the organisation's writer starts new ones.
pub(crate) struct Pools {
    handles: ArcSwap<HashMap<Box<str>, PoolHandle>>,
    shared: Shared,
    clock: Arc<dyn Clock>,
    tasks: Tasks,
}

impl Pools {
    pub(crate) fn new(shared: Shared, clock: Arc<dyn Clock>, tasks: Tasks) -> Self {
        Self { handles: ArcSwap::default(), shared, clock, tasks }
    }

    /// A pool's handle; none if the pool never was.
    pub(crate) fn get(&self, pool: &PoolId) -> Option<PoolHandle> {
        self.find(pool.as_str())
    }

    /// The handle of the pool of a name; none if the pool never was.
    pub(crate) fn find(&self, pool: &str) -> Option<PoolHandle> {
        self.handles.load().get(pool).cloned()
    }

    /// All handles.
    pub(crate) fn all(&self) -> Vec<PoolHandle> {
        self.handles.load().values().cloned().collect()
    }

    /// Everything as the journal has it now, and with it the organisation.
    pub(crate) async fn fold_all(&self) -> Result<Folded, RebuildError> {
        self.shared.fold_all().await
    }

    /// Told whenever limits have changed in some pool, or its desk was lost.
    pub(crate) fn watch_limits(&self) -> watch::Receiver<u64> {
        self.shared.watch_limits()
    }

    /// A pool's handle, its writer started with this ledger if there is none. It writes until shutdown begins.
    pub(crate) fn start(&self, pool: &PoolId, ledger: Ledger) -> PoolHandle {
        if let Some(handle) = self.get(pool) {
            return handle;
        }
        let section = Arc::new(Section::new(pool.clone(), ledger, Arc::clone(&self.clock)));
        let writer = PoolWriter::new(Arc::clone(&section), self.shared.clone(), self.tasks.shutdown());
        self.tasks.spawn(writer.run());
        let handle = PoolHandle(section);
        self.handles.rcu(|handles| {
            let mut handles = HashMap::clone(handles);
            handles.insert(pool.as_str().into(), handle.clone());
            handles
        });
        handle
    }
}
