//! What was decided about a pool.

use super::values::{known, parsed, present, timestamp_from_wire, timestamp_to_wire};
use super::{DecodeError, governance, wire};
use crate::codec::{
    allocation_from_wire, allocation_to_wire, burst_from_wire, burst_to_wire, granted_burst_from_wire,
    granted_burst_to_wire, pool_from_wire, pool_to_wire,
};
use weir_domain::burst::{BurstRecord, Verdict};
use weir_domain::ids::{PoolId, ServiceId};
use weir_domain::ledger::PoolTerms;
use weir_domain::policy::Terms;

pub(super) fn to_wire(id: &PoolId, terms: &PoolTerms) -> wire::TermsImage {
    let allocation = |(service, held): (&ServiceId, &Terms)| wire::Entitlement {
        service: service.to_string(),
        allocation: Some(allocation_to_wire(id, held)),
    };
    wire::TermsImage {
        id: id.to_string(),
        version: terms.version(),
        pool: terms.pool().map(pool_to_wire),
        allocations: terms.allocations().iter().map(allocation).collect(),
        bursts: terms.bursts().values().map(burst_image).collect(),
    }
}

pub(super) fn from_wire(wire: &wire::TermsImage) -> Result<(PoolId, PoolTerms), DecodeError> {
    let allocation = |held: &wire::Entitlement| {
        let allocation = present(held.allocation.as_ref(), "terms.allocations.allocation")?;
        Ok((parsed(&held.service, "terms.allocations.service")?, allocation_from_wire(allocation)?.terms))
    };
    let allocations = wire.allocations.iter().map(allocation).collect::<Result<_, DecodeError>>()?;
    let bursts = wire.bursts.iter().map(burst_record).collect::<Result<Vec<_>, _>>()?;
    let pool = wire.pool.as_ref().map(pool_from_wire).transpose()?;
    Ok((parsed(&wire.id, "terms.id")?, PoolTerms::from_parts(pool, allocations, bursts, wire.version)))
}

fn burst_image(record: &BurstRecord) -> wire::BurstImage {
    let burst =
        record.grant().map_or_else(|| burst_to_wire(&record.burst), |grant| granted_burst_to_wire(&grant));
    let image = |verdict: wire::Verdict| wire::BurstImage {
        burst: Some(burst),
        verdict: verdict.into(),
        ..wire::BurstImage::default()
    };
    match &record.verdict {
        Verdict::Requested => image(wire::Verdict::Requested),
        Verdict::Approved { reason, .. } => {
            wire::BurstImage { reason: reason.clone(), ..image(wire::Verdict::Approved) }
        }
        Verdict::Denied { by, reason } => {
            wire::BurstImage { by: by.clone(), reason: reason.clone(), ..image(wire::Verdict::Denied) }
        }
        Verdict::Revoked { by, reason, at } => wire::BurstImage {
            by: by.clone(),
            reason: reason.clone(),
            at: Some(timestamp_to_wire(*at)),
            ..image(wire::Verdict::Revoked)
        },
    }
}

fn burst_record(wire: &wire::BurstImage) -> Result<BurstRecord, DecodeError> {
    const VERDICT: &str = "terms.bursts.verdict";
    let burst: &governance::Burst = present(wire.burst.as_ref(), "terms.bursts.burst")?;
    let (by, reason) = (wire.by.clone(), wire.reason.clone());
    let verdict = match known(wire.verdict, VERDICT)? {
        wire::Verdict::Unspecified => return Err(DecodeError::field(VERDICT, "missing")),
        wire::Verdict::Approved => {
            return Ok(BurstRecord::granted(&granted_burst_from_wire(burst)?, &reason));
        }
        wire::Verdict::Requested => Verdict::Requested,
        wire::Verdict::Denied => Verdict::Denied { by, reason },
        wire::Verdict::Revoked => {
            let at = timestamp_from_wire(wire.at.as_ref(), "terms.bursts.at")?;
            Verdict::Revoked { by, reason, at }
        }
    };
    Ok(BurstRecord { burst: burst_from_wire(burst)?, verdict })
}
