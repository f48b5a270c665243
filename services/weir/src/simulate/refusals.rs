//! Why somebody would have been refused, what passed in shadow mode only, and how far budgets would have been used.

use weir_domain::amount::{Decimal, Money};
use weir_proto::codec;
use weir_proto::governance::v1::budget::Limit;
use weir_proto::governance::v1::{AllocationOutcome, SimulatedBudget, SimulatedRefusals, SimulationReport};

use super::shown::{Found, amount, instant};
use crate::instant::Span;
use crate::output::{bar, fitted, grouped, money};

/// Allocations that are explained; the rest is counted.
const EXPLAINED_MAX: usize = 10;

/// A block for each allocation that is refused something, and one for all budgets.
pub(super) fn blocks(report: &SimulationReport) -> Vec<String> {
    let mut found: Vec<_> = report.allocations.iter().map(Found::new).collect();
    let refused = |found: &Found<'_>| found.candidate.refused.unwrap_or_default();
    found.sort_by_key(|found| std::cmp::Reverse(refused(found).tokens));
    let told = found.iter().filter(|found| refused(found).requests > 0 || shadowed(&found.candidate) > 0);
    let mut blocks: Vec<_> = told.map(explained).collect();
    let more = blocks.len().saturating_sub(EXPLAINED_MAX);
    blocks.truncate(EXPLAINED_MAX);
    if more > 0 {
        blocks.push(format!("and {more} more are refused something; --format json has them all"));
    }
    blocks.push(budgets(&found));
    blocks
}

fn shadowed(outcome: &AllocationOutcome) -> u64 {
    outcome.shadowed.unwrap_or_default().requests
}

fn explained(found: &Found<'_>) -> String {
    let Found { allocation, now, candidate } = found;
    let (refused, asked) = (candidate.refused.unwrap_or_default(), candidate.asked.unwrap_or_default());
    let mut lines = vec![format!(
        "{} in pool {} would have been refused {} of {} requests (as the policy stands, {})",
        allocation.service,
        allocation.pool,
        grouped(refused.requests),
        grouped(asked.requests),
        grouped(now.refused.unwrap_or_default().requests)
    )];
    lines.extend(candidate.by_limit.iter().map(by_limit));
    if let Some(worst) = candidate.worst {
        let minute = instant(worst.minute.as_ref());
        lines.push(format!(
            "  {:13} {}, in the minute of {minute}",
            "at worst",
            amount(worst.amount, "request")
        ));
    }
    if shadowed(candidate) > 0 {
        let passed = amount(candidate.shadowed, "request");
        lines.push(format!(
            "  {:13} {passed} would have passed only because nothing is enforced",
            "shadow mode"
        ));
    }
    let indent = |line: &String| if line.starts_with(' ') { 16 } else { 2 };
    let lines: Vec<_> = lines.iter().map(|line| fitted(line, indent(line))).collect();
    lines.join("\n")
}

fn by_limit(by: &SimulatedRefusals) -> String {
    let wait = by.longest_retry.as_ref().map(codec::duration_from_wire);
    let wait = wait.map_or_else(String::new, |wait| format!(", told to wait up to {}", Span(wait)));
    let never = match by.without_retry {
        0 => String::new(),
        count => format!(", {} of them without a time to wait for", grouped(count)),
    };
    let first = instant(by.first.as_ref());
    format!("  {:13} {}, first at {first}{wait}{never}", by.limit, amount(by.refused, "request"))
}

/// Every budget that either policy has, as it stood at the end.
fn budgets(found: &[Found<'_>]) -> String {
    let mut lines = Vec::new();
    for Found { allocation, now, candidate } in found {
        let names = candidate.budgets.iter().chain(&now.budgets).map(name);
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        names.dedup();
        for budget in names {
            let level = |outcome: &AllocationOutcome| {
                let found = outcome.budgets.iter().find(|level| name(level) == budget);
                found.map_or_else(|| "none".to_owned(), level_text)
            };
            let (service, pool) = (&allocation.service, &allocation.pool);
            let (now, candidate) = (level(now), level(candidate));
            let budget = format!("budget {budget} of {service} in pool {pool}, at the end:");
            if now == candidate {
                lines.push(format!("{budget} {now}"));
            } else {
                lines.extend([budget, format!("  now    {now}"), format!("  tried  {candidate}")]);
            }
        }
    }
    lines.join("\n")
}

fn name(level: &SimulatedBudget) -> &str {
    level.budget.as_ref().map_or("", |budget| &budget.id)
}

fn level_text(level: &SimulatedBudget) -> String {
    let limit = level.budget.as_ref().and_then(|budget| budget.limit.as_ref());
    let (limit, unit) = match limit {
        Some(Limit::Tokens(tokens)) => (*tokens, "tokens"),
        Some(Limit::Money(money)) => (money.nano, money.currency.as_str()),
        None => (0, "?"),
    };
    let text = |amount: u64| match unit {
        "tokens" => grouped(amount),
        _ => money(&Decimal(Money::new(amount)).to_string()),
    };
    format!("{} {} of {} {unit}", bar(level.used, limit), text(level.used), text(limit))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{quiet, report};
    use super::*;

    #[test]
    fn every_limit_says_how_much_when_first_and_how_long_to_wait() {
        let text = blocks(&report()).join("\n");
        for part in [
            "shop-assistant in pool chat would have been refused 132 of 5 400 requests (as the policy stands, 0)",
            "  baseline      100 requests, 34 000 tokens, first at 1970-01-02T00:00:05Z, told to wait up to 12.5 s",
            "  request_size  32 requests, 11 678 tokens, first at 1970-01-03T00:00:00Z, 32 of them without a time",
            "  at worst      12 requests, 3 400 tokens, in the minute of 1970-01-02T00:00:00Z",
            "  shadow mode   1 request, 10 tokens would have passed only because nothing is enforced",
            "budget month of shop-assistant in pool chat, at the end:\n  now    ██████░░░░ 152.50 of 250.00 USD\n",
            "\n  tried  ███████░░░ 152.50 of 200.00 USD",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }

    #[test]
    fn who_is_refused_nothing_is_not_explained() {
        assert_eq!(blocks(&quiet()), [""]);
    }
}
