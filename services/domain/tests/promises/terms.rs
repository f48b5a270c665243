//! What steps of governance mean.

use weir_domain::amount::{RequestsPerMinute, Tokens, TokensPerMinute};
use weir_domain::budget::{Budget, BudgetKind, BudgetLimit};
use weir_domain::burst::{Approval, Burst, Category};
use weir_domain::calendar::{Period, Zone};
use weir_domain::ids::{BudgetId, BurstId, PoolId, ServiceId};
use weir_domain::ledger::{Change, Ledger};
use weir_domain::policy::{Enforcement, Lapse, Pool, Priority, Terms, Thresholds};
use weir_domain::time::{Timestamp, Window};

use crate::steps::{Allocate, Step, Verdict};

pub(crate) fn service(number: usize) -> ServiceId {
    ServiceId::try_new(&format!("service-{number}")).unwrap()
}

fn burst_id(pool: u64, name: usize, age: usize) -> BurstId {
    BurstId::try_new(&format!("burst-{pool}-{name}-{age}")).unwrap()
}

pub(crate) fn define(capacity: u64) -> Change {
    Change::DefinePool(Pool {
        id: PoolId::try_new("gpt").unwrap(),
        capacity: TokensPerMinute::new(capacity),
        requests: None,
        thresholds: Thresholds::default(),
        models: vec![],
        deployments: vec![],
    })
}

pub(crate) fn terms_of(allocate: &Allocate, now: Timestamp) -> Terms {
    let baseline = TokensPerMinute::new(allocate.baseline);
    let budget = |(limit, hard): (u64, bool)| Budget {
        id: BudgetId::try_new("daily").unwrap(),
        limit: BudgetLimit::Tokens(Tokens::new(limit)),
        period: Period::Day,
        zone: Zone::try_new("Europe/Berlin").unwrap(),
        kind: if hard { BudgetKind::Hard } else { BudgetKind::Soft },
        thresholds: vec![50, 80, 100],
    };
    let lapse = |(after_s, to): (i64, u64)| Lapse {
        at: Timestamp::from_secs(now.as_secs() + after_s),
        to: TokensPerMinute::new(to),
    };
    Terms {
        ceiling: baseline + TokensPerMinute::new(allocate.above),
        lending: allocate.lending.map(TokensPerMinute::new),
        requests: allocate.requests.map(RequestsPerMinute::new),
        in_flight_max: allocate.in_flight_max,
        priority: [Priority::Critical, Priority::Standard, Priority::Batch][allocate.priority % 3],
        enforcement: if allocate.shadow { Enforcement::Shadow } else { Enforcement::Enforced },
        budgets: allocate.budget.map(budget).into_iter().collect(),
        lapse: allocate.lapse_s.map(lapse),
        ..Terms::guarantee(baseline, Tokens::new(allocate.request_max))
    }
}

/// The changes that a step of governance asks of a ledger. `age` counts requests of each burst's name, so that names are
/// fresh.
pub(crate) fn changes(step: &Step, pool: u64, ages: &mut [usize], ledger: &Ledger) -> Vec<Change> {
    let now = ledger.at();
    match step {
        Step::DefinePool { capacity } => vec![define(*capacity)],
        Step::Allocate { list } => list
            .iter()
            .map(|(number, allocate)| Change::SetAllocation {
                service: service(*number),
                terms: terms_of(allocate, now),
            })
            .collect(),
        Step::Remove { service: number } => vec![Change::RemoveAllocation { service: service(*number) }],
        Step::Forgive { service: number } => {
            vec![Change::ForgiveDebt { service: service(*number), version: ledger.terms().version() }]
        }
        Step::Request { name, service: number, extra, after_s, lasts_s } => {
            ages[*name] += 1;
            let start = Timestamp::from_secs(now.as_secs() + after_s);
            let end = Timestamp::from_secs(start.as_secs() + lasts_s);
            vec![Change::RequestBurst(Burst {
                id: burst_id(pool, *name, ages[*name]),
                service: service(*number),
                pool: PoolId::try_new("gpt").unwrap(),
                extra: TokensPerMinute::new(*extra),
                window: Window::try_new(start, end).unwrap(),
                category: Category::Demo,
                reason: "a run".into(),
                requester: "ada".into(),
            })]
        }
        Step::Decide { name, what } => vec![decide(burst_id(pool, *name, ages[*name]), *what, now)],
        other => unreachable!("{other:?} changes no terms"),
    }
}

fn decide(burst: BurstId, what: Verdict, now: Timestamp) -> Change {
    match what {
        Verdict::Approve { best_effort: true } => {
            Change::ApproveBurst { burst, approval: Approval::BestEffort }
        }
        Verdict::Approve { best_effort: false } => {
            Change::ApproveBurst { burst, approval: Approval::Guaranteed }
        }
        Verdict::Deny => Change::DenyBurst { burst },
        Verdict::Revoke => Change::RevokeBurst { burst },
        Verdict::Extend { by_s } => {
            Change::ExtendBurst { burst, end: Timestamp::from_secs(now.as_secs() + 60 + by_s) }
        }
    }
}
