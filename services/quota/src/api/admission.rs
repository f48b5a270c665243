//! `weir.quota.v1.AdmissionService`.

use std::sync::Arc;

use tokio::sync::watch;
use tonic::{Request, Response, Status};
use tracing::{Instrument, debug_span};
use weir_domain::directory::Directory;
use weir_domain::ids::{PoolId, ServiceId};
use weir_domain::ledger::{Headroom, Refusal, Release, Reserve, Settle, Standing};
use weir_domain::policy::Burst;
use weir_proto::codec::{duration_to_wire, timestamp_to_wire};
use weir_proto::quota::v1 as wire;
use weir_proto::quota::v1::admission_service_server::AdmissionService;
use weir_proto::quota::v1::reserve_response::Decision;
use weir_runtime::clock::Clock;

use super::input::{self, hold, invalid, parsed, trace_id, undecided};
use crate::pool::{PoolHandle, Pools, Reserved};

/// Admission, in front of the pools' writers. Spans are at debug level: at info, the span would cost more than the call.
pub(crate) struct Admission {
    pub(super) pools: Arc<Pools>,
    pub(super) directory: watch::Receiver<Arc<Directory>>,
    pub(super) clock: Arc<dyn Clock>,
}

#[tonic::async_trait]
impl AdmissionService for Admission {
    async fn reserve(
        &self,
        request: Request<wire::ReserveRequest>,
    ) -> Result<Response<wire::ReserveResponse>, Status> {
        let trace = trace_id(&request);
        let call = request.into_inner();
        let span = debug_span!("reserve", trace, call.pool, call.service, call.reservation_id);
        self.reserve_inner(call).instrument(span).await.map(Response::new)
    }

    async fn settle(
        &self,
        request: Request<wire::SettleRequest>,
    ) -> Result<Response<wire::SettleResponse>, Status> {
        let trace = trace_id(&request);
        let call = request.into_inner();
        let span = debug_span!("settle", trace, call.pool, call.service, call.hold_id);
        self.settle_inner(call).instrument(span).await.map(Response::new)
    }

    async fn release(
        &self,
        request: Request<wire::ReleaseRequest>,
    ) -> Result<Response<wire::ReleaseResponse>, Status> {
        let trace = trace_id(&request);
        let call = request.into_inner();
        let span = debug_span!("release", trace, call.pool, call.service, call.hold_id);
        self.release_inner(call).instrument(span).await.map(Response::new)
    }

    async fn get_headroom(
        &self,
        request: Request<wire::GetHeadroomRequest>,
    ) -> Result<Response<wire::GetHeadroomResponse>, Status> {
        let trace = trace_id(&request);
        let call = request.into_inner();
        let span = debug_span!("get_headroom", trace, call.pool, call.service);
        self.headroom_inner(call).instrument(span).await.map(Response::new)
    }
}

impl Admission {
    async fn reserve_inner(&self, call: wire::ReserveRequest) -> Result<wire::ReserveResponse, Status> {
        let command = Reserve {
            hold: hold(&call.reservation_id, "reservation_id", self.clock.now())?,
            service: parsed(&call.service, "service")?,
            tokens: input::tokens(call.tokens, "tokens")?,
        };
        let pool: PoolId = parsed(&call.pool, "pool")?;
        let Some(handle) = self.pools.get(&pool) else {
            crate::metrics::decided_without_pool();
            let reserved = Reserved { decision: Err(Refusal::NoAllocation), standing: None };
            return reserved_to_wire(reserved, call.reservation_id);
        };
        let reserved = handle.reserve(command).await.map_err(|reason| undecided(&reason))?;
        reserved_to_wire(reserved, call.reservation_id)
    }

    async fn settle_inner(&self, call: wire::SettleRequest) -> Result<wire::SettleResponse, Status> {
        let command = Settle {
            hold: hold(&call.hold_id, "hold_id", self.clock.now())?,
            service: parsed(&call.service, "service")?,
            used: input::tokens(call.used, "used")?,
        };
        let charged = self.pool(&call.pool)?.settle(command).await.map_err(|reason| undecided(&reason))?;
        Ok(wire::SettleResponse { charged })
    }

    async fn release_inner(&self, call: wire::ReleaseRequest) -> Result<wire::ReleaseResponse, Status> {
        let command = Release {
            hold: hold(&call.hold_id, "hold_id", self.clock.now())?,
            service: parsed(&call.service, "service")?,
        };
        let released = self.pool(&call.pool)?.release(command).await.map_err(|reason| undecided(&reason))?;
        Ok(wire::ReleaseResponse { released })
    }

    async fn headroom_inner(
        &self,
        call: wire::GetHeadroomRequest,
    ) -> Result<wire::GetHeadroomResponse, Status> {
        let service: ServiceId = parsed(&call.service, "service")?;
        let pools = match call.pool.as_str() {
            "" => self.pools_of(&service)?,
            pool => vec![parsed(pool, "pool")?],
        };
        let mut allocations = Vec::new();
        for pool in pools {
            let Some(handle) = self.pools.get(&pool) else { continue };
            let headroom = handle.headroom(service.clone()).await.map_err(|reason| undecided(&reason))?;
            allocations.extend(headroom.map(|headroom| headroom_to_wire(&pool, &headroom)));
        }
        Ok(wire::GetHeadroomResponse { allocations })
    }

    /// A pool that exists or existed: what was held there can still be settled.
    fn pool(&self, name: &str) -> Result<PoolHandle, Status> {
        let pool: PoolId = parsed(name, "pool")?;
        self.pools.get(&pool).ok_or_else(|| invalid("pool", format!("there is no pool {pool}")))
    }

    fn pools_of(&self, service: &ServiceId) -> Result<Vec<PoolId>, Status> {
        let directory = self.directory.borrow();
        let entry = directory.services.iter().find(|entry| entry.id == *service);
        entry
            .map(|entry| entry.pools.clone())
            .ok_or_else(|| Status::not_found(format!("there is no service {service}")))
    }
}

fn reserved_to_wire(reserved: Reserved, reservation: String) -> Result<wire::ReserveResponse, Status> {
    let decision = match reserved.decision {
        Ok(tokens) => Decision::Admitted(wire::Admitted { hold_id: reservation, tokens: tokens.get() }),
        Err(refusal) => Decision::Refused(refusal_to_wire(&refusal)?),
    };
    let standing = reserved.standing.as_ref().map(standing_to_wire);
    Ok(wire::ReserveResponse { decision: Some(decision), standing })
}

/// A hold's id that cannot be used is bad input, not a refusal: waiting does not help and no limit was reached.
fn refusal_to_wire(refusal: &Refusal) -> Result<wire::Refused, Status> {
    let limit = match refusal {
        Refusal::NoAllocation | Refusal::NoPool | Refusal::BurstWithoutAllocation => {
            wire::Limit::NoAllocation
        }
        Refusal::RequestTooLarge { .. } => wire::Limit::RequestSize,
        Refusal::BaselineUsed { .. } | Refusal::DoesNotFit(_) => wire::Limit::Baseline,
        Refusal::HoldsFull { .. } => wire::Limit::Holds,
        Refusal::HoldIdStale { .. } | Refusal::HoldOfAnother { .. } => {
            return Err(invalid("reservation_id", refusal));
        }
    };
    Ok(wire::Refused {
        limit: limit.into(),
        message: refusal.to_string(),
        retry_after: refusal.retry().map(|retry| duration_to_wire(retry.after)),
    })
}

fn standing_to_wire(standing: &Standing) -> wire::Standing {
    wire::Standing {
        rate_per_minute: standing.rate.get(),
        available: standing.available.get(),
        depth: standing.depth.get(),
        full_after: standing.full_after.map(duration_to_wire),
    }
}

fn headroom_to_wire(pool: &PoolId, headroom: &Headroom) -> wire::Headroom {
    let burst = |burst: &Burst| wire::ActiveBurst {
        id: burst.id.to_string(),
        extra_per_minute: burst.extra.get(),
        end: Some(timestamp_to_wire(burst.window.end())),
    };
    wire::Headroom {
        pool: pool.to_string(),
        standing: Some(standing_to_wire(&headroom.standing)),
        baseline_per_minute: headroom.terms.baseline.get(),
        bursts: headroom.bursts.iter().map(burst).collect(),
        request_max: headroom.terms.request_max.get(),
        held: headroom.totals.held.get(),
        holds: headroom.holds,
        settled_total: headroom.totals.settled.get(),
        debt: headroom.debt.get(),
        pool_level: headroom.pool_level.get(),
        pool_depth: headroom.pool_depth.get(),
        pool_capacity_per_minute: headroom.pool_capacity.get(),
    }
}
