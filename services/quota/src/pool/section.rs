//! The critical section of a pool: a lock around its desk.
//!
//! One lock owns the desk, not one task. A hop to a task and back costs two wake-ups and several microseconds; a decision
//! costs less than one. So callers decide for themselves, one at a time, each for the length of one pure step; the lock is
//! never held across an await. Appending is the writer's: it takes the events that steps have left and says what is recorded.
//!
//! Nobody reads outside of it, by construction: the desk is private here, a step is the only way to it, and what a step
//! answers is a [`Due`], which is given when what it rests on is in the journal and not before.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, oneshot};
use weir_domain::desk::{Answer, Desk, Mark};
use weir_domain::ids::{InvalidName, PoolId, ServiceId};
use weir_domain::ledger::{Event, Ledger};
use weir_runtime::clock::Clock;

use super::clerk::{Clerk, LimitsSeen};
use super::due::{Due, Recorded};
use super::edges::Edges;
use super::entitled::{Entitled, Services};
use super::inside::{DeskState, Inside};
use crate::metrics::Survey;
use crate::no_decision::NoDecision;

/// What may wait for the journal in one pool: a fifth of a second of the most that a node serves, in some 4 MB.
pub(super) const WAITING_MAX: usize = 8_192;
/// How often slices and holds are looked after. A caller does it where the writer's timer is as late as twice that.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// A pool's desk, one step at a time.
pub(super) struct Section {
    pool: PoolId,
    clock: Arc<dyn Clock>,
    inside: Mutex<Inside>,
    /// Tells the writer that there are events, or that the desk is lost.
    wake: Notify,
    services: ArcSwap<Services>,
    /// How often limits changed, and how often the desk was lost: what sessions compare with what they saw.
    limits: AtomicU64,
    losses: AtomicU64,
}

/// What a writer finds.
pub(super) enum Taken {
    /// There is nothing to append.
    Nothing,
    /// Events, to be appended and then said to be recorded.
    Events(Mark),
    /// The desk is lost.
    Lost,
}

impl Section {
    /// A section around a ledger as the journal has it.
    pub(super) fn new(pool: PoolId, ledger: Ledger, clock: Arc<dyn Clock>) -> Self {
        let now = clock.now();
        let clerk = Clerk::new(&pool, Desk::new(ledger, now));
        let inside = Inside::new(clerk, now);
        let services = ArcSwap::from_pointee(Services::of(inside.clerk.desk.ledger().terms()));
        let (wake, limits, losses) = (Notify::new(), AtomicU64::new(0), AtomicU64::new(0));
        Self { pool, clock, inside: Mutex::new(inside), wake, services, limits, losses }
    }

    pub(super) fn pool(&self) -> &PoolId {
        &self.pool
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// A service by its name, and whether its calls must be priced.
    pub(super) fn entitled(&self, service: &str) -> Result<Entitled, InvalidName> {
        self.services.load().find(service)
    }

    /// Looks anew who is entitled to something.
    pub(super) fn match_entitled(&self) {
        let services = Services::of(self.lock().clerk.desk.ledger().terms());
        self.services.store(Arc::new(services));
    }

    /// The limits of a service now, to be compared with later ones: nothing that anybody is told.
    pub(super) fn limits_of(&self, service: &ServiceId) -> Option<LimitsSeen> {
        self.lock().clerk.limits_of(service)
    }

    /// How often limits in the pool have changed.
    pub(super) fn limits(&self) -> u64 {
        self.limits.load(Ordering::Acquire)
    }

    /// How often the desk was lost, and with it what holds were under way.
    pub(super) fn losses(&self) -> u64 {
        self.losses.load(Ordering::Acquire)
    }

    /// Whether a step could be done now, where its answer takes so much room.
    pub(super) fn admits(&self, items: usize) -> Result<(), NoDecision> {
        self.lock().admits(&self.pool, items)
    }

    /// Does one step at the desk. `items` is how much room the answer takes if it has to wait.
    pub(super) fn step<T>(
        &self,
        items: usize,
        step: impl FnOnce(&mut Clerk) -> Answer<T>,
    ) -> Result<Due<T>, NoDecision> {
        let (answer, ticket) = self.decide(items, step)?;
        Ok(Due::after(answer, ticket))
    }

    /// Does one step at the desk that adds to an answer, which then rests on this step too.
    pub(super) fn step_on<T>(
        &self,
        due: &mut Due<T>,
        items: usize,
        step: impl FnOnce(&mut Clerk, &mut T) -> Answer<()>,
    ) -> Result<(), NoDecision> {
        due.work(|answer| {
            let ((), ticket) = self.decide(items, |clerk| step(clerk, answer))?;
            Ok(ticket)
        })
    }

    fn decide<T>(
        &self,
        items: usize,
        step: impl FnOnce(&mut Clerk) -> Answer<T>,
    ) -> Result<(T, Option<oneshot::Receiver<Recorded>>), NoDecision> {
        let now = self.clock.now();
        let mut inside = self.lock();
        inside.admits(&self.pool, items)?;
        inside.pass(now, TICK * 2);
        let Answer { what: answer, after } = step(&mut inside.clerk);
        let ticket = inside.wait_for(after, items);
        let tell = inside.writer_must_know();
        drop(inside);
        if tell {
            self.wake.notify_one();
        }
        Ok((answer, ticket))
    }

    /// Looks after slices and holds; whether limits have changed since it was last asked.
    pub(super) fn tick(&self) -> bool {
        let now = self.clock.now();
        let mut inside = self.lock();
        if matches!(inside.state, DeskState::Open) {
            inside.pass(now, Duration::ZERO);
        }
        inside.clerk.show();
        let Inside { edges, clerk, .. } = &mut *inside;
        let changed = edges.passed(clerk.desk.ledger().terms(), now);
        drop(inside);
        if changed {
            self.limits.fetch_add(1, Ordering::AcqRel);
        }
        changed
    }

    /// The pool as a whole, for gauges. Costs a look at every account.
    pub(super) fn survey(&self) -> Survey {
        Survey::of(self.lock().clerk.desk.ledger())
    }

    /// Returns when there may be something for the writer to do.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Takes what is to be appended into an empty vector.
    pub(super) fn take(&self, events: &mut Vec<Event>) -> Taken {
        let mut inside = self.lock();
        inside.told = false;
        if matches!(inside.state, DeskState::Lost(_)) {
            return Taken::Lost;
        }
        let Some(mark) = inside.clerk.desk.take_events(events) else { return Taken::Nothing };
        inside.appending = Some(mark);
        inside.waiting.take();
        inside.clerk.check(&self.pool, events);
        Taken::Events(mark)
    }

    /// What was taken is in the journal: whoever waited for it is answered.
    pub(super) fn recorded(&self, mark: Mark) {
        let mut inside = self.lock();
        inside.clerk.desk.recorded(mark);
        inside.appending = None;
        inside.waiting.answer_taken();
    }

    /// The journal has not taken it, or nobody knows: nobody gets a decision until the desk is another.
    pub(super) fn lose(&self, reason: &NoDecision) {
        self.lock().lose(reason);
        self.losses.fetch_add(1, Ordering::AcqRel);
    }

    /// Goes on with a ledger rebuilt from the journal.
    pub(super) fn resume(&self, ledger: Ledger) {
        let now = self.clock.now();
        let desk = Desk::new(ledger, now);
        let mut inside = self.lock();
        inside.edges = Edges::of(desk.ledger().terms(), now);
        inside.clerk.replace(desk);
        inside.state = DeskState::Open;
        inside.ticked = now;
        drop(inside);
        self.match_entitled();
    }

    /// Gives back what is in hand, to be appended. Whoever asks from now on is told that the service is ending.
    pub(super) fn close(&self) {
        let now = self.clock.now();
        let mut inside = self.lock();
        if matches!(inside.state, DeskState::Open) {
            inside.pass(now, Duration::ZERO);
            inside.clerk.desk.close();
            inside.clerk.show();
            inside.state = DeskState::Closed;
        }
    }

    /// A panic in a step is a defect of a rule: the desk may be half changed, and is lost.
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(|poisoned: PoisonError<_>| {
            self.inside.clear_poison();
            tracing::error!(pool = %self.pool, "a step at the desk panicked; rebuilding from the journal");
            let mut inside = poisoned.into_inner();
            inside.lose(&NoDecision::NotRecorded { reason: "a defect; see the log".to_owned() });
            self.losses.fetch_add(1, Ordering::AcqRel);
            self.wake.notify_one();
            inside
        })
    }
}
