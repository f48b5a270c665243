//! A pool's desk at work, as the quota service works it, with a journal that takes everything at once.
//!
//! Time is an argument here too: so much passes from call to call as a rate of calls says, not as the machine needs. So a
//! run is the same on every machine, and how often slices are drawn depends on the load that is stated and on nothing else.

use std::time::Duration;

use weir_domain::amount::{Money, Tokens, TokensPerMinute};
use weir_domain::authorship::Authorship;
use weir_domain::budget::{Budget, BudgetKind, BudgetLimit};
use weir_domain::calendar::{Period, Zone};
use weir_domain::desk::{Desk, Reserve};
use weir_domain::ids::{HoldId, ReservationId, ServiceId};
use weir_domain::ledger::{Change, Event, Ledger, Quantity, Refusal, Settle};
use weir_domain::policy::{Pool, Terms, Thresholds};
use weir_domain::time::Timestamp;

/// 2025-06-15T15:06:40Z
const BEGIN: Timestamp = Timestamp::from_secs(1_750_000_000);
/// How often the service looks after slices and holds.
const TICK: Duration = Duration::from_millis(100);

/// A desk, the time there, and what was said and not appended yet.
pub struct DeskAtWork {
    /// The desk.
    pub desk: Desk,
    services: Vec<ServiceId>,
    now: Timestamp,
    ticked: Timestamp,
    minted: u128,
    events: Vec<Event>,
    moved: u64,
}

/// A pool that is `times` as large as all baselines together, with so many allocations on the same terms.
#[must_use]
pub fn pool_of(allocations: usize, times: u64, terms: &Terms) -> DeskAtWork {
    let capacity = TokensPerMinute::new(terms.baseline.get() * allocations as u64 * times);
    let none = Thresholds { critical_percent: 0, standard_percent: 0, batch_percent: 0 };
    let id = "chat".parse().expect("it is a name");
    let pool = Pool { id, capacity, requests: None, thresholds: none, models: vec![], deployments: vec![] };
    let services: Vec<ServiceId> = (0..allocations).map(service).collect();
    let set = |service: &ServiceId| Change::SetAllocation { service: service.clone(), terms: terms.clone() };
    let changes: Vec<_> = std::iter::once(Change::DefinePool(pool)).chain(services.iter().map(set)).collect();
    let by = Authorship { author: "load".into(), reason: "load".into(), at: BEGIN, commit: None };
    let desk = Desk::new(Ledger::default(), BEGIN);
    let mut work =
        DeskAtWork { desk, services, now: BEGIN, ticked: BEGIN, minted: 0, events: Vec::new(), moved: 0 };
    work.desk.change(&by, &changes, None).what.expect("all of it fits the pool");
    work.record();
    work
}

fn service(number: usize) -> ServiceId {
    ServiceId::try_new(&format!("service-{number:05}")).expect("it is a name")
}

/// Terms with a guarantee of so much a minute, and so many budgets that nobody reaches the end of.
#[must_use]
pub fn terms(baseline: u64, budgets: usize) -> Terms {
    let budget = |number: usize| Budget {
        id: format!("budget-{number}").parse().expect("it is a name"),
        limit: BudgetLimit::Tokens(Tokens::new(1 << 50)),
        period: Period::Month,
        zone: Zone::UTC,
        kind: BudgetKind::Hard,
        thresholds: vec![50, 80, 100],
    };
    let budgets = (0..budgets).map(budget).collect();
    Terms { budgets, ..Terms::guarantee(TokensPerMinute::new(baseline), Tokens::new(10_000)) }
}

impl DeskAtWork {
    /// So much time passes; slices and holds are looked after when that is due.
    pub fn pass(&mut self, span: Duration) {
        self.now = self.now.plus(span);
        self.desk.advance(self.now);
        if self.now.since(self.ticked) >= TICK {
            self.desk.tick();
            self.ticked = self.now;
            self.record();
        }
    }

    /// Reserves for an allocation, by its number.
    ///
    /// # Errors
    /// The desk's refusal.
    pub fn reserve(&mut self, number: usize, tokens: u64) -> Result<HoldId, Refusal> {
        self.minted += 1;
        let milliseconds = u128::try_from(self.now.as_millis()).expect("it is long after 1970");
        // As spread as the random bits of a UUIDv7 are.
        let random = self.minted.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c) & ((1 << 62) - 1);
        let reservation = ReservationId::new(milliseconds << 80 | 7 << 76 | 2 << 62 | random);
        let service = self.services[number].clone();
        let need = Quantity { tokens: Tokens::new(tokens), money: Money::ZERO };
        self.desk.advance(self.now);
        let answer = self.desk.reserve(&Reserve { reservation, service, need });
        if !self.desk.is_recorded(answer.after) {
            self.record();
        }
        answer.what.map(|admitted| admitted.hold)
    }

    /// Settles an allocation's hold. Whether it was charged now.
    pub fn settle(&mut self, number: usize, hold: HoldId, used: u64) -> bool {
        let used = Quantity { tokens: Tokens::new(used), money: Money::ZERO };
        self.desk.advance(self.now);
        let settled = self.desk.settle(&Settle { hold, service: self.services[number].clone(), used });
        self.record();
        settled.what
    }

    /// A journal that takes everything at once.
    fn record(&mut self) {
        if let Some(mark) = self.desk.take_events(&mut self.events) {
            self.moved += self.events.len() as u64;
            self.events.clear();
            self.desk.recorded(mark);
        }
    }

    /// How many events there were.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.moved
    }

    /// Whose an allocation is.
    #[must_use]
    pub fn service(&self, number: usize) -> &ServiceId {
        &self.services[number]
    }
}
