//! Levels by brute force, as a witness: every nanosecond is stepped through, every sum is counted anew.

use proptest::prelude::*;

use crate::amount::TokensPerMinute;
use crate::bucket::{Bucket, Level, Plan, Segment};
use crate::ledger::levels::{Levels, Place};
use crate::time::Timestamp;

pub(in crate::ledger) fn ns(nanos: i64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

pub(in crate::ledger) fn units(units: i128) -> Level {
    Level::from_units(units)
}

/// A rate adds as many units every nanosecond as it has tokens a minute.
pub(in crate::ledger) fn rate(units_per_ns: u64) -> TokensPerMinute {
    TokensPerMinute::new(units_per_ns)
}

#[derive(Debug, Clone)]
pub(in crate::ledger) struct Model {
    pub(in crate::ledger) at: i64,
    pub(in crate::ledger) pool: i128,
    pub(in crate::ledger) pool_depth: i128,
    pub(in crate::ledger) pool_rate: i128,
    pub(in crate::ledger) accounts: Vec<Account>,
}

#[derive(Debug, Clone)]
pub(in crate::ledger) struct Account {
    pub(in crate::ledger) bucket: Bucket,
    pub(in crate::ledger) plan: Plan,
    pub(in crate::ledger) lending: Option<TokensPerMinute>,
    /// What the pool has for it: no plan of its is more.
    room: Segment,
}

/// The most that a plan ever is.
fn most(plan: &Plan) -> Segment {
    let segments = || plan.segments().iter();
    Segment {
        from: ns(0),
        rate: segments().map(|segment| segment.rate).max().unwrap_or_default(),
        depth: segments().map(|segment| segment.depth).max().unwrap_or_default(),
    }
}

/// A plan cut down to what there is room for.
fn within(plan: &Plan, room: Segment) -> Plan {
    let cut = |segment: &Segment| Segment {
        rate: segment.rate.min(room.rate),
        depth: segment.depth.min(room.depth),
        ..*segment
    };
    let first = cut(&plan.segments()[0]);
    Plan::flat(first.rate, first.depth).followed_by(plan.segments()[1..].iter().map(cut))
}

impl Model {
    pub(in crate::ledger) fn advance(&mut self, to: i64) {
        while self.at < to {
            self.step();
        }
    }

    fn step(&mut self) {
        let (now, next) = (ns(self.at), ns(self.at + 1));
        let mut refill = self.pool_rate;
        for Account { bucket, plan, lending, .. } in &mut self.accounts {
            let segment = plan.at(now);
            let filled = bucket.level_at(plan, now).units() + i128::from(segment.rate.get());
            let overflow = (filled - segment.depth.units()).max(0);
            refill -= lending.map_or(0, |lending| (overflow - i128::from(lending.get())).max(0));
            bucket.advance(plan, next);
        }
        self.pool = (self.pool + refill).min(self.pool_depth);
        self.at += 1;
    }

    pub(in crate::ledger) fn guarantee(&self, number: usize) -> i128 {
        let Account { bucket, plan, .. } = &self.accounts[number];
        bucket.level_at(plan, ns(self.at)).units()
    }

    pub(in crate::ledger) fn depth(&self, number: usize) -> i128 {
        self.accounts[number].plan.at(ns(self.at)).depth.units()
    }

    pub(in crate::ledger) fn guaranteed(&self) -> i128 {
        (0..self.accounts.len()).map(|number| self.guarantee(number).max(0)).sum()
    }

    pub(in crate::ledger) fn spare(&self) -> i128 {
        self.pool - self.guaranteed()
    }

    pub(in crate::ledger) fn idle_spare(&self) -> i128 {
        let depth = |account: &Account| account.plan.at(ns(self.at)).depth.units();
        self.pool_depth - self.accounts.iter().map(depth).sum::<i128>()
    }

    fn lent(&self, number: usize) -> TokensPerMinute {
        let Account { plan, lending, .. } = &self.accounts[number];
        let segment = plan.at(ns(self.at));
        if self.guarantee(number) < segment.depth.units() {
            return TokensPerMinute::ZERO;
        }
        lending.map_or(segment.rate, |lending| lending.min(segment.rate))
    }
}

/// One thing that happens to both, after a wait.
#[derive(Debug, Clone)]
pub(in crate::ledger) enum Step {
    /// Taken from the guarantee and the pool, beyond what there is if need be.
    Take(usize, i128),
    /// Put into both.
    Put(usize, i128),
    /// Taken from what is spare, if that much is.
    Borrow(i128),
    /// Put into the pool.
    Repay(i128),
    /// Another plan and lending limit.
    Replan(usize, Plan, Option<TokensPerMinute>),
}

impl Step {
    pub(in crate::ledger) fn apply(&self, levels: &mut Levels, model: &mut Model) {
        let accounts = model.accounts.len();
        let at = ns(model.at);
        match self.clone() {
            Self::Take(number, amount) => {
                let account = &mut model.accounts[number % accounts];
                account.bucket.take(&account.plan, units(amount), at);
                model.pool -= amount;
                levels.take(place(number % accounts), units(amount));
                levels.take_pool(units(amount));
            }
            Self::Put(number, amount) => {
                let account = &mut model.accounts[number % accounts];
                account.bucket.put(&account.plan, units(amount), at);
                model.pool = (model.pool + amount).min(model.pool_depth);
                levels.put(place(number % accounts), units(amount));
                levels.put_pool(units(amount));
            }
            Self::Borrow(amount) => {
                let amount = amount.min(model.spare()).max(0);
                model.pool -= amount;
                levels.take_pool(units(amount));
            }
            Self::Repay(amount) => {
                model.pool = (model.pool + amount).min(model.pool_depth);
                levels.put_pool(units(amount));
            }
            Self::Replan(number, plan, lending) => {
                let room = model.accounts[number % accounts].room;
                let plan = within(&plan, room);
                let level = model.guarantee(number % accounts).min(plan.at(at).depth.units());
                let bucket = Bucket::new(units(level), at);
                model.accounts[number % accounts] = Account { bucket, plan: plan.clone(), lending, room };
                levels.set_plan(place(number % accounts), plan, lending);
            }
        }
    }
}

pub(in crate::ledger) fn place(number: usize) -> Place {
    Place::new(u32::try_from(number).unwrap())
}

/// What must be the same.
pub(in crate::ledger) fn assert_same(levels: &Levels, model: &Model) {
    assert_eq!(levels.at(), ns(model.at));
    for number in 0..model.accounts.len() {
        let found = levels.guarantee(place(number)).units();
        assert_eq!(found, model.guarantee(number), "account {number} at {} ns", model.at);
        assert_eq!(levels.lent(place(number)), model.lent(number), "account {number} at {} ns", model.at);
    }
    assert_eq!(levels.pool().units(), model.pool, "pool at {} ns", model.at);
    assert_eq!(levels.guaranteed().units(), model.guaranteed(), "sum at {} ns", model.at);
    assert_eq!(levels.spare().units(), model.spare());
    assert_eq!(levels.idle_spare().units(), model.idle_spare());
    assert_eq!(levels.deficit().units(), (-model.spare()).max(0));
}

const RATE_MAX: u64 = 8;
const DEPTH_MAX: i128 = 60;

/// Plans that all end within a few hundred nanoseconds.
pub(in crate::ledger) fn plans() -> impl Strategy<Value = Plan> {
    let segment = || (0..=RATE_MAX, prop_oneof![1 => Just(0), 4 => 0..=DEPTH_MAX]);
    (segment(), prop::collection::vec((1_i64..150, segment()), 0..4)).prop_map(|(first, later)| {
        let mut from = 0;
        let later = later.into_iter().map(|(after, (units_per_ns, depth))| {
            from += after;
            Segment { from: ns(from), rate: rate(units_per_ns), depth: units(depth) }
        });
        Plan::flat(rate(first.0), units(first.1)).followed_by(later.collect::<Vec<_>>())
    })
}

fn lending() -> impl Strategy<Value = Option<TokensPerMinute>> {
    prop::option::of((0..=RATE_MAX).prop_map(rate))
}

/// Steps, each with the nanoseconds that pass before it.
pub(in crate::ledger) fn steps() -> impl Strategy<Value = Vec<(i64, Step)>> {
    let step = prop_oneof![
        4 => (0_usize..8, 0..100_i128).prop_map(|(number, amount)| Step::Take(number, amount)),
        2 => (0_usize..8, 0..100_i128).prop_map(|(number, amount)| Step::Put(number, amount)),
        2 => (0..200_i128).prop_map(Step::Borrow),
        1 => (0..100_i128).prop_map(Step::Repay),
        1 => (0_usize..8, plans(), lending())
            .prop_map(|(number, plan, lending)| Step::Replan(number, plan, lending)),
    ];
    prop::collection::vec((prop_oneof![1 => Just(0_i64), 3 => 0_i64..60], step), 0..12)
}

/// A pool that its guarantees fit, whatever they become: now exactly, now with room to spare.
pub(in crate::ledger) fn worlds() -> impl Strategy<Value = (Levels, Model)> {
    let accounts = prop::collection::vec((plans(), lending()), 1..6);
    (accounts, 0..6_u64, 0..90_i128).prop_map(|(accounts, more_rate, more_depth)| {
        let mut levels = Levels::default();
        let mut model = Model {
            at: 0,
            pool: 0,
            pool_depth: more_depth,
            pool_rate: more_rate.into(),
            accounts: Vec::new(),
        };
        for (plan, lending) in accounts {
            let place = levels.add();
            levels.set_plan(place, plan.clone(), lending);
            let (bucket, room) = (Bucket::new(Level::ZERO, ns(0)), most(&plan));
            model.pool_depth += room.depth.units();
            model.pool_rate += i128::from(room.rate.get());
            model.accounts.push(Account { bucket, plan, lending, room });
        }
        model.pool = model.pool_depth;
        levels.set_pool(rate(u64::try_from(model.pool_rate).unwrap()), units(model.pool_depth));
        levels.fill_pool();
        (levels, model)
    })
}
