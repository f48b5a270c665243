//! Decisions about a pool ⇄ their messages.

use super::super::{DecodeError, burst_from_wire, burst_to_wire, pool_from_wire, pool_to_wire};
use super::{Body, by_from_wire, by_to_wire, decode, kinds, parsed, pool, present};
use crate::governance::v1 as governance;
use crate::quota::v1 as wire;
use crate::record::Record;
use weir_domain::amount::{Tokens, TokensPerMinute};
use weir_domain::fact::QuotaFact;
use weir_domain::ids::{PoolId, ServiceId};
use weir_domain::ledger::{Governed, Terms, TermsChanged};

pub(super) fn to_wire(id: &PoolId, event: &Governed) -> Body {
    let (by, pool) = (Some(by_to_wire(&event.by)), id.to_string());
    match &event.what {
        TermsChanged::PoolDefined(defined) => {
            let message = wire::PoolDefined { by, pool: Some(pool_to_wire(defined)) };
            Body::new(kinds::POOL_DEFINED_V1, id, &message)
        }
        TermsChanged::PoolRemoved => Body::new(kinds::POOL_REMOVED_V1, id, &wire::PoolRemoved { by, pool }),
        TermsChanged::AllocationSet { service, terms } => {
            let allocation = Some(allocation_to_wire(pool, *terms));
            let message = wire::AllocationSet { by, service: service.to_string(), allocation };
            Body::new(kinds::ALLOCATION_SET_V1, service, &message)
        }
        TermsChanged::AllocationRemoved { service } => {
            let message = wire::AllocationRemoved { by, pool, service: service.to_string() };
            Body::new(kinds::ALLOCATION_REMOVED_V1, service, &message)
        }
        TermsChanged::BurstGranted(burst) => {
            let message = wire::BurstGranted { by, burst: Some(burst_to_wire(burst)) };
            Body::new(kinds::BURST_GRANTED_V1, &burst.id, &message)
        }
        TermsChanged::BurstRevoked { burst } => {
            let message = wire::BurstRevoked { by, pool, burst: burst.to_string() };
            Body::new(kinds::BURST_REVOKED_V1, burst, &message)
        }
    }
}

/// None if the kind is not one of a pool's.
pub(super) fn from_record(kind: &str, record: &Record) -> Result<Option<QuotaFact>, DecodeError> {
    let fact = match kind {
        kinds::POOL_DEFINED_V1 => pool_defined(&decode(record, "weir.quota.v1.PoolDefined")?)?,
        kinds::POOL_REMOVED_V1 => {
            let wire: wire::PoolRemoved = decode(record, "weir.quota.v1.PoolRemoved")?;
            governed(pool(&wire.pool)?, wire.by.as_ref(), TermsChanged::PoolRemoved)?
        }
        kinds::ALLOCATION_SET_V1 => allocation_set(&decode(record, "weir.quota.v1.AllocationSet")?)?,
        kinds::ALLOCATION_REMOVED_V1 => {
            let wire: wire::AllocationRemoved = decode(record, "weir.quota.v1.AllocationRemoved")?;
            let what = TermsChanged::AllocationRemoved { service: service(&wire.service)? };
            governed(pool(&wire.pool)?, wire.by.as_ref(), what)?
        }
        kinds::BURST_GRANTED_V1 => {
            let wire: wire::BurstGranted = decode(record, "weir.quota.v1.BurstGranted")?;
            let burst = burst_from_wire(present(wire.burst.as_ref(), "burst")?)?;
            governed(burst.pool.clone(), wire.by.as_ref(), TermsChanged::BurstGranted(burst))?
        }
        kinds::BURST_REVOKED_V1 => {
            let wire: wire::BurstRevoked = decode(record, "weir.quota.v1.BurstRevoked")?;
            let what = TermsChanged::BurstRevoked { burst: parsed(&wire.burst, "burst")? };
            governed(pool(&wire.pool)?, wire.by.as_ref(), what)?
        }
        _ => return Ok(None),
    };
    Ok(Some(fact))
}

fn governed(
    pool: PoolId,
    by: Option<&wire::Authorship>,
    what: TermsChanged,
) -> Result<QuotaFact, DecodeError> {
    Ok(QuotaFact::Governed { pool, event: Governed { by: by_from_wire(by)?, what } })
}

fn pool_defined(wire: &wire::PoolDefined) -> Result<QuotaFact, DecodeError> {
    let defined = pool_from_wire(present(wire.pool.as_ref(), "pool")?)?;
    governed(defined.id.clone(), wire.by.as_ref(), TermsChanged::PoolDefined(defined))
}

fn allocation_set(wire: &wire::AllocationSet) -> Result<QuotaFact, DecodeError> {
    let allocation = present(wire.allocation.as_ref(), "allocation")?;
    let terms = Terms {
        baseline: TokensPerMinute::new(allocation.baseline_per_minute),
        request_max: Tokens::new(allocation.request_max),
    };
    let what = TermsChanged::AllocationSet { service: service(&wire.service)?, terms };
    governed(pool(&allocation.pool)?, wire.by.as_ref(), what)
}

fn allocation_to_wire(pool: String, terms: Terms) -> governance::Allocation {
    let (baseline_per_minute, request_max) = (terms.baseline.get(), terms.request_max.get());
    governance::Allocation { pool, baseline_per_minute, request_max }
}

fn service(text: &str) -> Result<ServiceId, DecodeError> {
    parsed(text, "service")
}
