//! Asks quota whether a request may pass.

use std::time::Duration;

use serde_json::Value;
use tonic::metadata::MetadataValue;
use tonic::{Request, Status};
use weir_domain::amount::Tokens;
use weir_domain::ids::{HoldId, ModelName, PoolId, ReservationId, ServiceId};
use weir_proto::codec::{duration_from_wire, limit_from_wire};
use weir_proto::quota::v1::admission_service_client::AdmissionServiceClient;
use weir_proto::quota::v1::reserve_response::Decision as WireDecision;
use weir_proto::quota::v1::{Limit, NoRetry, ReserveRequest, ReserveResponse, Standing, refused};
use weir_runtime::trace::{TRACEPARENT, TraceContext};

use crate::explained::explained;
use crate::meter::Expected;
use crate::quota::{QuotaChannel, can_be_asked};

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Reservation<'a> {
    /// Made of the attempt's id: one attempt, one hold, however often it is asked for.
    pub(crate) id: ReservationId,
    pub(crate) service: &'a ServiceId,
    pub(crate) pool: &'a PoolId,
    pub(crate) model: &'a ModelName,
    pub(crate) expected: Expected,
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
    pub(crate) limit: Limit,
    pub(crate) message: String,
    pub(crate) retry: Retry,
    /// What a program can read of it.
    pub(crate) explained: Value,
    pub(crate) standing: Option<Standing>,
}

/// When the same request would pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// After this span, if nothing else arrives.
    After(Duration),
    /// Never.
    Never,
    /// Nobody knows.
    Unknown,
}

/// Nobody could decide.
#[derive(Debug, thiserror::Error)]
#[error("no decision from quota")]
pub(crate) struct Undecided(#[from] Status);

impl Undecided {
    /// Whether quota could not be asked.
    pub(crate) fn is_outage(&self) -> bool {
        !can_be_asked(&self.0)
    }
}

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
        reservation_id: reservation.id.to_string(),
        service: reservation.service.to_string(),
        pool: reservation.pool.to_string(),
        tokens: reservation.expected.held.get(),
        model: reservation.model.to_string(),
        input: reservation.expected.input.get(),
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
            limit: refused.limit(),
            explained: explained(&refused),
            retry: retry(refused.retry),
            message: refused.message,
            standing,
        })),
        None => Err(Status::internal("the answer has no decision")),
    }
}

/// What a newer quota says, and this gateway does not understand, nobody knows here.
fn retry(retry: Option<refused::Retry>) -> Retry {
    match retry {
        Some(refused::Retry::RetryAfter(after)) => Retry::After(duration_from_wire(&after)),
        Some(refused::Retry::NoRetry(why)) if why == i32::from(NoRetry::Never) => Retry::Never,
        Some(refused::Retry::NoRetry(_)) | None => Retry::Unknown,
    }
}

/// A limit's name in metrics and events.
pub(crate) fn limit_name(limit: Limit) -> &'static str {
    limit_from_wire(limit).map_or("unknown", weir_domain::ledger::Limit::as_str)
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn an_answer_that_nobody_understands_us_is_no_outage() {
        let is_outage = |code| Undecided(Status::new(code, "")).is_outage();
        for code in
            [Code::Unavailable, Code::DeadlineExceeded, Code::Unknown, Code::Internal, Code::Cancelled]
        {
            assert!(is_outage(code), "{code:?}");
        }
        for code in
            [Code::Unauthenticated, Code::PermissionDenied, Code::InvalidArgument, Code::Unimplemented]
        {
            assert!(!is_outage(code), "{code:?}");
        }
    }
}
