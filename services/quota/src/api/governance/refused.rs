//! Why the organisation says no, as gRPC statuses with `google.rpc` details.

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, PreconditionViolation, StatusExt};
use weir_domain::ids::PoolId;
use weir_domain::ledger::ChangeRefused;
use weir_domain::org::{AccessKeyRefused, BurstRefused, ExceptionRefused, KeyRefused};

use crate::api::input::{invalid, invalid_policy};
use crate::org_writer::Refused;

/// The domain of `google.rpc.ErrorInfo`.
const DOMAIN: &str = "weir";

pub(super) fn refused(reason: &Refused) -> Status {
    match reason {
        Refused::Unsound(problems) => invalid_policy(problems),
        Refused::Version { expected, found } => aborted(reason, *expected, *found),
        Refused::Pool { pool, refused, .. } => by_pool(reason, pool, refused),
        Refused::Id(taken) => invalid("request_id", taken),
        Refused::Burst(BurstRefused::Sandbox { .. }) => Status::failed_precondition(reason.to_string()),
        Refused::Burst(BurstRefused::OwnRequest { .. }) => Status::permission_denied(reason.to_string()),
        Refused::Exception(refused) => exception(refused),
        Refused::Key(refused) => key(refused),
        Refused::AccessKey(refused) => access_key(refused),
    }
}

fn by_pool(reason: &Refused, pool: &PoolId, refused: &ChangeRefused) -> Status {
    match refused {
        ChangeRefused::VersionMismatch { expected, found } => aborted(reason, *expected, *found),
        ChangeRefused::NoPool | ChangeRefused::NoBurst { .. } => Status::not_found(reason.to_string()),
        ChangeRefused::BurstNameTaken { .. } => Status::already_exists(reason.to_string()),
        ChangeRefused::DoesNotFit(_) => does_not_fit(&reason.to_string(), pool),
        ChangeRefused::BurstOutOfBounds(beyond) => {
            let details = ErrorDetails::with_bad_request_violation(beyond.field(), beyond.to_string());
            Status::with_error_details(Code::InvalidArgument, reason.to_string(), details)
        }
        ChangeRefused::TooManyBursts { .. } | ChangeRefused::BurstsFull { .. } => {
            Status::resource_exhausted(reason.to_string())
        }
        ChangeRefused::BurstWithoutAllocation { .. }
        | ChangeRefused::BurstPhase { .. }
        | ChangeRefused::NotLater { .. } => Status::failed_precondition(reason.to_string()),
    }
}

fn exception(refused: &ExceptionRefused) -> Status {
    match refused {
        ExceptionRefused::Unsound(problems) => invalid_policy(problems),
        ExceptionRefused::NoService { .. } => invalid("exception.service", refused),
        ExceptionRefused::EndPast { .. } => invalid("exception.end", refused),
        ExceptionRefused::NameTaken { .. } => Status::already_exists(refused.to_string()),
        ExceptionRefused::TooMany { .. } => Status::resource_exhausted(refused.to_string()),
        ExceptionRefused::NoException { .. } => Status::not_found(refused.to_string()),
        ExceptionRefused::DoesNotFit { pool, .. } => does_not_fit(&refused.to_string(), pool),
    }
}

fn key(refused: &KeyRefused) -> Status {
    match refused {
        KeyRefused::NameTaken { .. } => Status::already_exists(refused.to_string()),
        KeyRefused::SecretTaken { .. } => invalid("key.sha256", refused),
        KeyRefused::NoService { .. } => invalid("key.service", refused),
        KeyRefused::NoModel { .. } => invalid("key.models", refused),
        KeyRefused::ExpiryPast { .. } | KeyRefused::ExpiresBefore { .. } => invalid("key.expires", refused),
        KeyRefused::TooMany { .. } => Status::resource_exhausted(refused.to_string()),
        KeyRefused::NoKey { .. } => Status::not_found(refused.to_string()),
    }
}

fn access_key(refused: &AccessKeyRefused) -> Status {
    match refused {
        AccessKeyRefused::NameTaken { .. } => Status::already_exists(refused.to_string()),
        AccessKeyRefused::SecretTaken { .. } => invalid("key.sha256", refused),
        AccessKeyRefused::NoTeam { .. } => invalid("key.team", refused),
        AccessKeyRefused::ExpiryPast { .. } => invalid("key.expires", refused),
        AccessKeyRefused::TooMany { .. } => Status::resource_exhausted(refused.to_string()),
        AccessKeyRefused::NoKey { .. } => Status::not_found(refused.to_string()),
    }
}

/// Somebody else was first; whoever asked must look again.
fn aborted(reason: &Refused, expected: u64, found: u64) -> Status {
    let versions = HashMap::from([
        ("expected".to_owned(), expected.to_string()),
        ("found".to_owned(), found.to_string()),
    ]);
    let details = ErrorDetails::with_error_info("VERSION_MISMATCH", DOMAIN, versions);
    Status::with_error_details(Code::Aborted, reason.to_string(), details)
}

fn does_not_fit(message: &str, pool: &PoolId) -> Status {
    let violation = PreconditionViolation::new("DOES_NOT_FIT", format!("pools/{pool}"), message);
    let details = ErrorDetails::with_precondition_failure(vec![violation]);
    Status::with_error_details(Code::FailedPrecondition, message, details)
}
