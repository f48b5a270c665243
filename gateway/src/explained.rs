//! What explains a refusal to a program: the member `weir` of the error object, which SDKs hand on.
//!
//! Of a limit that others use as well (what they leave to borrow, the holds of a pool) no figures are told.

use serde_json::{Map, Value, json};
use weir_domain::calendar::Utc;
use weir_proto::codec::timestamp_from_wire;
use weir_proto::quota::v1::{Limit, LimitUse, NextChange, Refused};

use crate::admission::limit_name;

/// The limit, how far it is used, and what changes next.
pub(crate) fn explained(refused: &Refused) -> Value {
    let mut told = Map::new();
    told.insert("limit".to_owned(), limit_name(refused.limit()).into());
    if !refused.budget.is_empty() {
        told.insert("budget".to_owned(), refused.budget.as_str().into());
    }
    if !matches!(refused.limit(), Limit::Spare | Limit::Holds)
        && let Some(LimitUse { used, limit, asked, currency }) = &refused.r#use
    {
        let unit =
            if currency.is_empty() { unit(refused.limit()).to_owned() } else { format!("nano {currency}") };
        told.insert("use".to_owned(), json!({"used": used, "of": limit, "asked": asked, "unit": unit}));
    }
    if let Some(change) = refused.next_change.as_ref().and_then(next_change) {
        told.insert("next_change".to_owned(), change);
    }
    Value::Object(told)
}

fn unit(limit: Limit) -> &'static str {
    match limit {
        Limit::Requests | Limit::InFlight => "requests",
        _ => "tokens",
    }
}

fn next_change(change: &NextChange) -> Option<Value> {
    let at = timestamp_from_wire(change.at.as_ref(), "at").ok()?;
    Some(json!({"at": Utc(at).to_string(), "what": change.what}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_domain::time::Timestamp;
    use weir_proto::codec::timestamp_to_wire;

    fn refused(limit: Limit, currency: &str) -> Refused {
        let amounts = LimitUse { used: 900, limit: 1_000, asked: 250, currency: currency.to_owned() };
        Refused { limit: limit.into(), r#use: Some(amounts), ..Default::default() }
    }

    #[test]
    fn a_limit_is_told_with_how_far_it_is_used_and_in_which_unit() {
        for (limit, currency, unit) in [
            (Limit::Baseline, "", "tokens"),
            (Limit::InFlight, "", "requests"),
            (Limit::Budget, "USD", "nano USD"),
        ] {
            let told = explained(&refused(limit, currency));
            assert_eq!(told["use"], json!({"used": 900, "of": 1_000, "asked": 250, "unit": unit}));
        }
    }

    #[test]
    fn of_what_others_use_nothing_is_told_but_the_limits_name() {
        for (limit, name) in [(Limit::Spare, "spare"), (Limit::Holds, "holds")] {
            assert_eq!(explained(&refused(limit, "")), json!({ "limit": name }));
        }
    }

    #[test]
    fn what_changes_next_is_told_with_its_instant_and_a_budget_by_its_name() {
        let next = NextChange {
            at: Some(timestamp_to_wire(Timestamp::from_secs(1_750_000_000))),
            what: "budget month begins anew".to_owned(),
        };
        let refused = Refused { budget: "month".to_owned(), next_change: Some(next), ..Default::default() };
        let told = explained(&refused);
        assert_eq!((&told["limit"], &told["budget"]), (&json!("unknown"), &json!("month")));
        assert_eq!(
            told["next_change"],
            json!({"at": "2025-06-15T15:06:40Z", "what": "budget month begins anew"})
        );
    }
}
