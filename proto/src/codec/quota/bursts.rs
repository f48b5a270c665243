//! What becomes of bursts, from its messages. They are written in [`super::governed`].

use super::super::burst::approval_from_wire;
use super::super::{DecodeError, burst_from_wire, granted_burst_from_wire, timestamp_from_wire};
use super::{decode, governed, kinds, parsed, present};
use crate::quota::v1 as wire;
use crate::record::Record;
use weir_domain::fact::QuotaFact;
use weir_domain::ledger::TermsChanged;

/// None if the kind says nothing about a burst.
pub(super) fn from_record(kind: &str, record: &Record) -> Result<Option<QuotaFact>, DecodeError> {
    match kind {
        kinds::BURST_GRANTED_V1 => {
            let wire: wire::BurstGranted = decode(record, "weir.quota.v1.BurstGranted")?;
            let granted = granted_burst_from_wire(present(wire.burst.as_ref(), "burst")?)?;
            governed(granted.burst.pool.clone(), wire.by, TermsChanged::BurstGranted(granted))
        }
        kinds::BURST_REQUESTED_V1 => {
            let wire: wire::BurstRequested = decode(record, "weir.quota.v1.BurstRequested")?;
            let burst = burst_from_wire(present(wire.burst.as_ref(), "burst")?)?;
            governed(burst.pool.clone(), wire.by, TermsChanged::BurstRequested(burst))
        }
        kinds::BURST_APPROVED_V1 => {
            let wire: wire::BurstApproved = decode(record, "weir.quota.v1.BurstApproved")?;
            let (burst, approval) = (parsed(&wire.burst, "burst")?, approval_from_wire(wire.best_effort));
            governed(parsed(&wire.pool, "pool")?, wire.by, TermsChanged::BurstApproved { burst, approval })
        }
        kinds::BURST_DENIED_V1 => {
            let wire: wire::BurstDenied = decode(record, "weir.quota.v1.BurstDenied")?;
            let what = TermsChanged::BurstDenied { burst: parsed(&wire.burst, "burst")? };
            governed(parsed(&wire.pool, "pool")?, wire.by, what)
        }
        kinds::BURST_REVOKED_V1 => {
            let wire: wire::BurstRevoked = decode(record, "weir.quota.v1.BurstRevoked")?;
            let what = TermsChanged::BurstRevoked { burst: parsed(&wire.burst, "burst")? };
            governed(parsed(&wire.pool, "pool")?, wire.by, what)
        }
        kinds::BURST_EXTENDED_V1 => {
            let wire: wire::BurstExtended = decode(record, "weir.quota.v1.BurstExtended")?;
            let end = timestamp_from_wire(wire.end.as_ref(), "end")?;
            let what = TermsChanged::BurstExtended { burst: parsed(&wire.burst, "burst")?, end };
            governed(parsed(&wire.pool, "pool")?, wire.by, what)
        }
        _ => Ok(None),
    }
}
