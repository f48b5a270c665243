//! `envoy.service.ratelimit.v3.RateLimitService`, so that an Envoy rate-limit filter works against Weir unchanged.
//!
//! Rules of the settings say which service, pool and model a descriptor is about; its hits are tokens. A request passes if
//! all of its descriptors do, and then all are charged; otherwise none is. The protocol has neither ids nor a settle: every
//! call is a new one, a repeated call is charged again, and what was asked is charged at once. What a request has really used
//! is reported when it is over, by a rule of its own; where both calls name the request, what was asked is held in between,
//! and replaced by what was used. A `limit` in a descriptor is left alone: quota is
//! what the policy says. What is charged here has no usage event, and its settles say so.

mod answer;
mod asked;
mod awaited;
mod caller;
mod held;
mod self_granted;
pub(crate) mod settings;

use std::sync::Arc;

use tokio::sync::watch;
use tonic::{Request, Response, Status};
use tracing::{Instrument, debug_span};
use weir_domain::amount::Tokens;
use weir_domain::desk::{Explained, Reserve};
use weir_domain::ids::ReservationId;
use weir_domain::ledger::{Quantity, Refusal};
use weir_domain::price_book::{Intended, PriceBook};
use weir_proto::envoy::service::ratelimit::v3::rate_limit_response::Code;
use weir_proto::envoy::service::ratelimit::v3::rate_limit_service_server::RateLimitService;
use weir_proto::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use weir_runtime::clock::Clock;

use super::input::{trace_id, undecided};
use crate::metrics;
use crate::no_decision::NoDecision;
use crate::pool::{Entitled, PoolHandle, Pools};
use answer::{Decided, Verdict};
use asked::{Ask, What};
use awaited::{Awaited, RequestKey};
use held::Held;
use self_granted::SelfGranted;
use settings::Envoy;

/// The low bits of a UUIDv7, which are not its time.
const NOT_TIME: u128 = (1 << 80) - 1;

/// Answers filters.
pub(super) struct RateLimit {
    pools: Arc<Pools>,
    prices: watch::Receiver<Arc<PriceBook>>,
    clock: Arc<dyn Clock>,
    settings: Envoy,
    self_granted: SelfGranted,
    awaited: Awaited,
}

/// An allocation that a descriptor is about, and what it asks of it.
struct About {
    pool: PoolHandle,
    reserve: Reserve,
    /// The request that it is about, if that is known.
    request: Option<RequestKey>,
}

#[tonic::async_trait]
impl RateLimitService for RateLimit {
    async fn should_rate_limit(
        &self,
        request: Request<RateLimitRequest>,
    ) -> Result<Response<RateLimitResponse>, Status> {
        let call = request.get_ref();
        let span = debug_span!("should_rate_limit", trace = trace_id(&request), call.domain);
        self.decide_all(call).instrument(span).await.map(Response::new)
    }
}

impl RateLimit {
    pub(super) fn new(
        pools: Arc<Pools>,
        prices: watch::Receiver<Arc<PriceBook>>,
        clock: Arc<dyn Clock>,
        settings: Envoy,
    ) -> Self {
        Self {
            pools,
            prices,
            clock,
            settings,
            self_granted: SelfGranted::default(),
            awaited: Awaited::default(),
        }
    }

    async fn decide_all(&self, request: &RateLimitRequest) -> Result<RateLimitResponse, Status> {
        // What is overdue is charged as it was held; whoever asks now does not wait for it.
        let overdue = self.awaited.overdue(self.clock.now()).into_iter().map(Held::charge);
        drop(overdue.collect::<Vec<_>>());
        let (mut verdicts, mut held) = (Vec::new(), Vec::new());
        for ask in asked::read(&self.settings, request)? {
            let verdict = match ask {
                Some(ask) => {
                    let decided = self.decide(&ask, &mut held).await;
                    Verdict::Decided(decided.map_err(|reason| undecided(&reason))?)
                }
                None => Verdict::Unmatched(self.settings.unmatched),
            };
            metrics::envoy_answered(ask.map_or("nothing", |ask| ask.what.name()), verdict.outcome());
            verdicts.push(verdict);
        }
        if verdicts.iter().all(|verdict| verdict.code() != Code::OverLimit) {
            self.pass(held).await.map_err(|reason| undecided(&reason))?;
        }
        Ok(answer::answer(&verdicts))
    }

    /// Decides on one descriptor. What it is to be charged is held until all are decided.
    async fn decide(&self, ask: &Ask<'_>, held: &mut Vec<Held>) -> Result<Decided, NoDecision> {
        let Some(about) = self.about(ask) else {
            metrics::decided_without_pool();
            return Ok(Decided {
                name: String::new(),
                said: no_allocation(),
                standing: None,
                shadow: ask.shadow,
            });
        };
        let name = format!("{}/{}", about.reserve.service, about.pool.pool());
        let shadow = ask.shadow;
        let bare = |explained: Box<Explained>| explained.refusal;
        let (said, standing) = match ask.what {
            What::Admit => {
                let reserved = about.pool.reserve(&about.reserve).await?;
                let said = reserved.decision.map(|admitted| {
                    let About { pool, reserve, request } = about;
                    held.push(Held::new(pool, reserve, admitted.hold, request));
                });
                (said.map_err(bare), reserved.standing)
            }
            What::Check => {
                let headroom = about.pool.headroom(&about.reserve.service, Some(about.reserve.need)).await?;
                let (prospect, standing) = headroom.map(|all| (all.prospect, all.standing)).unzip();
                let said =
                    prospect.flatten().map_or_else(no_allocation, |told| told.said.map(|_| ()).map_err(bare));
                (said, standing)
            }
            What::Report => (self.report(&about, ask.stated).await?, None),
        };
        Ok(Decided { name, said, standing, shadow })
    }

    /// Charges what was used: by what was held for the request, or else without a hold.
    async fn report(&self, about: &About, stated: bool) -> Result<Result<(), Refusal>, NoDecision> {
        let About { pool, reserve: used, request } = about;
        if let Some(held) = request.and_then(|key| self.awaited.take(key)) {
            let quantity = if stated { used.need } else { held.quantity() };
            held.settle(quantity)?.await?;
            return Ok(Ok(()));
        }
        // Filters report requests, too, that were refused: those must not reach the journal.
        if used.need.tokens == Tokens::ZERO {
            return Ok(Ok(()));
        }
        let hold = || self.self_granted.hold(pool.pool(), &used.service, self.clock.now());
        match pool.step(1, |clerk| clerk.report(used, hold))?.await? {
            None => Ok(no_allocation()),
            Some(true) => Ok(Ok(())),
            Some(false) => {
                let reason = "a hold of its name was charged before; ask again".to_owned();
                Err(NoDecision::NotRecorded { reason })
            }
        }
    }

    /// None if there is no such pool, or there can be no such service: whatever callers put into an entry is no error, or
    /// a filter that lets errors pass could be passed with a wrong name.
    fn about(&self, ask: &Ask<'_>) -> Option<About> {
        let pool = self.pools.find(ask.pool)?;
        let Entitled { service, priced } = pool.entitled(ask.service).ok()?;
        let now = self.clock.now();
        let call = Intended { model: ask.model, tokens: ask.tokens, input: Tokens::ZERO };
        let money =
            if priced { self.prices.borrow().at_most(pool.pool(), call, now) } else { Quantity::ZERO.money };
        let minted = u128::try_from(now.as_millis()).unwrap_or(0) << 80;
        let random = weir_runtime::ids::reservation_id().as_u128() & NOT_TIME;
        let reservation = ReservationId::new(minted | random);
        let request = ask.request.map(|request| RequestKey::new(pool.pool(), &service, request));
        let need = Quantity { tokens: ask.tokens, money };
        Some(About { pool, reserve: Reserve { reservation, service, need }, request })
    }

    /// Charges at once what awaits no report, and returns when the journal has it.
    async fn pass(&self, held: Vec<Held>) -> Result<(), NoDecision> {
        let mut charged = Vec::new();
        for held in held {
            let now_charged = match held.awaits {
                Some(key) => self.awaited.put(key, held, self.clock.now()),
                None => Some(held),
            };
            charged.extend(now_charged.map(Held::charge));
        }
        for due in charged {
            due?.await?;
        }
        Ok(())
    }
}

fn no_allocation() -> Result<(), Refusal> {
    Err(Refusal::NoAllocation)
}
