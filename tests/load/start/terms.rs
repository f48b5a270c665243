//! Who is entitled to what in the history: teams, services, and in every pool allocations with a budget each, and bursts.

use std::time::Duration;

use weir_domain::amount::{Tokens, TokensPerMinute};
use weir_domain::authorship::Authorship;
use weir_domain::budget::{Budget, BudgetKind, BudgetLimit};
use weir_domain::burst::{Approval, Burst, Category};
use weir_domain::calendar::{Period, Zone};
use weir_domain::ids::{PoolId, ServiceId, TeamId};
use weir_domain::ledger::Change;
use weir_domain::org::{Decided, Event};
use weir_domain::policy::{
    DataClass, Environment, Pool, Priority, Purpose, Service, Team, Terms, Thresholds,
};
use weir_domain::time::{Timestamp, Window};

pub(crate) const POOLS: usize = 4;
const TEAMS: usize = 20;
/// One allocation of so many has a burst.
const BURST_STEP: usize = 100;
const BASELINE_PER_MINUTE: u64 = 1_000_000;

/// Whoever decides.
pub(crate) fn by(at: Timestamp) -> Authorship {
    Authorship { author: "ada".to_owned(), reason: "the yearly plan".to_owned(), at, commit: None }
}

pub(crate) fn service_of(pool: usize, number: usize) -> ServiceId {
    ServiceId::try_new(&format!("service-{pool}-{number}")).expect("it is a name")
}

pub(crate) fn pool_of(pool: usize) -> PoolId {
    PoolId::try_new(&format!("pool-{pool}")).expect("it is a name")
}

fn team_of(number: usize) -> TeamId {
    TeamId::try_new(&format!("team-{}", number % TEAMS)).expect("it is a name")
}

/// What is decided outside of pools.
pub(crate) fn organisation(allocations: usize, at: Timestamp) -> Vec<Event> {
    let teams = (0..TEAMS).map(|number| {
        let id = team_of(number);
        Decided::TeamDefined(Team { title: id.to_string(), id, contact: String::new() })
    });
    let numbered = (0..POOLS).flat_map(|pool| (0..allocations / POOLS).map(move |number| (pool, number)));
    let services = numbered.map(|(pool, number)| Decided::ServiceDefined(service(pool, number)));
    teams.chain(services).map(|what| Event { by: by(at), what }).collect()
}

fn service(pool: usize, number: usize) -> Service {
    let purpose = Purpose {
        owner: "Ada Lindqvist".to_owned(),
        use_case: "Answers questions about products in the shop".to_owned(),
        ..Purpose::default()
    };
    Service {
        id: service_of(pool, number),
        team: team_of(number),
        purpose,
        environment: Environment::Production,
        data_class: DataClass::Internal,
        regions: Vec::new(),
        priority: Priority::Standard,
        allocations: Vec::new(),
    }
}

/// What is decided in a pool.
pub(crate) fn terms(pool: usize, allocations: usize, at: Timestamp) -> Vec<Change> {
    let room = u64::try_from(allocations + allocations.div_ceil(BURST_STEP)).expect("there are few");
    let define = Change::DefinePool(Pool {
        id: pool_of(pool),
        capacity: TokensPerMinute::new(BASELINE_PER_MINUTE * room),
        requests: None,
        thresholds: Thresholds::default(),
        models: Vec::new(),
        deployments: Vec::new(),
    });
    let allocation = |number| {
        let baseline = TokensPerMinute::new(BASELINE_PER_MINUTE);
        let guarantee = Terms::guarantee(baseline, Tokens::new(100_000));
        let ceiling = TokensPerMinute::new(2 * BASELINE_PER_MINUTE);
        let terms = Terms { ceiling, budgets: vec![budget()], ..guarantee };
        Change::SetAllocation { service: service_of(pool, number), terms }
    };
    let bursts = (0..allocations).step_by(BURST_STEP).flat_map(|number| burst(pool, number, at));
    std::iter::once(define).chain((0..allocations).map(allocation)).chain(bursts).collect()
}

fn budget() -> Budget {
    Budget {
        id: "daily".parse().expect("it is a name"),
        limit: BudgetLimit::Tokens(Tokens::new(200_000)),
        period: Period::Day,
        zone: Zone::UTC,
        kind: BudgetKind::Soft,
        thresholds: vec![50, 80, 100],
    }
}

fn burst(pool: usize, number: usize, at: Timestamp) -> [Change; 2] {
    let id = format!("burst-{pool}-{number}");
    let burst = Burst {
        id: id.parse().expect("it is a name"),
        service: service_of(pool, number),
        pool: pool_of(pool),
        extra: TokensPerMinute::new(1_000),
        window: Window::try_new(at.plus(Duration::from_mins(1)), at.plus(Duration::from_hours(4)))
            .expect("it ends after it begins"),
        category: Category::Demo,
        reason: "launch".to_owned(),
        requester: "ada".to_owned(),
    };
    let approve = Change::ApproveBurst { burst: burst.id.clone(), approval: Approval::Guaranteed };
    [Change::RequestBurst(burst), approve]
}
