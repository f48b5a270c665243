//! Headroom for programs: every number, by the names of `admission.proto`. Instants are RFC 3339, spans seconds.

use serde_json::{Value, json};
use weir_domain::ids::ServiceId;
use weir_proto::codec::{duration_from_wire, rfc3339, timestamp_from_wire};
use weir_proto::quota::v1::refused::Retry;
use weir_proto::quota::v1::{
    ActiveBurst, BudgetStanding, DebtRepayment, Headroom, LimitUse, NextChange, NoRetry, Prospect, Refused,
    Sources,
};

/// All allocations of a service, readable.
pub(super) fn text(service: &ServiceId, allocations: &[Headroom]) -> String {
    let allocations: Vec<_> = allocations.iter().map(allocation).collect();
    format!("{:#}", json!({ "service": service.to_string(), "allocations": allocations }))
}

fn allocation(headroom: &Headroom) -> Value {
    let mut all = rates(headroom);
    for part in [levels(headroom), limits(headroom), changes(headroom)] {
        if let (Value::Object(all), Value::Object(part)) = (&mut all, part) {
            all.extend(part);
        }
    }
    all
}

fn rates(headroom: &Headroom) -> Value {
    json!({
        "pool": headroom.pool,
        "summary": headroom.summary,
        "baseline_per_minute": headroom.baseline_per_minute,
        "guaranteed_bursts_per_minute": headroom.guaranteed_bursts_per_minute,
        "best_effort_bursts_per_minute": headroom.best_effort_bursts_per_minute,
        "rate_per_minute": headroom.standing.unwrap_or_default().rate_per_minute,
        "ceiling_per_minute": headroom.ceiling_per_minute,
        "lending_per_minute": headroom.lending_per_minute,
        "lent_per_minute": headroom.lent_per_minute,
        "bursts": headroom.bursts.iter().map(burst).collect::<Vec<_>>(),
    })
}

fn levels(headroom: &Headroom) -> Value {
    let standing = headroom.standing.unwrap_or_default();
    json!({
        "available": standing.available,
        "guaranteed": headroom.guaranteed,
        "in_hand": headroom.in_hand,
        "borrowable": standing.borrowable,
        "ceiling_leaves": headroom.ceiling_leaves,
        "others_leave": headroom.others_leave,
        "threshold": headroom.threshold,
        "depth": standing.depth,
        "full_after_secs": secs(standing.full_after.as_ref()),
        "borrowed": headroom.borrowed,
        "debt": headroom.debt,
        "repayment": headroom.repayment.as_ref().map(repayment),
        "held": headroom.held,
        "settled_total": headroom.settled_total,
        "pool_level": headroom.pool_level,
        "pool_depth": headroom.pool_depth,
        "pool_capacity_per_minute": headroom.pool_capacity_per_minute,
        "pool_deficit": headroom.pool_deficit,
    })
}

fn limits(headroom: &Headroom) -> Value {
    json!({
        "request_max": headroom.request_max,
        "requests_per_minute": headroom.requests_per_minute,
        "requests_available": headroom.requests_available,
        "holds": headroom.holds,
        "in_flight_max": headroom.in_flight_max,
        "budgets": headroom.budgets.iter().map(budget).collect::<Vec<_>>(),
        "binding_budget": stated(&headroom.binding_budget),
        "open_tokens_per_outage": headroom.open_tokens_per_outage,
        "shadow": headroom.shadow,
    })
}

fn changes(headroom: &Headroom) -> Value {
    json!({
        "next_change": headroom.next_change.as_ref().map(change),
        "coming": headroom.coming.iter().map(change).collect::<Vec<_>>(),
        "prospect": headroom.prospect.as_ref().map(prospect),
    })
}

fn repayment(repayment: &DebtRepayment) -> Value {
    json!({
        "guarantee_owes": repayment.guarantee_owes,
        "guarantee_per_minute": repayment.guarantee_per_minute,
        "borrowing_owes": repayment.borrowing_owes,
        "borrowing_per_minute": repayment.borrowing_per_minute,
        "repaid_after_secs": secs(repayment.repaid_after.as_ref()),
    })
}

fn burst(burst: &ActiveBurst) -> Value {
    json!({
        "id": burst.id,
        "extra_per_minute": burst.extra_per_minute,
        "best_effort": burst.best_effort,
        "end": instant(burst.end.as_ref()),
    })
}

/// Money is in nano-units of the currency, as on the wire.
fn budget(budget: &BudgetStanding) -> Value {
    json!({
        "id": budget.id,
        "limit": budget.limit,
        "used": budget.used,
        "currency": stated(&budget.currency),
        "hard": budget.hard,
        "start": instant(budget.start.as_ref()),
        "end": instant(budget.end.as_ref()),
    })
}

fn change(change: &NextChange) -> Value {
    json!({ "at": instant(change.at.as_ref()), "what": change.what })
}

fn prospect(prospect: &Prospect) -> Value {
    let sources = |Sources { in_hand, guaranteed, borrowed }: &Sources| json!({ "in_hand": in_hand, "guaranteed": guaranteed, "borrowed": borrowed });
    json!({
        "tokens": prospect.tokens,
        "passes": prospect.refused.is_none(),
        "sources": prospect.sources.as_ref().map(sources),
        "refused": prospect.refused.as_ref().map(refused),
    })
}

fn refused(refused: &Refused) -> Value {
    let (after, never) = match &refused.retry {
        Some(Retry::RetryAfter(after)) => (secs(Some(after)), false),
        Some(Retry::NoRetry(why)) => (None, *why == i32::from(NoRetry::Never)),
        None => (None, false),
    };
    json!({
        "limit": refused.limit().as_str_name().trim_start_matches("LIMIT_").to_lowercase(),
        "message": refused.message,
        "retry_after_secs": after,
        "never": never,
        "budget": stated(&refused.budget),
        "use": refused.r#use.as_ref().map(limit_use),
        "borrowed": refused.borrowed,
        "lent_per_minute": refused.lent_per_minute,
        "next_change": refused.next_change.as_ref().map(change),
    })
}

/// Money is in nano-units of the currency, as on the wire.
fn limit_use(of: &LimitUse) -> Value {
    json!({ "used": of.used, "limit": of.limit, "asked": of.asked, "currency": stated(&of.currency) })
}

fn stated(text: &String) -> Option<&String> {
    Some(text).filter(|text| !text.is_empty())
}

fn secs(span: Option<&prost_types::Duration>) -> Option<f64> {
    span.map(|span| duration_from_wire(span).as_secs_f64())
}

fn instant(at: Option<&prost_types::Timestamp>) -> Option<String> {
    timestamp_from_wire(at, "at").ok().map(rfc3339)
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::*;

    #[test]
    fn every_number_is_there_by_its_name() {
        let service = ServiceId::try_new("chat").unwrap();
        let value: Value = serde_json::from_str(&text(&service, &[sample()])).unwrap();
        let chat = &value["allocations"][0];
        for (found, expected) in [
            (&value["service"], json!("chat")),
            (&chat["pool"], json!("gpt")),
            (&chat["baseline_per_minute"], json!(60_000)),
            (&chat["guaranteed_bursts_per_minute"], json!(30_000)),
            (&chat["rate_per_minute"], json!(90_000)),
            (&chat["ceiling_per_minute"], json!(150_000)),
            (&chat["lending_per_minute"], json!(10_000)),
            (&chat["bursts"][0]["end"], json!("1970-01-01T00:01:00.000000000Z")),
            (&chat["budgets"][0]["used"], json!(152_500_000_000_u64)),
            (&chat["repayment"], Value::Null),
            (&chat["binding_budget"], Value::Null),
            (&chat["prospect"]["passes"], json!(false)),
            (&chat["prospect"]["refused"]["message"], json!("it passes in 2.000 s")),
            (&chat["prospect"]["refused"]["use"]["limit"], json!(9_000)),
            (&chat["prospect"]["refused"]["use"]["currency"], Value::Null),
            (&chat["prospect"]["refused"]["borrowed"], json!(700)),
        ] {
            assert_eq!(found, &expected);
        }
    }
}
