//! What a gateway admits on its own while quota cannot be asked.
//!
//! An outage of a pool begins with the first reservation that is not answered and ends with the first that is. Within it
//! an allocation whose failure mode is open is admitted up to its bound of tokens, however many ask at once, and not a token
//! beyond; what was held and not used does not come back before the outage is over. Holds come from slices that the gateway
//! grants itself. They are settled like all others, and only then does quota learn of them and charge them, as debt.
//!
//! An outage outlives the process: the write-ahead log knows what was admitted, and keeps what is settled already until the
//! outage is over. So a gateway that is killed and started again within one goes on with what is left of the bound.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use weir_domain::amount::Tokens;
use weir_domain::directory::ServiceEntry;
use weir_domain::ids::{AttemptId, HoldId, NodeId, PoolId, ServiceId, SliceId};
use weir_domain::ledger::HOLDS_PER_SLICE;
use weir_domain::policy::FailureMode;
use weir_domain::time::Timestamp;
use weir_proto::codec::AttemptStarted;

use crate::metrics;

/// Slices that one gateway grants itself are told apart by their milliseconds.
const SLICE_STEP: Duration = Duration::from_millis(1);
/// So many attempts of one outage may be settled while it lasts and be kept in the log: some 50 MB of it. Where quota answers
/// settles and no reservations for so long, nothing more is admitted without it.
const SETTLED_MAX: usize = 100_000;

/// Outages under way. As many as there are pools at most, with a grant for each allocation that is open.
pub(crate) struct Outages {
    node: u32,
    state: Mutex<State>,
    /// How many there are, for answered reservations: nearly always none.
    count: AtomicUsize,
}

#[derive(Default)]
struct State {
    pools: HashMap<PoolId, Outage>,
    slices: Slices,
}

#[derive(Default)]
struct Outage {
    grants: HashMap<ServiceId, Grant>,
    /// Attempts of it that are settled, whose marks are not in the log yet.
    settled: Vec<AttemptId>,
}

/// What one allocation was granted in one outage.
struct Grant {
    tokens: Tokens,
    slice: SliceId,
    /// How many holds of the slice were handed out.
    holds: u32,
}

/// A reservation that quota did not answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unanswered<'a> {
    pub(crate) service: &'a ServiceEntry,
    pub(crate) pool: &'a PoolId,
    pub(crate) failure: FailureMode,
    pub(crate) tokens: Tokens,
}

impl Outages {
    /// Those that a process of this node before this one was in: `unfinished` are the attempts that its log has.
    pub(crate) fn new<'a>(node: &NodeId, unfinished: impl IntoIterator<Item = &'a AttemptStarted>) -> Self {
        let digest = Sha256::digest(node.as_str());
        let node = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
        let mut state = State::default();
        for started in unfinished.into_iter().filter(|started| started.hold.slice().is_self_granted()) {
            state.recover(started);
        }
        let count = AtomicUsize::new(state.pools.len());
        Self { node, state: Mutex::new(state), count }
    }

    /// Quota answered a reservation in this pool: its outage is over, if there was one. The attempts of it that are settled.
    pub(crate) fn end(&self, pool: &PoolId) -> Vec<AttemptId> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return Vec::new();
        }
        let mut state = self.lock();
        let Some(outage) = state.pools.remove(pool) else { return Vec::new() };
        self.count.store(state.pools.len(), Ordering::Relaxed);
        let tokens: Tokens = outage.grants.values().map(|grant| grant.tokens).sum();
        tracing::info!(%pool, %tokens, "quota answers again; so many tokens were admitted without it");
        outage.settled
    }

    /// Whether an attempt that is settled is kept in the log until its outage is over.
    pub(crate) fn keeps(&self, pool: &PoolId, attempt: AttemptId) -> bool {
        let mut state = self.lock();
        let outage = state.pools.get_mut(pool);
        outage.map(|outage| outage.settled.push(attempt)).is_some()
    }

    /// Quota did not answer: a hold of the gateway's own, if the allocation's failure mode has room for it.
    pub(crate) fn admit(&self, asked: &Unanswered<'_>, now: Timestamp) -> Option<HoldId> {
        let mut state = self.lock();
        let State { pools, slices } = &mut *state;
        if !pools.contains_key(asked.pool) {
            tracing::warn!(pool = %asked.pool, "quota does not answer");
            metrics::outage_began(asked.pool);
            pools.insert(asked.pool.clone(), Outage::default());
            self.count.store(pools.len(), Ordering::Relaxed);
        }
        let FailureMode::Open { tokens_per_outage } = asked.failure else { return None };
        let Outage { grants, settled } = pools.get_mut(asked.pool)?;
        if settled.len() >= SETTLED_MAX {
            return None;
        }
        let granted = grants.get(&asked.service.id).map_or(Tokens::ZERO, |grant| grant.tokens);
        if asked.tokens > tokens_per_outage.saturating_sub(granted) {
            return None;
        }
        let grant = grants.entry(asked.service.id.clone()).or_insert_with(|| Grant {
            tokens: Tokens::ZERO,
            slice: slices.next(self.node, now),
            holds: 0,
        });
        let hold = grant.take(asked.tokens, || slices.next(self.node, now))?;
        metrics::admitted_open(&asked.service.team, asked.pool, asked.tokens);
        Some(hold)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// An attempt that was admitted before a restart. Its slice is full: what comes next has one of its own.
    fn recover(&mut self, started: &AttemptStarted) {
        let AttemptStarted { hold, pool, service, .. } = started;
        let slice = hold.slice();
        self.slices.taken.insert(slice);
        let outage = self.pools.entry(pool.clone()).or_default();
        let none = Grant { tokens: Tokens::ZERO, slice, holds: HOLDS_PER_SLICE };
        outage.grants.entry(service.clone()).or_insert(none).tokens += hold.tokens();
    }
}

impl Grant {
    /// The next hold, of a slice of its own where this one has had all the holds that quota tells apart.
    fn take(&mut self, tokens: Tokens, next_slice: impl FnOnce() -> SliceId) -> Option<HoldId> {
        if self.holds == HOLDS_PER_SLICE {
            (self.slice, self.holds) = (next_slice(), 0);
        }
        let hold = HoldId::try_pack(self.slice, self.holds, tokens)?;
        self.holds += 1;
        self.tokens += tokens;
        Some(hold)
    }
}

/// Slices that this gateway has granted itself. None comes twice, whatever the clock does and whoever was here before.
#[derive(Default)]
struct Slices {
    /// The instant that the last one is named for.
    last: Option<Timestamp>,
    taken: BTreeSet<SliceId>,
}

impl Slices {
    fn next(&mut self, node: u32, now: Timestamp) -> SliceId {
        let mut at = self.last.map_or(now, |last| now.max(last.plus(SLICE_STEP)));
        while self.taken.contains(&SliceId::self_granted(node, at)) {
            at = at.plus(SLICE_STEP);
        }
        self.last = Some(at);
        SliceId::self_granted(node, at)
    }
}

#[cfg(test)]
#[path = "outage_tests.rs"]
mod tests;
