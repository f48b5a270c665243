//! Budgets.

use super::DecodeError;
use super::values::{budget_percent, known, parsed, present};
use crate::governance::v1 as wire;
use weir_domain::amount::{Money, Tokens};
use weir_domain::budget::{Budget, BudgetKind, BudgetLimit};
use weir_domain::calendar::{Period, Zone};
use weir_domain::price::Currency;
use wire::budget::Limit;

pub(in crate::codec) fn budget_to_wire(budget: &Budget) -> wire::Budget {
    wire::Budget {
        id: budget.id.to_string(),
        limit: Some(limit_to_wire(&budget.limit)),
        period: period_to_wire(budget.period).into(),
        zone: budget.zone.as_str().to_owned(),
        soft: budget.kind == BudgetKind::Soft,
        thresholds_percent: budget.thresholds.iter().copied().map(u32::from).collect(),
    }
}

pub(in crate::codec) fn budget_from_wire(wire: &wire::Budget) -> Result<Budget, DecodeError> {
    let threshold = |number: &u32| budget_percent(*number, "allocations.budgets.thresholds_percent");
    Ok(Budget {
        id: parsed(&wire.id, "allocations.budgets.id")?,
        limit: limit_from_wire(present(wire.limit.as_ref(), "allocations.budgets.limit")?)?,
        period: period_from_wire(wire.period)?,
        zone: Zone::try_new(&wire.zone)
            .map_err(|problem| DecodeError::field("allocations.budgets.zone", problem))?,
        kind: if wire.soft { BudgetKind::Soft } else { BudgetKind::Hard },
        thresholds: wire.thresholds_percent.iter().map(threshold).collect::<Result<_, _>>()?,
    })
}

fn limit_to_wire(limit: &BudgetLimit) -> Limit {
    match limit {
        BudgetLimit::Tokens(tokens) => Limit::Tokens(tokens.get()),
        BudgetLimit::Money(money, currency) => {
            Limit::Money(wire::MoneyLimit { nano: money.get(), currency: currency.as_str().to_owned() })
        }
    }
}

fn limit_from_wire(wire: &Limit) -> Result<BudgetLimit, DecodeError> {
    Ok(match wire {
        Limit::Tokens(tokens) => BudgetLimit::Tokens(Tokens::new(*tokens)),
        Limit::Money(money) => {
            let currency = Currency::try_new(&money.currency)
                .map_err(|problem| DecodeError::field("allocations.budgets.money.currency", problem))?;
            BudgetLimit::Money(Money::new(money.nano), currency)
        }
    })
}

fn period_to_wire(period: Period) -> wire::Period {
    match period {
        Period::Day => wire::Period::Day,
        Period::Week => wire::Period::Week,
        Period::Month => wire::Period::Month,
        Period::Quarter => wire::Period::Quarter,
        Period::Year => wire::Period::Year,
    }
}

fn period_from_wire(number: i32) -> Result<Period, DecodeError> {
    const PERIOD: &str = "allocations.budgets.period";
    match known(number, PERIOD)? {
        wire::Period::Unspecified => {
            Err(DecodeError::field(PERIOD, "missing; use DAY, WEEK, MONTH, QUARTER or YEAR"))
        }
        wire::Period::Day => Ok(Period::Day),
        wire::Period::Week => Ok(Period::Week),
        wire::Period::Month => Ok(Period::Month),
        wire::Period::Quarter => Ok(Period::Quarter),
        wire::Period::Year => Ok(Period::Year),
    }
}
