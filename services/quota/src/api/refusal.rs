//! Refusals and standings as callers see them.

use weir_domain::desk::{Explained, LimitUse, NextChange, Standing};
use weir_domain::ledger::{Limit, Refusal, Retry};
use weir_proto::codec::{duration_to_wire, limit_to_wire, timestamp_to_wire};
use weir_proto::quota::v1 as wire;

/// A refusal: the limit that bound and how far it is used, one sentence, when the same passes, and what changes next.
pub(super) fn refused_to_wire(explained: &Explained) -> wire::Refused {
    let Explained { refusal, bound, borrowed, lent, next_change } = explained;
    let (budget, currency) = match refusal {
        Refusal::BudgetUsed { budget, limit, .. } => (budget.to_string(), limit.currency()),
        _ => (String::new(), None),
    };
    let limit_use = |bound: &LimitUse| wire::LimitUse {
        used: bound.used,
        limit: bound.limit,
        asked: bound.asked,
        currency: currency.map(|currency| currency.as_str().to_owned()).unwrap_or_default(),
    };
    wire::Refused {
        limit: limit_to_wire(refusal.limit()).into(),
        message: refusal.to_string(),
        retry: Some(retry_to_wire(refusal.retry())),
        budget,
        r#use: bound.as_ref().map(limit_use),
        borrowed: borrowed.get(),
        lent_per_minute: lent.get(),
        next_change: next_change.as_ref().map(next_change_to_wire),
    }
}

/// The limit that an allocation in shadow mode was let pass in spite of.
pub(super) fn shadowed_to_wire(shadowed: Option<Limit>) -> i32 {
    shadowed.map_or(wire::Limit::Unspecified, limit_to_wire).into()
}

/// What happens by itself, and when.
pub(super) fn next_change_to_wire(change: &NextChange) -> wire::NextChange {
    wire::NextChange { at: Some(timestamp_to_wire(change.at)), what: change.what.to_string() }
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
    use std::time::Duration;

    use weir_domain::amount::Money;
    use weir_domain::budget::BudgetLimit;
    use weir_domain::ids::BudgetId;
    use weir_domain::price::Currency;
    use weir_domain::time::Timestamp;

    use super::*;

    #[test]
    fn a_budget_is_named_with_its_unit_and_a_limit_of_no_amount_has_no_use() {
        let budget = BudgetId::try_new("monthly").unwrap();
        let (resets, retry) = (Timestamp::from_secs(1), Retry::Never);
        let limit = BudgetLimit::Money(Money::new(2), Currency::try_new("USD").unwrap());
        let refusal = Refusal::BudgetUsed { budget, used: 1, limit, asked: 3, resets, retry };
        let bound = Some(LimitUse { used: 1, limit: 2, asked: 3 });
        let refused = refused_to_wire(&Explained { bound, ..Explained::of_nobody(refusal) });
        assert_eq!((refused.limit(), refused.budget.as_str()), (wire::Limit::Budget, "monthly"));
        let currency = "USD".to_owned();
        assert_eq!(refused.r#use, Some(wire::LimitUse { used: 1, limit: 2, asked: 3, currency }));
        let nobody = refused_to_wire(&Explained::of_nobody(Refusal::NoAllocation));
        assert_eq!((nobody.r#use, nobody.budget.as_str()), (None, ""));
    }

    #[test]
    fn when_the_same_passes_is_told_or_why_nobody_says_so() {
        use wire::refused::Retry as Wire;
        let after = Duration::from_millis(1_500);
        let at = Retry::At { at: Timestamp::from_secs(2), after };
        assert_eq!(retry_to_wire(at), Wire::RetryAfter(duration_to_wire(after)));
        assert_eq!(retry_to_wire(Retry::Never), Wire::NoRetry(wire::NoRetry::Never.into()));
        assert_eq!(retry_to_wire(Retry::Unknown), Wire::NoRetry(wire::NoRetry::Unknown.into()));
    }
}
