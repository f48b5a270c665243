//! `weir.quota.v1.AdmissionService`, in front of the pools' desks.
//!
//! A reservation that a slice covers is answered without waiting: bad input is told, a lock is held for a decision, and that
//! is all. Spans are at debug level: at info, the span would cost more than the call.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use tracing::{Instrument, debug_span};
use weir_domain::amount::{Money, Tokens};
use weir_domain::desk::{Explained, Release, Reserve};
use weir_domain::ids::PoolId;
use weir_domain::ledger::{Quantity, Refusal, Settle};
use weir_domain::price_book::{Intended, Made, PriceBook};
use weir_proto::quota::v1 as wire;
use weir_proto::quota::v1::admission_service_server::AdmissionService;
use weir_proto::quota::v1::reserve_response::Decision;
use weir_runtime::clock::Clock;

use super::auth::{Stay, caller};
use super::input::{self, invalid, parsed, reservation, trace_id, undecided};
use super::refusal::{refused_to_wire, shadowed_to_wire, standing_to_wire};
use super::session;
use crate::auth::Caller;
use crate::org_writer::OrgHandle;
use crate::pool::{Entitled, PoolHandle, Pools, Reserved};

/// Admission. Clones share everything.
#[derive(Clone)]
pub(crate) struct Admission {
    pub(super) pools: Arc<Pools>,
    pub(super) org: OrgHandle,
    pub(super) prices: watch::Receiver<Arc<PriceBook>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) shutdown: CancellationToken,
    pub(super) stay: Stay,
}

type Answers = Pin<Box<dyn Stream<Item = Result<wire::SessionResponse, Status>> + Send>>;

#[tonic::async_trait]
impl AdmissionService for Admission {
    type SessionStream = Answers;

    async fn reserve(
        &self,
        request: Request<wire::ReserveRequest>,
    ) -> Result<Response<wire::ReserveResponse>, Status> {
        let (caller, call) = (caller(&request)?, request.get_ref());
        let span =
            debug_span!("reserve", trace = trace_id(&request), call.pool, call.service, call.reservation_id);
        self.reserve_inner(&caller, request.into_inner()).instrument(span).await.map(Response::new)
    }

    async fn settle(
        &self,
        request: Request<wire::SettleRequest>,
    ) -> Result<Response<wire::SettleResponse>, Status> {
        let call = request.get_ref();
        let span = debug_span!("settle", trace = trace_id(&request), call.pool, call.service, call.hold_id);
        self.settle_inner(request.into_inner()).instrument(span).await.map(Response::new)
    }

    async fn release(
        &self,
        request: Request<wire::ReleaseRequest>,
    ) -> Result<Response<wire::ReleaseResponse>, Status> {
        let call = request.get_ref();
        let span = debug_span!("release", trace = trace_id(&request), call.pool, call.service, call.hold_id);
        self.release_inner(request.into_inner()).instrument(span).await.map(Response::new)
    }

    async fn extend(
        &self,
        request: Request<wire::ExtendRequest>,
    ) -> Result<Response<wire::ExtendResponse>, Status> {
        let call = request.get_ref();
        let span = debug_span!("extend", trace = trace_id(&request), call.pool, call.service, call.hold_id);
        self.extend_inner(request.into_inner()).instrument(span).await.map(Response::new)
    }

    async fn get_headroom(
        &self,
        request: Request<wire::GetHeadroomRequest>,
    ) -> Result<Response<wire::GetHeadroomResponse>, Status> {
        let (caller, call) = (caller(&request)?, request.get_ref());
        let span = debug_span!("get_headroom", trace = trace_id(&request), call.pool, call.service);
        self.headroom(&caller, request.into_inner()).instrument(span).await.map(Response::new)
    }

    async fn session(
        &self,
        request: Request<Streaming<wire::SessionRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let caller = caller(&request)?;
        let answers = session::answers(self.clone(), caller.clone(), request.into_inner());
        Ok(Response::new(Box::pin(self.stay.limit(caller, answers))))
    }
}

impl Admission {
    async fn reserve_inner(
        &self,
        caller: &Caller,
        call: wire::ReserveRequest,
    ) -> Result<wire::ReserveResponse, Status> {
        let reservation = reservation(&call.reservation_id, "reservation_id")?;
        let (tokens, input) = (input::tokens(call.tokens, "tokens")?, Tokens::new(call.input));
        let Some(pool) = self.pools.find(&call.pool) else {
            return no_pool(&call);
        };
        let Entitled { service, priced } = entitled(&pool, &call.service)?;
        let intended = Intended { model: &call.model, tokens, input };
        let money = if priced { self.at_most(pool.pool(), intended) } else { Money::ZERO };
        let ask = Reserve { reservation, service, need: Quantity { tokens, money } };
        let reserved = pool.reserve_for(&ask, &caller.principal().name).await;
        let reserved = reserved.map_err(|reason| undecided(&reason))?;
        Ok(reserved_to_wire(&reserved, tokens))
    }

    async fn settle_inner(&self, call: wire::SettleRequest) -> Result<wire::SettleResponse, Status> {
        let hold = parsed(&call.hold_id, "hold_id")?;
        let tokens = input::tokens(call.used, "used")?;
        let pool = self.pool(&call.pool)?;
        let Entitled { service, priced } = entitled(&pool, &call.service)?;
        let (input, input_cached) = (Tokens::new(call.input), Tokens::new(call.input_cached));
        let made = Made { model: &call.model, tokens, input, input_cached };
        let money = if priced { self.cost(pool.pool(), made) } else { Money::ZERO };
        let settle = Settle { hold, service, used: Quantity { tokens, money } };
        let charged = pool.settle(&settle).await.map_err(|reason| undecided(&reason))?;
        Ok(wire::SettleResponse { charged })
    }

    async fn release_inner(&self, call: wire::ReleaseRequest) -> Result<wire::ReleaseResponse, Status> {
        let release = match (call.hold_id.as_str(), call.reservation_id.as_str()) {
            ("", "") => {
                return Err(invalid("hold_id", "is missing, and so is reservation_id; name one of them"));
            }
            ("", id) => Release::Reservation(reservation(id, "reservation_id")?),
            (hold, "") => Release::Hold(parsed(hold, "hold_id")?),
            _ => return Err(invalid("reservation_id", "is there beside hold_id; name one of them")),
        };
        let pool = self.pool(&call.pool)?;
        let service = entitled(&pool, &call.service)?.service;
        let released = pool.release(&release, &service).await.map_err(|reason| undecided(&reason))?;
        Ok(wire::ReleaseResponse { released })
    }

    async fn extend_inner(&self, call: wire::ExtendRequest) -> Result<wire::ExtendResponse, Status> {
        let hold = parsed(&call.hold_id, "hold_id")?;
        let pool = self.pool(&call.pool)?;
        let service = entitled(&pool, &call.service)?.service;
        let alive = pool.extend(hold, &service).await.map_err(|reason| undecided(&reason))?;
        Ok(wire::ExtendResponse { alive })
    }

    /// What a call costs at most, by the prices of now.
    pub(super) fn at_most(&self, pool: &PoolId, call: Intended<'_>) -> Money {
        self.prices.borrow().at_most(pool, call, self.clock.now())
    }

    /// What a call has cost, by the prices of now.
    pub(super) fn cost(&self, pool: &PoolId, call: Made<'_>) -> Money {
        self.prices.borrow().cost(pool, call, self.clock.now())
    }

    /// A pool that exists or existed: what was held there can still be settled.
    fn pool(&self, name: &str) -> Result<PoolHandle, Status> {
        let found = self.pools.find(name);
        found.map_or_else(|| Err(invalid("pool", format!("there is no pool {name:?}"))), Ok)
    }
}

fn entitled(pool: &PoolHandle, service: &str) -> Result<Entitled, Status> {
    pool.entitled(service).map_err(|problem| invalid("service", problem))
}

/// A pool that never was entitles nobody to anything.
fn no_pool(call: &wire::ReserveRequest) -> Result<wire::ReserveResponse, Status> {
    parsed::<PoolId>(&call.pool, "pool")?;
    crate::metrics::decided_without_pool();
    let reserved =
        Reserved { decision: Err(Box::new(Explained::of_nobody(Refusal::NoAllocation))), standing: None };
    Ok(reserved_to_wire(&reserved, Tokens::ZERO))
}

fn reserved_to_wire(reserved: &Reserved, tokens: Tokens) -> wire::ReserveResponse {
    let decision = match &reserved.decision {
        Ok(admitted) => Decision::Admitted(wire::Admitted {
            hold_id: admitted.hold.to_string(),
            tokens: tokens.get(),
            shadowed: shadowed_to_wire(admitted.shadowed),
        }),
        Err(refused) => Decision::Refused(refused_to_wire(refused)),
    };
    let standing = reserved.standing.as_ref().map(standing_to_wire);
    wire::ReserveResponse { decision: Some(decision), standing }
}
