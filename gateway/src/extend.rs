//! Keeps the holds of attempts that are under way alive: one task for all of them, not a timer for each.
//!
//! Quota takes a hold that is not extended for [`weir_domain::desk::HOLD_LIFETIME`] for that of a gateway which is gone: it
//! no longer counts as a request under way. What was used is charged either way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use weir_domain::ids::{AttemptId, HoldId, PoolId, ServiceId};
use weir_proto::codec::AttemptStarted;
use weir_proto::quota::v1::ExtendRequest;
use weir_proto::quota::v1::admission_service_client::AdmissionServiceClient;

use crate::metrics;
use crate::quota::QuotaChannel;
use crate::settle::in_time;

/// So many holds are extended at once: ten thousand streams take a few hundred round trips.
const IN_FLIGHT_MAX: usize = 32;

/// Attempts that are under way: no more than may be unfinished.
#[derive(Default)]
pub(crate) struct UnderWay(Mutex<HashMap<AttemptId, Alive>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Alive {
    hold: HoldId,
    service: ServiceId,
    pool: PoolId,
    /// It began after the last round: most are over before the next.
    is_new: bool,
}

impl UnderWay {
    /// An attempt begins. Of a hold of the gateway's own quota knows nothing before it is settled.
    pub(crate) fn begin(&self, started: &AttemptStarted) {
        if started.hold.slice().is_self_granted() {
            return;
        }
        let (hold, service, pool) = (started.hold, started.service.clone(), started.pool.clone());
        self.lock().insert(started.attempt, Alive { hold, service, pool, is_new: true });
    }

    /// It is over.
    pub(crate) fn end(&self, attempt: AttemptId) {
        self.lock().remove(&attempt);
    }

    /// Those that were there in the round before: they have been under way for an interval at least, and two at most.
    fn due(&self) -> Vec<Alive> {
        let is_due = |alive: &mut Alive| !std::mem::replace(&mut alive.is_new, false);
        self.lock().values_mut().filter_map(|alive| is_due(alive).then(|| alive.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AttemptId, Alive>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Extends what is under way, again and again until shutdown.
pub(crate) async fn keep_alive(
    under_way: Arc<UnderWay>,
    quota: QuotaChannel,
    interval: Duration,
    shutdown: CancellationToken,
) {
    let extending = async {
        let mut rounds = tokio::time::interval(interval);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            // A quota that does not answer is asked anew in the next round.
            let _ = tokio::time::timeout(interval, extend_all(under_way.due(), &quota)).await;
        }
    };
    let _: Option<()> = shutdown.run_until_cancelled(extending).await;
}

async fn extend_all(due: Vec<Alive>, quota: &QuotaChannel) {
    let mut calls = JoinSet::new();
    for alive in due {
        if calls.len() == IN_FLIGHT_MAX {
            calls.join_next().await;
        }
        calls.spawn(extend(alive, quota.clone()));
    }
    while calls.join_next().await.is_some() {}
}

async fn extend(alive: Alive, quota: QuotaChannel) {
    let Alive { hold, service, pool, .. } = alive;
    let request =
        ExtendRequest { hold_id: hold.to_string(), service: service.to_string(), pool: pool.to_string() };
    match in_time(AdmissionServiceClient::new(quota).extend(request)).await {
        Ok(answer) if answer.get_ref().alive => {}
        Ok(_) => tracing::debug!(%hold, "quota does not count a hold as under way any more"),
        Err(problem) => {
            metrics::extend_failed();
            tracing::debug!(code = ?problem.code(), %hold, "a hold could not be extended");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wal::tests::started;
    use weir_domain::ids::SliceId;
    use weir_domain::time::Timestamp;

    fn holds(due: &[Alive]) -> Vec<u128> {
        let mut holds: Vec<_> = due.iter().map(|alive| alive.hold.as_u128()).collect();
        holds.sort_unstable();
        holds
    }

    fn begin(under_way: &UnderWay, attempt: u128, hold: HoldId) {
        under_way.begin(&AttemptStarted { hold, ..started(attempt) });
    }

    #[test]
    fn what_is_under_way_is_extended_in_every_round_until_it_ends() {
        let under_way = UnderWay::default();
        begin(&under_way, 1, HoldId::new(11));
        assert_eq!(holds(&under_way.due()), [0; 0], "it has only begun");
        // Holds of two pools may have the same id.
        begin(&under_way, 2, HoldId::new(11));
        begin(&under_way, 3, HoldId::new(33));
        assert_eq!(holds(&under_way.due()), [11]);
        assert_eq!(holds(&under_way.due()), [11, 11, 33]);
        under_way.end(AttemptId::new(1));
        under_way.end(AttemptId::new(3));
        assert_eq!(holds(&under_way.due()), [11]);
    }

    #[test]
    fn a_hold_of_the_gateways_own_is_not_extended() {
        let under_way = UnderWay::default();
        let slice = SliceId::self_granted(1, Timestamp::from_secs(1));
        begin(&under_way, 1, HoldId::try_pack(slice, 0, weir_domain::amount::Tokens::ZERO).unwrap());
        under_way.due();
        assert_eq!(under_way.due(), []);
    }
}
