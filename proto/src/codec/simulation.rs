//! What a simulation finds, for the wire. Whoever asked shows it as it comes, so there is no way back.

use super::policy::budget_to_wire;
use super::values::{duration_to_wire, timestamp_to_wire};
use crate::governance::v1 as wire;
use weir_domain::amount::{Requests, Tokens, TokensPerMinute};
use weir_domain::simulate::{
    AllocationReport, Amount, BudgetLevel, Busiest, Cell, Outcome, PoolOutcome, PoolReport, RefusedBy, Report,
};

/// A report for the wire; `unreadable` is how many records were left out.
pub fn simulation_to_wire(report: &Report, unreadable: u64) -> wire::SimulationReport {
    wire::SimulationReport {
        from: Some(timestamp_to_wire(report.span.start())),
        to: Some(timestamp_to_wire(report.span.end())),
        pools: report.pools.iter().map(pool).collect(),
        allocations: report.allocations.iter().map(allocation).collect(),
        unreadable,
    }
}

fn pool(found: &PoolReport) -> wire::SimulatedPool {
    wire::SimulatedPool {
        pool: found.pool.to_string(),
        now: Some(pool_outcome(&found.outcomes.now)),
        candidate: Some(pool_outcome(&found.outcomes.candidate)),
    }
}

fn pool_outcome(outcome: &PoolOutcome) -> wire::PoolOutcome {
    wire::PoolOutcome {
        capacity_per_minute: outcome.capacity.map(TokensPerMinute::get),
        asked: Some(amount(outcome.asked)),
        refused: Some(amount(outcome.refused)),
        borrowed_tokens: outcome.borrowed.get(),
        peak: outcome.peak.map(minute),
        shortage: outcome.shortage.map(|shortage| shortage.to_string()).unwrap_or_default(),
    }
}

fn allocation(found: &AllocationReport) -> wire::SimulatedAllocation {
    wire::SimulatedAllocation {
        pool: found.pool.to_string(),
        service: found.service.to_string(),
        refused_then: Some(amount(found.refused_then)),
        now: Some(outcome(&found.outcomes.now)),
        candidate: Some(outcome(&found.outcomes.candidate)),
    }
}

fn outcome(outcome: &Outcome) -> wire::AllocationOutcome {
    let entitled = outcome.entitled;
    wire::AllocationOutcome {
        baseline_per_minute: entitled.map(|entitled| entitled.baseline.get()),
        ceiling_per_minute: entitled.map(|entitled| entitled.ceiling.get()),
        shadow: entitled.is_some_and(|entitled| entitled.shadow),
        asked: Some(amount(outcome.asked)),
        refused: Some(amount(outcome.refused)),
        by_limit: outcome.by_limit.iter().map(refusals).collect(),
        shadowed: Some(amount(outcome.shadowed)),
        borrowed_tokens: outcome.borrowed.get(),
        peak: outcome.peak.map(minute),
        worst: outcome.worst.map(minute),
        budgets: outcome.budgets.iter().map(budget).collect(),
        cells: Some(cells(&outcome.cells)),
    }
}

fn amount(amount: Amount) -> wire::SimulatedAmount {
    wire::SimulatedAmount { requests: amount.requests.get(), tokens: amount.tokens.get() }
}

fn minute(busiest: Busiest) -> wire::SimulatedMinute {
    wire::SimulatedMinute {
        minute: Some(timestamp_to_wire(busiest.minute)),
        amount: Some(amount(busiest.amount)),
    }
}

fn refusals(by: &RefusedBy) -> wire::SimulatedRefusals {
    wire::SimulatedRefusals {
        limit: by.limit.to_owned(),
        refused: Some(amount(by.refused)),
        first: Some(timestamp_to_wire(by.first)),
        longest_retry: by.longest_retry.map(duration_to_wire),
        without_retry: by.without_retry.get(),
    }
}

fn budget(level: &BudgetLevel) -> wire::SimulatedBudget {
    wire::SimulatedBudget {
        budget: Some(budget_to_wire(&level.budget)),
        used: level.used,
        start: Some(timestamp_to_wire(level.period.start())),
        end: Some(timestamp_to_wire(level.period.end())),
    }
}

fn cells(cells: &[Cell]) -> wire::SimulatedCells {
    let requests = |part: fn(&Cell) -> Requests| cells.iter().map(|cell| part(cell).get()).collect();
    let tokens = |part: fn(&Cell) -> Tokens| cells.iter().map(|cell| part(cell).get()).collect();
    wire::SimulatedCells {
        requests: requests(|cell| cell.requests),
        refused: requests(|cell| cell.refused),
        tokens: tokens(|cell| cell.tokens),
        borrowed_tokens: tokens(|cell| cell.borrowed),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use weir_domain::simulate::{Entitled, Sides};
    use weir_domain::time::{Timestamp, Window};

    #[test]
    fn a_report_keeps_its_numbers_and_its_sides() {
        let some =
            |requests, tokens| Amount { requests: Requests::new(requests), tokens: Tokens::new(tokens) };
        let first = Timestamp::from_secs(70);
        let by = RefusedBy {
            limit: "baseline",
            refused: some(3, 300),
            first,
            longest_retry: Some(Duration::from_millis(1_500)),
            without_retry: Requests::new(1),
        };
        let rate = TokensPerMinute::new;
        let cell = Cell { requests: Requests::new(4), refused: Requests::new(3), ..Cell::default() };
        let candidate = Outcome {
            entitled: Some(Entitled { baseline: rate(5), ceiling: rate(6), shadow: true }),
            asked: some(4, 400),
            refused: some(3, 300),
            by_limit: vec![by],
            borrowed: Tokens::new(17),
            worst: Some(Busiest { minute: Timestamp::from_secs(60), amount: some(2, 200) }),
            cells: vec![Cell::default(), cell],
            ..Outcome::default()
        };
        let found = AllocationReport {
            pool: "gpt".parse().unwrap(),
            service: "chat".parse().unwrap(),
            refused_then: some(9, 900),
            outcomes: Sides { now: Outcome::default(), candidate },
        };
        let span = Window::try_new(Timestamp::EPOCH, Timestamp::from_secs(3_600)).unwrap();
        let wire = simulation_to_wire(&Report { span, pools: vec![], allocations: vec![found] }, 2);
        assert_eq!((wire.unreadable, wire.to.unwrap().seconds), (2, 3_600));
        let chat = &wire.allocations[0];
        assert_eq!(chat.refused_then, Some(wire::SimulatedAmount { requests: 9, tokens: 900 }));
        assert_eq!(chat.now.as_ref().unwrap().baseline_per_minute, None);
        let candidate = chat.candidate.as_ref().unwrap();
        assert_eq!(
            (candidate.baseline_per_minute, candidate.ceiling_per_minute, candidate.shadow),
            (Some(5), Some(6), true)
        );
        assert_eq!((candidate.borrowed_tokens, candidate.by_limit[0].first.unwrap().seconds), (17, 70));
        assert_eq!(candidate.by_limit[0].longest_retry.unwrap().nanos, 500_000_000);
        let cells = candidate.cells.as_ref().unwrap();
        assert_eq!((&cells.requests[..], &cells.refused[..]), (&[0, 4][..], &[0, 3][..]));
    }
}
