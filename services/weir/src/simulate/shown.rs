//! A simulation for people: a table for each pool, the span as it went, and why somebody would have been refused.

use weir_domain::time::Timestamp;
use weir_proto::codec;
use weir_proto::governance::v1::{
    AllocationOutcome, PoolOutcome, SimulatedAllocation, SimulatedAmount, SimulatedPool, SimulationReport,
};

use super::{refusals, refused, sum, timeline};
use crate::instant::shown;
use crate::output::{Table, fitted, grouped, name, number};

/// Allocations of a pool that are shown, the most refused first; the rest is counted.
const SHOWN_MAX: usize = 20;

/// All of it.
pub(super) fn text(report: &SimulationReport) -> String {
    let [from, to] = [&report.from, &report.to].map(|at| instant(at.as_ref()));
    let asked = sum(report.pools.iter().filter_map(|pool| pool.now.as_ref()?.asked));
    let heading =
        format!("{from} to {to}: {}, as the policy stands → as tried", amount(Some(asked), "request"));
    let mut blocks = vec![fitted(&heading, 2)];
    for pool in &report.pools {
        let found = report.allocations.iter().filter(|found| found.pool == pool.pool);
        blocks.extend(pool_blocks(pool, &shortlist(found), &from, &to));
    }
    blocks.extend(refusals::blocks(report));
    blocks.push(notes(report));
    blocks.retain(|block| !block.is_empty());
    blocks.join("\n\n")
}

/// An allocation and what came of it under both policies.
pub(super) struct Found<'a> {
    pub(super) allocation: &'a SimulatedAllocation,
    pub(super) now: AllocationOutcome,
    pub(super) candidate: AllocationOutcome,
}

impl<'a> Found<'a> {
    pub(super) fn new(allocation: &'a SimulatedAllocation) -> Self {
        let outcome = |side: &Option<AllocationOutcome>| side.clone().unwrap_or_default();
        Self { allocation, now: outcome(&allocation.now), candidate: outcome(&allocation.candidate) }
    }
}

/// The most refused first, then those that use most.
fn shortlist<'a>(found: impl Iterator<Item = &'a SimulatedAllocation>) -> Vec<Found<'a>> {
    let mut found: Vec<_> = found.map(Found::new).collect();
    found.sort_by_key(|found| {
        let tokens = |amount: Option<SimulatedAmount>| amount.unwrap_or_default().tokens;
        let (candidate, now) = (&found.candidate, &found.now);
        std::cmp::Reverse((tokens(candidate.refused), tokens(now.refused), tokens(candidate.asked)))
    });
    found
}

fn pool_blocks(pool: &SimulatedPool, found: &[Found<'_>], from: &str, to: &str) -> Vec<String> {
    let outcome = |side: &Option<PoolOutcome>| side.clone().unwrap_or_default();
    let (now, candidate) = (outcome(&pool.now), outcome(&pool.candidate));
    let capacity = change(&rate(now.capacity_per_minute), &rate(candidate.capacity_per_minute));
    let mut block = format!("pool {}: {capacity} tokens a minute", pool.pool);
    if let Some(peak) = candidate.peak.or(now.peak) {
        let tokens = grouped(peak.amount.unwrap_or_default().tokens);
        block += &format!(", busiest minute {tokens} at {}", instant(peak.minute.as_ref()));
    }
    let columns = [
        name("service"),
        number("requests"),
        number("refused").or_under(),
        number("tokens"),
        number("borrowed").or_under(),
        number("busiest minute"),
        number("baseline"),
    ];
    let more = found.len().saturating_sub(SHOWN_MAX);
    let rows = found.iter().take(SHOWN_MAX).map(cells).collect();
    block = format!("{}\n{}", fitted(&block, 2), Table::new(columns, rows));
    if more > 0 {
        block += &format!("\nand {more} more; --format json has them all");
    }
    vec![block, drawn(found, from, to)]
}

fn cells(found: &Found<'_>) -> Vec<String> {
    let Found { allocation, now, candidate } = found;
    let asked = |outcome: &AllocationOutcome| outcome.asked.unwrap_or_default();
    let peak =
        |outcome: &AllocationOutcome| outcome.peak.and_then(|peak| peak.amount).unwrap_or_default().tokens;
    let both =
        |part: &dyn Fn(&AllocationOutcome) -> u64| change(&grouped(part(now)), &grouped(part(candidate)));
    vec![
        allocation.service.clone(),
        both(&|outcome| asked(outcome).requests),
        both(&|outcome| outcome.refused.unwrap_or_default().requests),
        both(&|outcome| asked(outcome).tokens),
        both(&|outcome| outcome.borrowed_tokens),
        both(&peak),
        change(&rate(now.baseline_per_minute), &rate(candidate.baseline_per_minute)),
    ]
}

/// The span of those to whom anything was refused, or who borrowed.
fn drawn(found: &[Found<'_>], from: &str, to: &str) -> String {
    let mut rows = Vec::new();
    for Found { allocation, now, candidate } in found.iter().take(SHOWN_MAX) {
        let (now, candidate) =
            (now.cells.clone().unwrap_or_default(), candidate.cells.clone().unwrap_or_default());
        if !timeline::tells(&now) && !timeline::tells(&candidate) {
            continue;
        }
        let (now, candidate) = (timeline::row(&now), timeline::row(&candidate));
        let sides =
            if now == candidate { vec![("both", now)] } else { vec![("now", now), ("tried", candidate)] };
        let names = std::iter::once(allocation.service.as_str()).chain(std::iter::repeat(""));
        rows.extend(names.zip(sides).map(|(name, (side, row))| (name, side, row)));
    }
    let Some(name_width) = rows.iter().map(|(name, ..)| name.chars().count()).max() else {
        return String::new();
    };
    let row_width = rows.iter().map(|(.., row)| row.chars().count()).max().unwrap_or(0);
    let edges = format!("{from}{to:>width$}", width = row_width.saturating_sub(from.len()));
    let mut lines = vec![format!("{:name_width$}        {edges}", "")];
    lines.extend(rows.iter().map(|(name, side, row)| format!("{name:name_width$}  {side:5} {row}")));
    lines.push(format!("{:name_width$}        {}", "", timeline::LEGEND));
    lines.join("\n")
}

fn notes(report: &SimulationReport) -> String {
    let candidate = refused(report);
    let now = sum(report.pools.iter().filter_map(|pool| pool.now.as_ref()?.refused));
    let then = sum(report.allocations.iter().filter_map(|found| found.refused_then));
    let mut lines = Vec::new();
    for pool in &report.pools {
        for (side, outcome) in [("as it stands", &pool.now), ("as tried", &pool.candidate)] {
            let shortage = outcome.as_ref().map_or("", |outcome| &outcome.shortage);
            if !shortage.is_empty() {
                lines.push(format!(
                    "note: pool {} {side} is overcommitted in the past: {shortage}",
                    pool.pool
                ));
            }
        }
    }
    if then.requests > 0 {
        lines.push(format!(
            "note: {} that gateways refused at the time are not played; only their number is known",
            amount(Some(then), "request")
        ));
    }
    if report.unreadable > 0 {
        lines.push(format!("note: {} records cannot be read and are left out", grouped(report.unreadable)));
    }
    if candidate.requests + now.requests > 0 {
        lines.push("note: whoever is refused here does not ask again; live, they would".to_owned());
    }
    lines.push(verdict(candidate, now));
    let lines: Vec<_> = lines.iter().map(|line| fitted(line, 2)).collect();
    lines.join("\n")
}

fn verdict(candidate: SimulatedAmount, now: SimulatedAmount) -> String {
    match (candidate.requests, now.requests) {
        (0, 0) => "nobody would have been refused".to_owned(),
        (0, _) => format!(
            "nobody would have been refused as tried; as the policy stands, {} would",
            amount(Some(now), "request")
        ),
        _ => format!(
            "{} would have been refused as tried; as the policy stands, {}",
            amount(Some(candidate), "request"),
            grouped(now.requests)
        ),
    }
}

/// `a → b`, or what both are.
fn change(now: &str, candidate: &str) -> String {
    if now == candidate { now.to_owned() } else { format!("{now} → {candidate}") }
}

fn rate(rate: Option<u64>) -> String {
    rate.map_or_else(|| "none".to_owned(), grouped)
}

/// `1 request, 12 tokens`
pub(super) fn amount(amount: Option<SimulatedAmount>, what: &str) -> String {
    let SimulatedAmount { requests, tokens } = amount.unwrap_or_default();
    let plural = if requests == 1 { "" } else { "s" };
    format!("{} {what}{plural}, {} tokens", grouped(requests), grouped(tokens))
}

/// An instant to the second.
pub(super) fn instant(at: Option<&prost_types::Timestamp>) -> String {
    codec::timestamp_from_wire(at, "at").map_or_else(|_| "?".to_owned(), |at: Timestamp| shown(at))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{quiet, report};
    use super::*;

    #[test]
    fn both_policies_stand_side_by_side() {
        let text = text(&report());
        for part in [
            "1970-01-01T00:00:00Z to 1970-01-08T00:00:00Z: 5 400 requests, 2 345 678 tokens, as the policy stands → as tried",
            "pool chat: 400 000 → 300 000 tokens a minute, busiest minute 120 000 at 1970-01-02T00:00:00Z",
            " shop-assistant     5 400  0 → 132  2 345 678  0 → 45 000         120 000  90 000 → 60 000 ",
            "shop-assistant  now   ··\n                tried ▄▓\n",
            "note: 7 requests, 9 000 tokens that gateways refused at the time are not played",
            "132 requests, 45 678 tokens would have been refused as tried; as the policy stands, 0",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    }

    #[test]
    fn where_nobody_is_refused_nothing_is_drawn_and_the_verdict_says_so() {
        let text = text(&quiet());
        assert!(text.ends_with("\n\nnobody would have been refused"), "{text}");
        assert!(!text.contains('·') && !text.contains("note"), "{text}");
    }

    #[test]
    fn of_many_allocations_the_most_refused_are_shown() {
        let mut report = report();
        let one = report.allocations[0].clone();
        let named = |number: usize| SimulatedAllocation {
            service: format!("s{number}"),
            now: quiet().allocations[0].now.clone(),
            candidate: quiet().allocations[0].candidate.clone(),
            ..one.clone()
        };
        report.allocations = (0..25).map(named).chain([one.clone()]).collect();
        let text = text(&report);
        assert!(text.contains("and 6 more; --format json has them all"), "{text}");
        assert!(text.contains("shop-assistant") && !text.contains("s24 "), "{text}");
    }
}
