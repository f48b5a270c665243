//! Asks quota whether a request may pass.

use std::time::Duration;

use tonic::metadata::MetadataValue;
use tonic::{Request, Status};
use weir_domain::amount::Tokens;
use weir_domain::ids::{AttemptId, HoldId, PoolId, ServiceId};
use weir_proto::codec::duration_from_wire;
use weir_proto::quota::v1::admission_service_client::AdmissionServiceClient;
use weir_proto::quota::v1::reserve_response::Decision as WireDecision;
use weir_proto::quota::v1::{Limit, ReserveRequest, ReserveResponse, Standing};
use weir_runtime::trace::{TRACEPARENT, TraceContext};

use crate::quota::QuotaChannel;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Reservation<'a> {
    /// Also the reservation's id: one attempt, one hold, however often it is asked for.
    pub(crate) attempt: AttemptId,
    pub(crate) service: &'a ServiceId,
    pub(crate) pool: &'a PoolId,
    pub(crate) tokens: Tokens,
    pub(crate) trace: TraceContext,
}

/// What quota says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Decision {
    /// It may pass.
    Admitted { hold: HoldId, tokens: Tokens, standing: Option<Standing> },
    /// It may not.
    Refused(Refusal),
}

/// Why a request may not pass.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    /// The limit, in one word.
    pub(crate) limit: &'static str,
    pub(crate) message: String,
    /// None: it never fits.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) standing: Option<Standing>,
}

/// The limit of a service that has no allocation in the pool.
pub(crate) const NO_ALLOCATION: &str = "no_allocation";

/// Nobody could decide.
#[derive(Debug, thiserror::Error)]
#[error("no decision from quota")]
pub(crate) struct Undecided(#[from] Status);

/// Asks, and asks once more with the same id if there was no answer.
pub(crate) async fn reserve(
    quota: &QuotaChannel,
    reservation: &Reservation<'_>,
    timeout: Duration,
) -> Result<Decision, Undecided> {
    let first = match reserve_once(quota, reservation, timeout).await {
        Ok(decision) => return Ok(decision),
        Err(status) => status,
    };
    tracing::debug!(code = ?first.code(), "reservation was not answered, asking again");
    Ok(reserve_once(quota, reservation, timeout).await?)
}

async fn reserve_once(
    quota: &QuotaChannel,
    reservation: &Reservation<'_>,
    timeout: Duration,
) -> Result<Decision, Status> {
    let mut request = Request::new(ReserveRequest {
        reservation_id: reservation.attempt.to_string(),
        service: reservation.service.to_string(),
        pool: reservation.pool.to_string(),
        tokens: reservation.tokens.get(),
    });
    if let Ok(trace) = MetadataValue::try_from(reservation.trace.to_string()) {
        request.metadata_mut().insert(TRACEPARENT, trace);
    }
    let mut client = AdmissionServiceClient::new(quota.clone());
    let answer = tokio::time::timeout(timeout, client.reserve(request)).await;
    let answer = answer.map_err(|_| Status::deadline_exceeded("no answer in time"))??;
    decision(answer.into_inner())
}

fn decision(answer: ReserveResponse) -> Result<Decision, Status> {
    let standing = answer.standing;
    match answer.decision {
        Some(WireDecision::Admitted(admitted)) => {
            let hold = admitted.hold_id.parse().map_err(|_| Status::internal("the hold has no id"))?;
            Ok(Decision::Admitted { hold, tokens: Tokens::new(admitted.tokens), standing })
        }
        Some(WireDecision::Refused(refused)) => Ok(Decision::Refused(Refusal {
            limit: limit_name(refused.limit()),
            retry_after: refused.retry_after.as_ref().map(duration_from_wire),
            message: refused.message,
            standing,
        })),
        None => Err(Status::internal("the answer has no decision")),
    }
}

fn limit_name(limit: Limit) -> &'static str {
    match limit {
        Limit::Unspecified => "unknown",
        Limit::NoAllocation => NO_ALLOCATION,
        Limit::RequestSize => "request_size",
        Limit::Baseline => "baseline",
        Limit::Holds => "holds",
    }
}
