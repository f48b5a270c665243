//! Decisions about a pool ⇄ their messages. What becomes of bursts is read in [`super::bursts`].

use super::super::burst::{granted_burst_to_wire, is_best_effort};
use super::super::{
    DecodeError, allocation_from_wire, allocation_to_wire, burst_to_wire, pool_from_wire, pool_to_wire,
    timestamp_to_wire,
};
use super::{Body, by_to_wire, decode, governed, kinds, parsed, present};
use crate::quota::v1 as wire;
use crate::record::Record;
use weir_domain::amount::Tokens;
use weir_domain::fact::QuotaFact;
use weir_domain::ids::PoolId;
use weir_domain::ledger::{Governed, TermsChanged};

pub(super) fn to_wire(id: &PoolId, event: &Governed) -> Body {
    let (by, pool) = (Some(by_to_wire(&event.by)), id.to_string());
    match &event.what {
        TermsChanged::PoolDefined(defined) => {
            let message = wire::PoolDefined { by, pool: Some(pool_to_wire(defined)) };
            Body::new(kinds::POOL_DEFINED_V1, id, &message)
        }
        TermsChanged::PoolRemoved => Body::new(kinds::POOL_REMOVED_V1, id, &wire::PoolRemoved { by, pool }),
        TermsChanged::AllocationSet { service, terms } => {
            let allocation = Some(allocation_to_wire(id, terms));
            let message = wire::AllocationSet { by, service: service.to_string(), allocation };
            Body::new(kinds::ALLOCATION_SET_V1, service, &message)
        }
        TermsChanged::AllocationRemoved { service } => {
            let message = wire::AllocationRemoved { by, pool, service: service.to_string() };
            Body::new(kinds::ALLOCATION_REMOVED_V1, service, &message)
        }
        TermsChanged::DebtForgiven { service, version, tokens } => {
            let (name, version, tokens) = (service.to_string(), *version, tokens.get());
            let message = wire::DebtForgiven { by, pool, service: name, version, tokens };
            Body::new(kinds::DEBT_FORGIVEN_V1, service, &message)
        }
        TermsChanged::BurstGranted(granted) => {
            let message = wire::BurstGranted { by, burst: Some(granted_burst_to_wire(granted)) };
            Body::new(kinds::BURST_GRANTED_V1, &granted.burst.id, &message)
        }
        TermsChanged::BurstRequested(burst) => {
            let message = wire::BurstRequested { by, burst: Some(burst_to_wire(burst)) };
            Body::new(kinds::BURST_REQUESTED_V1, &burst.id, &message)
        }
        TermsChanged::BurstApproved { burst, approval } => {
            let best_effort = is_best_effort(*approval);
            let message = wire::BurstApproved { by, pool, burst: burst.to_string(), best_effort };
            Body::new(kinds::BURST_APPROVED_V1, burst, &message)
        }
        TermsChanged::BurstDenied { burst } => {
            let message = wire::BurstDenied { by, pool, burst: burst.to_string() };
            Body::new(kinds::BURST_DENIED_V1, burst, &message)
        }
        TermsChanged::BurstRevoked { burst } => {
            let message = wire::BurstRevoked { by, pool, burst: burst.to_string() };
            Body::new(kinds::BURST_REVOKED_V1, burst, &message)
        }
        TermsChanged::BurstExtended { burst, end } => {
            let end = Some(timestamp_to_wire(*end));
            let message = wire::BurstExtended { by, pool, burst: burst.to_string(), end };
            Body::new(kinds::BURST_EXTENDED_V1, burst, &message)
        }
    }
}

/// None if the kind says nothing about a pool or an allocation.
pub(super) fn from_record(kind: &str, record: &Record) -> Result<Option<QuotaFact>, DecodeError> {
    match kind {
        kinds::POOL_DEFINED_V1 => {
            let wire: wire::PoolDefined = decode(record, "weir.quota.v1.PoolDefined")?;
            let defined = pool_from_wire(present(wire.pool.as_ref(), "pool")?)?;
            governed(defined.id.clone(), wire.by, TermsChanged::PoolDefined(defined))
        }
        kinds::POOL_REMOVED_V1 => {
            let wire: wire::PoolRemoved = decode(record, "weir.quota.v1.PoolRemoved")?;
            governed(parsed(&wire.pool, "pool")?, wire.by, TermsChanged::PoolRemoved)
        }
        kinds::ALLOCATION_SET_V1 => {
            let wire: wire::AllocationSet = decode(record, "weir.quota.v1.AllocationSet")?;
            let held = allocation_from_wire(present(wire.allocation.as_ref(), "allocation")?)?;
            let service = parsed(&wire.service, "service")?;
            governed(held.pool, wire.by, TermsChanged::AllocationSet { service, terms: held.terms })
        }
        kinds::ALLOCATION_REMOVED_V1 => {
            let wire: wire::AllocationRemoved = decode(record, "weir.quota.v1.AllocationRemoved")?;
            let what = TermsChanged::AllocationRemoved { service: parsed(&wire.service, "service")? };
            governed(parsed(&wire.pool, "pool")?, wire.by, what)
        }
        kinds::DEBT_FORGIVEN_V1 => {
            let wire: wire::DebtForgiven = decode(record, "weir.quota.v1.DebtForgiven")?;
            let service = parsed(&wire.service, "service")?;
            let tokens = Tokens::new(wire.tokens);
            let what = TermsChanged::DebtForgiven { service, version: wire.version, tokens };
            governed(parsed(&wire.pool, "pool")?, wire.by, what)
        }
        _ => Ok(None),
    }
}
