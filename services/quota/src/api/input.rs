//! What callers send, checked: bad input is `INVALID_ARGUMENT` with `google.rpc.BadRequest` naming the field.

use std::str::FromStr;

use tonic::{Code, Request, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};
use weir_domain::amount::Tokens;
use weir_domain::ids::{CALL_TOKENS_MAX, HoldId, ReservationId};
use weir_domain::policy::PolicyProblem;
use weir_proto::codec::DecodeError;
use weir_runtime::trace::TraceContext;

use crate::no_decision::NoDecision;

/// When a caller may ask again after no decision was made.
pub(super) const RETRY: std::time::Duration = std::time::Duration::from_secs(1);

/// One field is wrong.
pub(super) fn invalid(field: &str, problem: impl std::fmt::Display) -> Status {
    let message = format!("{field}: {problem}");
    let details = ErrorDetails::with_bad_request_violation(field, problem.to_string());
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// A policy does not hold together; every problem is named.
pub(super) fn invalid_policy(problems: &[PolicyProblem]) -> Status {
    let lines: Vec<_> =
        problems.iter().map(|problem| format!("{}: {}", problem.place, problem.message)).collect();
    let violation = |problem: &PolicyProblem| FieldViolation::new(&problem.place, &problem.message);
    let details = ErrorDetails::with_bad_request(problems.iter().map(violation).collect::<Vec<_>>());
    Status::with_error_details(Code::InvalidArgument, lines.join("\n"), details)
}

/// A message does not decode.
pub(super) fn undecodable(problem: &DecodeError) -> Status {
    match problem {
        DecodeError::Field { field, problem } => invalid(field, problem),
        other => Status::invalid_argument(other.to_string()),
    }
}

/// No decision was made.
pub(super) fn undecided(reason: &NoDecision) -> Status {
    let details = ErrorDetails::with_retry_info(Some(RETRY));
    Status::with_error_details(Code::Unavailable, reason.to_string(), details)
}

/// A name or id.
pub(super) fn parsed<T: FromStr<Err: std::fmt::Display>>(text: &str, field: &str) -> Result<T, Status> {
    text.parse().map_err(|problem| invalid(field, problem))
}

/// A reservation's id: a UUIDv7, because ids are remembered by when they were minted.
pub(super) fn reservation(text: &str, field: &str) -> Result<ReservationId, Status> {
    let id: ReservationId = text.parse().map_err(|_| no_uuid_v7(field))?;
    uuid_v7(id, field)
}

/// A reservation's id in 16 bytes, big end first.
pub(super) fn reservation_bytes(bytes: &[u8], field: &str) -> Result<ReservationId, Status> {
    uuid_v7(ReservationId::new(bits(bytes, field)?), field)
}

/// A hold's id in 16 bytes, big end first.
pub(super) fn hold_bytes(bytes: &[u8], field: &str) -> Result<HoldId, Status> {
    bits(bytes, field).map(HoldId::new)
}

fn bits(bytes: &[u8], field: &str) -> Result<u128, Status> {
    let bytes: [u8; 16] =
        bytes.try_into().map_err(|_| invalid(field, format!("has {} bytes, not 16", bytes.len())))?;
    Ok(u128::from_be_bytes(bytes))
}

fn uuid_v7(id: ReservationId, field: &str) -> Result<ReservationId, Status> {
    if id.as_u128() >> 76 & 0xf != 7 {
        return Err(no_uuid_v7(field));
    }
    Ok(id)
}

fn no_uuid_v7(field: &str) -> Status {
    invalid(field, "is not a UUIDv7 (RFC 9562) in 32 hexadecimal digits")
}

/// A number of tokens that some call could use.
pub(super) fn tokens(count: u64, field: &str) -> Result<Tokens, Status> {
    let count = Tokens::new(count);
    if count > CALL_TOKENS_MAX {
        return Err(invalid(field, format!("is more than the {CALL_TOKENS_MAX} that one call can use")));
    }
    Ok(count)
}

/// The id of the caller's trace, or nothing.
pub(super) fn trace_id<T>(request: &Request<T>) -> String {
    request.extensions().get::<TraceContext>().map(TraceContext::trace_id).unwrap_or_default()
}
