//! What is held for a call: by quota, or, while that cannot be asked, by the gateway itself.

use weir_domain::amount::Tokens;
use weir_domain::directory::ServiceEntry;
use weir_domain::ids::{AttemptId, HoldId, ReservationId};
use weir_proto::quota::v1::{Limit, Standing};
use weir_runtime::trace::TraceContext;

use crate::admission::{Decision, Refusal, Reservation, Retry, Undecided, limit_name, reserve};
use crate::errors::Problem;
use crate::gateway::{Gateway, Governance};
use crate::headers::rate_limits;
use crate::meter::Expected;
use crate::metrics;
use crate::outage::Unanswered;
use crate::refusals::Refused;
use crate::route::Route;
use crate::settle::{Unused, release};

/// A hold.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) hold: HoldId,
    pub(crate) tokens: Tokens,
    /// Where the service stands; none if quota was not asked.
    pub(crate) standing: Option<Standing>,
}

/// What is to be held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) attempt: AttemptId,
    pub(crate) service: &'a ServiceEntry,
    pub(crate) route: &'a Route,
    pub(crate) expected: Expected,
    pub(crate) trace: TraceContext,
}

/// Asks quota for a hold.
pub(crate) async fn hold(
    gateway: &Gateway,
    governance: &Governance,
    wanted: &Wanted<'_>,
) -> Result<Held, Problem> {
    let Wanted { attempt, service, route, expected, trace } = *wanted;
    let id = ReservationId::new(attempt.as_u128());
    let (pool, model) = (&route.pool, &route.model.name);
    let reservation = Reservation { id, service: &service.id, pool, model, expected, trace };
    let decision = reserve(&governance.quota, &reservation, gateway.config.reserve_timeout()).await;
    if decision.is_ok() {
        governance.quota_answers(pool);
    }
    match decision {
        Ok(Decision::Admitted { hold, tokens, standing }) => Ok(Held { hold, tokens, standing }),
        Ok(Decision::Refused(refusal)) => {
            let (limit, tokens) = (limit_name(refusal.limit), expected.held);
            governance.refusals.count(&Refused { service, pool, model, limit, tokens });
            Err(refused(refusal, wanted))
        }
        Err(problem) => {
            // Quota may have taken it without our hearing so. A release that comes first uses the id up.
            let unused = Unused::Reservation(id);
            gateway.tasks.spawn(release(governance.quota.clone(), unused, service.id.clone(), pool.clone()));
            without_quota(gateway, governance, wanted, &problem)
        }
    }
}

/// What the allocation's failure mode allows, if quota could not be asked.
fn without_quota(
    gateway: &Gateway,
    governance: &Governance,
    wanted: &Wanted<'_>,
    problem: &Undecided,
) -> Result<Held, Problem> {
    let Wanted { service, route, expected, .. } = *wanted;
    let (pool, failure, tokens) = (&route.pool, route.failure, expected.held);
    let unanswered = Unanswered { service, pool, failure, tokens };
    let own =
        if problem.is_outage() { governance.outages.admit(&unanswered, gateway.clock.now()) } else { None };
    let Some(hold) = own else {
        tracing::debug!(%problem, "request refused: quota did not decide");
        metrics::quota_unavailable();
        return Err(Problem::quota_unavailable());
    };
    Ok(Held { hold, tokens, standing: None })
}

fn refused(refusal: Refusal, wanted: &Wanted<'_>) -> Problem {
    let problem = match (refusal.limit, refusal.retry) {
        (Limit::NoAllocation, _) => {
            let (service, route) = (wanted.service.id.as_str(), wanted.route);
            return Problem::not_allocated(service, route.model.name.as_str(), route.pool.as_str());
        }
        (Limit::Requests, Retry::After(span)) => Problem::requests_used(refusal.message, span),
        (_, Retry::After(span)) => Problem::refused_for_now(refusal.message, span),
        // As soon as another request ends, or with the id of the next try.
        (_, Retry::Unknown) => Problem::refused_for_others(refusal.message),
        // Nothing refills as much: clients must not try again.
        (_, Retry::Never) => Problem::refused_for_good(refusal.message),
    };
    let problem = problem.explained(refusal.explained);
    problem.headers(refusal.standing.as_ref().map(rate_limits).unwrap_or_default())
}

impl Held {
    /// Gives it back: the call that it was placed for is not made. Of a hold of the gateway's own quota knows nothing.
    pub(crate) fn give_back(
        &self,
        gateway: &Gateway,
        governance: &Governance,
        service: &ServiceEntry,
        route: &Route,
    ) {
        if self.hold.slice().is_self_granted() {
            return;
        }
        let (unused, quota) = (Unused::Hold(self.hold), governance.quota.clone());
        gateway.tasks.spawn(release(quota, unused, service.id.clone(), route.pool.clone()));
    }
}
