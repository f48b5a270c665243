//! Reports to show.
#![expect(clippy::unnecessary_wraps, reason = "fields of messages are optional")]

use weir_domain::time::Timestamp;
use weir_proto::codec::timestamp_to_wire;
use weir_proto::governance::v1::budget::Limit;
use weir_proto::governance::v1::{
    AllocationOutcome, Budget, MoneyLimit, PoolOutcome, SimulatedAllocation, SimulatedAmount,
    SimulatedBudget, SimulatedCells, SimulatedMinute, SimulatedPool, SimulatedRefusals, SimulationReport,
};

const DAY_S: i64 = 86_400;

fn at(secs: i64) -> Option<prost_types::Timestamp> {
    Some(timestamp_to_wire(Timestamp::from_secs(secs)))
}

fn some(requests: u64, tokens: u64) -> Option<SimulatedAmount> {
    Some(SimulatedAmount { requests, tokens })
}

fn minute(requests: u64, tokens: u64) -> Option<SimulatedMinute> {
    Some(SimulatedMinute { minute: at(DAY_S), amount: some(requests, tokens) })
}

fn cells(refused: [u64; 2], borrowed_tokens: [u64; 2]) -> Option<SimulatedCells> {
    let (refused, borrowed_tokens) = (refused.into(), borrowed_tokens.into());
    Some(SimulatedCells { requests: vec![10, 10], refused, tokens: vec![100, 100], borrowed_tokens })
}

fn month(dollars: u64) -> SimulatedBudget {
    let limit = Limit::Money(MoneyLimit { nano: dollars * 1_000_000_000, currency: "USD".into() });
    let budget = Budget { id: "month".into(), limit: Some(limit), ..Budget::default() };
    SimulatedBudget { budget: Some(budget), used: 152_500_000_000, start: at(0), end: at(31 * DAY_S) }
}

fn now() -> AllocationOutcome {
    AllocationOutcome {
        baseline_per_minute: Some(90_000),
        ceiling_per_minute: Some(90_000),
        asked: some(5_400, 2_345_678),
        refused: some(0, 0),
        shadowed: some(0, 0),
        peak: minute(40, 120_000),
        cells: cells([0, 0], [0, 0]),
        ..AllocationOutcome::default()
    }
}

fn candidate() -> AllocationOutcome {
    let by_baseline = SimulatedRefusals {
        limit: "baseline".into(),
        refused: some(100, 34_000),
        first: at(DAY_S + 5),
        longest_retry: Some(prost_types::Duration { seconds: 12, nanos: 500_000_000 }),
        without_retry: 0,
    };
    let by_size = SimulatedRefusals {
        limit: "request_size".into(),
        refused: some(32, 11_678),
        first: at(2 * DAY_S),
        longest_retry: None,
        without_retry: 32,
    };
    AllocationOutcome {
        baseline_per_minute: Some(60_000),
        ceiling_per_minute: Some(80_000),
        refused: some(132, 45_678),
        by_limit: vec![by_baseline, by_size],
        shadowed: some(1, 10),
        borrowed_tokens: 45_000,
        worst: minute(12, 3_400),
        budgets: vec![month(200)],
        cells: cells([5, 0], [0, 90]),
        ..now()
    }
}

fn pool(capacity: u64, refused: Option<SimulatedAmount>) -> Option<PoolOutcome> {
    Some(PoolOutcome {
        capacity_per_minute: Some(capacity),
        asked: some(5_400, 2_345_678),
        refused,
        peak: minute(40, 120_000),
        ..PoolOutcome::default()
    })
}

/// One service to which the candidate refuses something.
pub(super) fn report() -> SimulationReport {
    let allocation = SimulatedAllocation {
        pool: "chat".into(),
        service: "shop-assistant".into(),
        refused_then: some(7, 9_000),
        now: Some(AllocationOutcome { budgets: vec![month(250)], ..now() }),
        candidate: Some(candidate()),
    };
    SimulationReport {
        from: at(0),
        to: at(7 * DAY_S),
        pools: vec![SimulatedPool {
            pool: "chat".into(),
            now: pool(400_000, some(0, 0)),
            candidate: pool(300_000, some(132, 45_678)),
        }],
        allocations: vec![allocation],
        unreadable: 0,
    }
}

/// The same, and nobody is refused anything.
pub(super) fn quiet() -> SimulationReport {
    let mut report = report();
    report.pools[0].candidate = report.pools[0].now.clone();
    let only = &mut report.allocations[0];
    only.refused_then = None;
    only.now = Some(now());
    only.candidate = Some(now());
    report
}
