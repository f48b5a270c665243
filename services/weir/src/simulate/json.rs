//! A simulation for programs: every number, by the names of `simulation.proto`. Instants are RFC 3339.

use serde_json::{Value, json};
use weir_domain::amount::{Decimal, Money};
use weir_domain::time::Timestamp;
use weir_proto::codec::{duration_from_wire, rfc3339, timestamp_from_wire};
use weir_proto::governance::v1::budget::Limit;
use weir_proto::governance::v1::{
    AllocationOutcome, PoolOutcome, SimulatedAmount, SimulatedBudget, SimulatedMinute, SimulatedRefusals,
    SimulationReport,
};

/// All of it, readable.
pub(super) fn text(report: &SimulationReport) -> String {
    format!("{:#}", value(report))
}

fn value(report: &SimulationReport) -> Value {
    let pools = report.pools.iter().map(|found| {
        json!({
            "pool": found.pool,
            "now": found.now.as_ref().map(pool),
            "candidate": found.candidate.as_ref().map(pool),
        })
    });
    let allocations = report.allocations.iter().map(|found| {
        json!({
            "pool": found.pool,
            "service": found.service,
            "refused_then": amount(found.refused_then),
            "now": found.now.as_ref().map(outcome),
            "candidate": found.candidate.as_ref().map(outcome),
        })
    });
    json!({
        "from": instant(report.from.as_ref()),
        "to": instant(report.to.as_ref()),
        "pools": pools.collect::<Vec<_>>(),
        "allocations": allocations.collect::<Vec<_>>(),
        "unreadable": report.unreadable,
    })
}

fn pool(outcome: &PoolOutcome) -> Value {
    json!({
        "capacity_per_minute": outcome.capacity_per_minute,
        "asked": amount(outcome.asked),
        "refused": amount(outcome.refused),
        "borrowed_tokens": outcome.borrowed_tokens,
        "peak": outcome.peak.map(minute),
        "shortage": outcome.shortage,
    })
}

fn outcome(outcome: &AllocationOutcome) -> Value {
    let cells = outcome.cells.clone().unwrap_or_default();
    json!({
        "baseline_per_minute": outcome.baseline_per_minute,
        "ceiling_per_minute": outcome.ceiling_per_minute,
        "shadow": outcome.shadow,
        "asked": amount(outcome.asked),
        "refused": amount(outcome.refused),
        "by_limit": outcome.by_limit.iter().map(refusals).collect::<Vec<_>>(),
        "shadowed": amount(outcome.shadowed),
        "borrowed_tokens": outcome.borrowed_tokens,
        "peak": outcome.peak.map(minute),
        "worst": outcome.worst.map(minute),
        "budgets": outcome.budgets.iter().map(budget).collect::<Vec<_>>(),
        "cells": {
            "requests": cells.requests,
            "refused": cells.refused,
            "tokens": cells.tokens,
            "borrowed_tokens": cells.borrowed_tokens,
        },
    })
}

fn amount(amount: Option<SimulatedAmount>) -> Value {
    let SimulatedAmount { requests, tokens } = amount.unwrap_or_default();
    json!({ "requests": requests, "tokens": tokens })
}

fn minute(busiest: SimulatedMinute) -> Value {
    json!({ "minute": instant(busiest.minute.as_ref()), "amount": amount(busiest.amount) })
}

fn refusals(by: &SimulatedRefusals) -> Value {
    let longest = by.longest_retry.as_ref().map(|wait| duration_from_wire(wait).as_secs_f64());
    json!({
        "limit": by.limit,
        "refused": amount(by.refused),
        "first": instant(by.first.as_ref()),
        "longest_retry_secs": longest,
        "without_retry": by.without_retry,
    })
}

/// Money is a decimal text, as in policy files, so that no digit is lost.
fn budget(level: &SimulatedBudget) -> Value {
    let (name, limit) =
        level.budget.as_ref().map_or(("", None), |budget| (&budget.id, budget.limit.as_ref()));
    let money = |nano: u64| Decimal(Money::new(nano)).to_string();
    let (limit, used, unit) = match limit {
        Some(Limit::Money(limit)) => {
            (json!(money(limit.nano)), json!(money(level.used)), limit.currency.as_str())
        }
        Some(Limit::Tokens(limit)) => (json!(limit), json!(level.used), "tokens"),
        None => (Value::Null, json!(level.used), "tokens"),
    };
    json!({
        "name": name,
        "limit": limit,
        "used": used,
        "unit": unit,
        "start": instant(level.start.as_ref()),
        "end": instant(level.end.as_ref()),
    })
}

fn instant(at: Option<&prost_types::Timestamp>) -> Option<String> {
    timestamp_from_wire(at, "at").ok().map(|at: Timestamp| rfc3339(at))
}

#[cfg(test)]
mod tests {
    use super::super::samples::report;
    use super::*;

    #[test]
    fn every_number_is_there_by_its_name() {
        let value: Value = serde_json::from_str(&text(&report())).unwrap();
        let shop = &value["allocations"][0];
        for (found, expected) in [
            (&value["to"], json!("1970-01-08T00:00:00.000000000Z")),
            (&value["pools"][0]["candidate"]["capacity_per_minute"], json!(300_000)),
            (&shop["service"], json!("shop-assistant")),
            (&shop["refused_then"]["requests"], json!(7)),
            (&shop["now"]["baseline_per_minute"], json!(90_000)),
            (&shop["candidate"]["by_limit"][0]["longest_retry_secs"], json!(12.5)),
            (&shop["candidate"]["by_limit"][1]["without_retry"], json!(32)),
            (&shop["candidate"]["worst"]["amount"]["tokens"], json!(3_400)),
            (&shop["candidate"]["budgets"][0]["limit"], json!("200.00")),
            (&shop["candidate"]["cells"]["refused"], json!([5, 0])),
        ] {
            assert_eq!(found, &expected);
        }
    }
}
