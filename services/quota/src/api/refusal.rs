//! Refusals and standings as callers see them.

use weir_domain::desk::Standing;
use weir_domain::ledger::{Refusal, Retry};
use weir_proto::codec::{duration_to_wire, limit_to_wire};
use weir_proto::quota::v1 as wire;

/// A refusal: the limit that bound, one sentence, and when the same passes.
pub(super) fn refused_to_wire(refusal: &Refusal) -> wire::Refused {
    let budget = match refusal {
        Refusal::BudgetUsed { budget, .. } => budget.to_string(),
        _ => String::new(),
    };
    wire::Refused {
        limit: limit_to_wire(refusal.limit()).into(),
        message: refusal.to_string(),
        retry: Some(retry_to_wire(refusal.retry())),
        budget,
    }
}

fn retry_to_wire(retry: Retry) -> wire::refused::Retry {
    use wire::refused::Retry as Wire;
    match retry {
        Retry::At { after, .. } => Wire::RetryAfter(duration_to_wire(after)),
        Retry::Never => Wire::NoRetry(wire::NoRetry::Never.into()),
        Retry::Unknown => Wire::NoRetry(wire::NoRetry::Unknown.into()),
    }
}

/// Where a service stands.
pub(super) fn standing_to_wire(standing: &Standing) -> wire::Standing {
    wire::Standing {
        rate_per_minute: standing.rate.get(),
        available: standing.available.get(),
        depth: standing.depth.get(),
        full_after: standing.full_after.map(duration_to_wire),
        borrowable: standing.borrowable.get(),
    }
}

#[cfg(test)]
mod tests {
    use weir_domain::amount::Tokens;
    use weir_domain::budget::BudgetLimit;
    use weir_domain::ids::{BudgetId, ReservationId};
    use weir_domain::time::Timestamp;

    use super::*;

    #[test]
    fn every_limit_has_a_number_of_its_own() {
        let budget = BudgetId::try_new("monthly").unwrap();
        let (resets, retry) = (Timestamp::from_secs(1), Retry::Never);
        let limit = BudgetLimit::Tokens(Tokens::new(2));
        let refusals = [
            Refusal::NoAllocation,
            Refusal::BudgetUsed { budget, used: 2, limit, asked: 1, resets, retry },
            Refusal::InFlight { max: 1 },
            Refusal::HoldsFull { outstanding: 1 },
            Refusal::ReservationStale { reservation: ReservationId::new(1) },
        ];
        let wired = refusals.map(|refusal| refused_to_wire(&refusal));
        let limits = wired.clone().map(|refused| refused.limit());
        let limits = limits.map(|limit| limit.as_str_name());
        assert_eq!(
            limits,
            ["NO_ALLOCATION", "BUDGET", "IN_FLIGHT", "HOLDS", "RESERVATION_STALE"]
                .map(|name| format!("LIMIT_{name}"))
        );
        assert_eq!(wired.map(|refused| refused.budget), ["", "monthly", "", "", ""]);
    }
}
