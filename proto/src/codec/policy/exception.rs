//! Exceptions.

use super::DecodeError;
use super::values::{parsed, timestamp_from_wire, timestamp_to_wire};
use crate::governance::v1 as wire;
use weir_domain::policy::{Exception, Waiver};

/// An exception for the wire.
pub fn exception_to_wire(exception: &Exception) -> wire::Exception {
    let (waives_sandbox_limit, waives_other) = match &exception.waives {
        Waiver::SandboxLimit => (true, String::new()),
        Waiver::Other(rule) => (false, rule.clone()),
    };
    wire::Exception {
        id: exception.id.to_string(),
        service: exception.service.to_string(),
        waives_sandbox_limit,
        waives_other,
        owner: exception.owner.clone(),
        reason: exception.reason.clone(),
        end: Some(timestamp_to_wire(exception.end)),
    }
}

/// An exception from the wire.
pub fn exception_from_wire(wire: &wire::Exception) -> Result<Exception, DecodeError> {
    Ok(Exception {
        id: parsed(&wire.id, "exceptions.id")?,
        service: parsed(&wire.service, "exceptions.service")?,
        waives: waiver_from_wire(wire)?,
        owner: wire.owner.clone(),
        reason: wire.reason.clone(),
        end: timestamp_from_wire(wire.end.as_ref(), "exceptions.end")?,
    })
}

fn waiver_from_wire(wire: &wire::Exception) -> Result<Waiver, DecodeError> {
    match (wire.waives_sandbox_limit, wire.waives_other.as_str()) {
        (true, "") => Ok(Waiver::SandboxLimit),
        (false, rule) if !rule.is_empty() => Ok(Waiver::Other(rule.to_owned())),
        (true, _) => Err(DecodeError::field(
            "exceptions.waives_other",
            "is stated beside waives_sandbox_limit; make two exceptions of it",
        )),
        (false, _) => {
            Err(DecodeError::field("exceptions.waives_other", "missing; state it, or waives_sandbox_limit"))
        }
    }
}
