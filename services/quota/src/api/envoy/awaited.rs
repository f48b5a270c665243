//! What is held for requests until their use is reported.
//!
//! Kept in memory only. After a crash the slices of these holds count as spent, and a report is charged as one of a request
//! that nothing was held for: for a while less is admitted than could be, never more. At a clean end they are given back.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use weir_domain::ids::{PoolId, ServiceId};
use weir_domain::time::Timestamp;

use super::held::Held;

/// How long a report is waited for: longer than any answer streams. Then what was held is charged.
pub(super) const AWAITED_LIFETIME: Duration = Duration::from_hours(1);
/// How many requests are waited for: some 40 MB. Beyond them the oldest is charged what was held.
const AWAITED_MAX: usize = 100_000;
/// How many that were reported may still stand in the queue, before it is gone through.
const REPORTED_MAX: usize = 65_536;

/// A request of a service in a pool: a digest, because callers choose how long their ids are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct RequestKey([u8; 32]);

impl RequestKey {
    pub(super) fn new(pool: &PoolId, service: &ServiceId, request: &str) -> Self {
        // Names have no zero byte, so that no two requests are one.
        let parts = [pool.as_str(), "\0", service.as_str(), "\0", request];
        let digest = parts.iter().fold(Sha256::new(), Sha256::chain_update);
        Self(digest.finalize().into())
    }
}

/// The holds of requests that are under way.
#[derive(Default)]
pub(super) struct Awaited(Mutex<State>);

#[derive(Default)]
struct State {
    held: HashMap<RequestKey, (Timestamp, Held)>,
    /// In the order in which they are overdue; those that were reported are here, too.
    due: VecDeque<(Timestamp, RequestKey)>,
}

impl Awaited {
    /// Waits for the report of a request. What was held for an earlier one of the same name, if there was one.
    pub(super) fn put(&self, key: RequestKey, held: Held, now: Timestamp) -> Option<Held> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = now.plus(AWAITED_LIFETIME);
        let State { held: all, due: queue } = &mut *state;
        let earlier = all.insert(key, (due, held)).map(|(_, earlier)| earlier);
        if queue.len() > 2 * all.len() + REPORTED_MAX {
            queue.retain(|(due, key)| all.get(key).is_some_and(|(theirs, _)| theirs == due));
        }
        queue.push_back((due, key));
        earlier
    }

    /// What is held for a request; nobody else gets it.
    pub(super) fn take(&self, key: RequestKey) -> Option<Held> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.held.remove(&key).map(|(_, held)| held)
    }

    /// What was held for requests of which no report has come in time.
    pub(super) fn overdue(&self, now: Timestamp) -> Vec<Held> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State { held: all, due: queue } = &mut *state;
        let mut found = Vec::new();
        while let Some((due, key)) = queue.front().copied() {
            if due > now && all.len() <= AWAITED_MAX {
                break;
            }
            queue.pop_front();
            if all.get(&key).is_some_and(|(theirs, _)| *theirs == due) {
                found.extend(all.remove(&key).map(|(_, held)| held));
            }
        }
        found
    }
}
