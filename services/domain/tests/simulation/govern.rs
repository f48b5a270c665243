//! What people decide about pools while a run goes on.

use weir_domain::amount::{Money, RequestsPerMinute, Tokens, TokensPerMinute};
use weir_domain::authorship::Authorship;
use weir_domain::budget::{Budget, BudgetKind, BudgetLimit};
use weir_domain::burst::{Approval, Burst, Category};
use weir_domain::calendar::{Period, Zone};
use weir_domain::ids::{BudgetId, BurstId, PoolId, ServiceId};
use weir_domain::ledger::Change;
use weir_domain::policy::{Enforcement, FailureMode, Lapse, Pool as Defined, Priority, Terms, Thresholds};
use weir_domain::price::Currency;
use weir_domain::time::{Timestamp, Window};

use crate::Checked;
use crate::dice::Dice;
use crate::pool::Pool;
use crate::stage::Stage;

/// Services of every pool.
pub(crate) const SERVICES: usize = 5;

pub(crate) fn service(number: usize) -> ServiceId {
    ServiceId::try_new(&format!("service-{number}")).expect("it is a name")
}

/// What a gateway does for a service while quota cannot be asked: the same for the whole run.
pub(crate) fn failure(service: &ServiceId) -> FailureMode {
    match service.as_str() {
        "service-1" => FailureMode::Open { tokens_per_outage: Tokens::new(900) },
        "service-3" => FailureMode::Open { tokens_per_outage: Tokens::new(150) },
        _ => FailureMode::Closed,
    }
}

pub(crate) fn by(at: Timestamp) -> Authorship {
    Authorship { author: "run".into(), reason: "random".into(), at, commit: None }
}

/// The pool and what its services begin with.
pub(crate) fn beginning(stage: &mut Stage) -> Vec<Change> {
    let (now, capacity) = (stage.now(), stage.weather.capacity);
    let set = |number| {
        let service = service(number);
        let terms = terms(&service, capacity, now, &mut stage.dice);
        Change::SetAllocation { service, terms }
    };
    std::iter::once(define(capacity)).chain((0..SERVICES).map(set)).collect()
}

fn define(capacity: u64) -> Change {
    Change::DefinePool(Defined {
        id: pool_id(),
        capacity: TokensPerMinute::new(capacity),
        requests: None,
        thresholds: Thresholds::default(),
        models: vec![],
        deployments: vec![],
    })
}

fn pool_id() -> PoolId {
    PoolId::try_new("gpt").expect("it is a name")
}

/// Terms of every kind, most of them plain. Those of all services together fit the capacity.
fn terms(service: &ServiceId, capacity: u64, now: Timestamp, dice: &mut Dice) -> Terms {
    let baseline = if dice.percent(15) { 0 } else { dice.within(100..capacity / SERVICES as u64) };
    let above = if dice.percent(30) { 0 } else { dice.within(0..capacity / 2) };
    let priorities = [Priority::Critical, Priority::Standard, Priority::Batch];
    let mut sometimes = |percent, from, to| dice.percent(percent).then(|| dice.within(from..to));
    Terms {
        ceiling: TokensPerMinute::new(baseline + above),
        lending: sometimes(30, 0, baseline + 1).map(TokensPerMinute::new),
        requests: sometimes(20, 5, 600).map(RequestsPerMinute::new),
        in_flight_max: sometimes(25, 1, 12).map(|max| u32::try_from(max).expect("it is below 12")),
        lapse: sometimes(8, 1, 40).map(|after_s| Lapse {
            at: Timestamp::from_secs(now.as_secs() + i64::try_from(after_s).expect("it is below 40")),
            to: TokensPerMinute::new(600),
        }),
        priority: *dice.pick(&priorities),
        failure: failure(service),
        enforcement: if dice.percent(7) { Enforcement::Shadow } else { Enforcement::Enforced },
        budgets: budgets(dice),
        ..Terms::guarantee(TokensPerMinute::new(baseline), Tokens::new(dice.within(100..1_500)))
    }
}

fn budgets(dice: &mut Dice) -> Vec<Budget> {
    let mut budgets = Vec::new();
    if dice.percent(30) {
        let limit = BudgetLimit::Tokens(Tokens::new(dice.within(500..30_000)));
        budgets.push(budget("daily", limit, Period::Day, dice));
    }
    if dice.percent(15) {
        let currency = Currency::try_new("EUR").expect("it is a currency");
        let limit = BudgetLimit::Money(Money::new(dice.within(500_000..60_000_000)), currency);
        budgets.push(budget("weekly", limit, Period::Week, dice));
    }
    budgets
}

fn budget(id: &str, limit: BudgetLimit, period: Period, dice: &mut Dice) -> Budget {
    Budget {
        id: BudgetId::try_new(id).expect("it is a name"),
        limit,
        period,
        zone: Zone::try_new("Europe/Berlin").expect("it is a zone"),
        kind: if dice.percent(70) { BudgetKind::Hard } else { BudgetKind::Soft },
        thresholds: vec![50, 80, 100],
    }
}

impl Pool {
    /// Somebody decides something.
    pub(crate) fn govern(&mut self, stage: &mut Stage) -> Checked {
        let changes = self.changes(stage);
        stage.note(|| format!("pool {}: somebody decides {changes:?}", self.number));
        self.change(&changes, stage)
    }

    fn changes(&mut self, stage: &mut Stage) -> Vec<Change> {
        let (now, number) = (stage.now(), stage.dice.place(SERVICES));
        let capacity = stage.weather.capacity;
        let dice = &mut stage.dice;
        match dice.within(0..10) {
            0 if dice.percent(20) => std::iter::once(Change::RemovePool).chain(beginning(stage)).collect(),
            0 => vec![define(dice.within(capacity * 2 / 3..capacity * 2))],
            1 => vec![Change::RemoveAllocation { service: service(number) }],
            2..=5 => {
                let count = dice.within(1..4);
                let mut set = || {
                    let service = service(dice.place(SERVICES));
                    let terms = terms(&service, capacity, now, dice);
                    Change::SetAllocation { service, terms }
                };
                (0..count).map(|_| set()).collect()
            }
            6 => vec![self.decide_burst(now, dice)],
            _ => {
                stage.seen.bursts += 1;
                self.ask_burst(service(number), now, &mut stage.dice)
            }
        }
    }

    /// A burst, mostly approved at once.
    fn ask_burst(&mut self, service: ServiceId, now: Timestamp, dice: &mut Dice) -> Vec<Change> {
        self.bursts += 1;
        let start = now.plus(dice.ms(0..6_000));
        let window = Window::try_new(start, start.plus(dice.ms(100..10_000))).expect("it lasts a while");
        let burst = Burst {
            id: self.burst(self.bursts),
            service,
            pool: pool_id(),
            extra: TokensPerMinute::new(dice.within(1..20_000)),
            window,
            category: Category::Demo,
            reason: "a run".into(),
            requester: "ada".into(),
        };
        let approve = Change::ApproveBurst { burst: burst.id.clone(), approval: approval(dice) };
        let asked = Change::RequestBurst(burst);
        if dice.percent(80) { vec![asked, approve] } else { vec![asked] }
    }

    fn decide_burst(&self, now: Timestamp, dice: &mut Dice) -> Change {
        let burst = self.burst(dice.within(0..self.bursts + 1));
        match dice.within(0..4) {
            0 => Change::ApproveBurst { burst, approval: approval(dice) },
            1 => Change::DenyBurst { burst },
            2 => Change::RevokeBurst { burst },
            _ => Change::ExtendBurst { burst, end: now.plus(dice.ms(100..20_000)) },
        }
    }

    fn burst(&self, number: u64) -> BurstId {
        BurstId::try_new(&format!("burst-{}-{number}", self.number)).expect("it is a name")
    }
}

fn approval(dice: &mut Dice) -> Approval {
    if dice.percent(50) { Approval::Guaranteed } else { Approval::BestEffort }
}
