//! Tells quota what was used, until it acknowledges or says that it never will; and gives back what was never used.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tonic::Code;
use weir_domain::amount::Tokens;
use weir_domain::ids::{HoldId, PoolId, ReservationId, ServiceId};
use weir_proto::quota::v1::admission_service_client::AdmissionServiceClient;
use weir_proto::quota::v1::{ReleaseRequest, SettleRequest};

use crate::attempt::{Settlement, mark_settled};
use crate::backlog::Backlog;
use crate::metrics;
use crate::outage::Outages;
use crate::quota::QuotaChannel;
use crate::wal::Wal;

/// How long a call may take. Longer than a reservation: nobody waits for it.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Waits between attempts of one settle.
const RETRY_MIN: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(2);
/// A hold that cannot be given back in so many attempts stays charged, as if it had been used.
const RELEASES_MAX: u32 = 3;

/// Settles what is in the backlog. Several of these share it.
pub(crate) struct Settler {
    pub(crate) backlog: Arc<Backlog<Settlement>>,
    pub(crate) quota: QuotaChannel,
    pub(crate) wal: Arc<Wal>,
    pub(crate) outages: Arc<Outages>,
}

impl Settler {
    /// Settles until shutdown.
    pub(crate) async fn settle(self, shutdown: CancellationToken) {
        let settling = async {
            loop {
                for settlement in self.backlog.take(1).await {
                    self.settle_one(settlement).await;
                }
            }
        };
        let _: Option<()> = shutdown.run_until_cancelled(settling).await;
    }

    async fn settle_one(&self, mut settlement: Settlement) {
        match call(&settlement, &self.quota).await {
            Ok(charged) => check_charged(&settlement, charged),
            Err(problem) if never_succeeds(&problem) => give_up(&settlement, &problem),
            Err(problem) => {
                metrics::settle_failed();
                tracing::warn!(code = ?problem.code(), hold = %settlement.hold, tries = settlement.tries, "settle failed, trying again");
                let pause = RETRY_MIN.saturating_mul(1 << settlement.tries.min(10)).min(RETRY_MAX);
                tokio::time::sleep(pause).await;
                settlement.tries = settlement.tries.saturating_add(1);
                // At the end of the queue: one that always fails must not hold up the others.
                return self.backlog.requeue(settlement);
            }
        }
        let is_own = settlement.hold.slice().is_self_granted();
        if !(is_own && self.outages.keeps(&settlement.pool, settlement.attempt)) {
            mark_settled(&self.wal, &[settlement.attempt]);
        }
        self.backlog.done(1);
    }
}

/// Quota said no to what was asked, not to when: repeated for ever, it would keep the log's files for ever.
fn never_succeeds(problem: &tonic::Status) -> bool {
    matches!(problem.code(), Code::InvalidArgument | Code::NotFound)
}

/// Its tokens are charged to nobody.
fn give_up(settlement: &Settlement, problem: &tonic::Status) {
    let used = settlement.usage.total();
    metrics::uncharged(used);
    tracing::error!(
        code = ?problem.code(), problem = problem.message(), hold = %settlement.hold, service = %settlement.service,
        pool = %settlement.pool, %used, "quota never takes this settle; its tokens are charged to nobody"
    );
}

/// The first settle of a hold is charged, or its tokens are charged to nobody.
fn check_charged(settlement: &Settlement, charged: bool) {
    let used = settlement.usage.total();
    if !charged && settlement.is_first() && used > Tokens::ZERO {
        metrics::uncharged(used);
        tracing::error!(hold = %settlement.hold, %used, "quota did not charge a settle");
    }
}

/// Whether it was charged now, and not before.
async fn call(settlement: &Settlement, quota: &QuotaChannel) -> Result<bool, tonic::Status> {
    let request = SettleRequest {
        hold_id: settlement.hold.to_string(),
        service: settlement.service.to_string(),
        pool: settlement.pool.to_string(),
        used: settlement.usage.total().get(),
        model: settlement.model.to_string(),
        input: settlement.usage.input.get(),
        input_cached: settlement.usage.input_cached.get(),
    };
    let mut client = AdmissionServiceClient::new(quota.clone());
    in_time(client.settle(request)).await.map(|answer| answer.into_inner().charged)
}

/// What is given back.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unused {
    /// A hold.
    Hold(HoldId),
    /// Whatever a reservation holds that was not answered.
    Reservation(ReservationId),
}

/// Gives back what was held: the call that it was for is not made.
pub(crate) async fn release(quota: QuotaChannel, unused: Unused, service: ServiceId, pool: PoolId) {
    let mut client = AdmissionServiceClient::new(quota);
    let (hold_id, reservation_id) = match unused {
        Unused::Hold(hold) => (hold.to_string(), String::new()),
        Unused::Reservation(reservation) => (String::new(), reservation.to_string()),
    };
    for attempt in 1..=RELEASES_MAX {
        let request = ReleaseRequest {
            hold_id: hold_id.clone(),
            service: service.to_string(),
            pool: pool.to_string(),
            reservation_id: reservation_id.clone(),
        };
        match in_time(client.release(request)).await {
            Ok(_) => return,
            Err(problem) => {
                tracing::warn!(code = ?problem.code(), ?unused, attempt, "a hold cannot be given back");
            }
        }
        tokio::time::sleep(RETRY_MAX).await;
    }
}

pub(crate) async fn in_time<T>(
    call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
) -> Result<tonic::Response<T>, tonic::Status> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(answer) => answer,
        Err(_) => Err(tonic::Status::deadline_exceeded("no answer in time")),
    }
}
