//! Whether an allocation has room for a request, which limit binds if not, and when it will.

use crate::amount::{Tokens, TokensPerMinute};
use crate::bucket::Level;
use crate::budget::BudgetState;
use crate::ids::ServiceId;
use crate::ledger::levels::Place;
use crate::ledger::refusal::{Bound, CapacityUsed, Refusal, Retry};
use crate::ledger::retry::{
    Borrowing, First, Short, borrowable, first_admission, first_admission_from, kept, lendable, split,
};
use crate::ledger::{Account, Ledger, Quantity};
use crate::policy::Terms;
use crate::time::Timestamp;

/// An allocation, looked at to weigh a request.
#[derive(Clone, Copy)]
pub(super) struct Weighing<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) place: Place,
    pub(super) account: &'a Account,
    pub(super) terms: &'a Terms,
}

/// What a service could borrow, by what limits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RoomToBorrow {
    /// What it may borrow before it reaches its ceiling.
    pub ceiling: Level,
    /// What others leave, and higher priorities.
    pub others: Level,
    /// What it must leave for higher priorities.
    pub threshold: Level,
}

impl RoomToBorrow {
    /// What could be borrowed.
    pub fn least(&self) -> Level {
        self.ceiling.min(self.others)
    }
}

impl Ledger {
    pub(super) fn weighing(&self, service: &ServiceId) -> Option<Weighing<'_>> {
        let place = self.place(service)?;
        let account = self.account_at(place);
        Some(Weighing { ledger: self, place, account, terms: account.terms.as_ref()? })
    }

    /// Whether a request of this size would be admitted now: as a draw, but nothing is drawn.
    pub fn would_admit(&self, service: &ServiceId, need: Quantity) -> Result<(), Refusal> {
        self.weighing(service).ok_or(Refusal::NoAllocation)?.weigh(need)
    }

    /// When a request of this size is admitted, from an instant on, budgets and all.
    pub fn admits_from(&self, service: &ServiceId, need: Quantity, from: Timestamp) -> Retry {
        let first = |weighing: Weighing<'_>| retry(weighing.first_admission(need, from), self.at());
        self.weighing(service).map_or(Retry::Never, first)
    }

    /// What a service could borrow now, and what limits that. Nothing without an allocation.
    pub fn room_to_borrow(&self, service: &ServiceId) -> RoomToBorrow {
        self.weighing(service).map_or_else(RoomToBorrow::default, |weighing| weighing.room_to_borrow())
    }
}

impl Weighing<'_> {
    /// Whether there is room for a request of this size.
    pub(super) fn weigh(&self, need: Quantity) -> Result<(), Refusal> {
        if need.tokens > self.terms.request_max {
            let (asked, request_max) = (need.tokens, self.terms.request_max);
            return Err(Refusal::RequestTooLarge { asked, request_max });
        }
        self.weigh_budgets(need)?;
        let level = Level::from_tokens(need.tokens);
        match split(&self.ledger.levels, self.place, &self.borrowing(), level) {
            Ok(_) => Ok(()),
            Err(short) => Err(Refusal::CapacityUsed(self.capacity_used(need.tokens, short))),
        }
    }

    fn weigh_budgets(&self, need: Quantity) -> Result<(), Refusal> {
        let (drawn, now) = (self.account.outstanding_unlapsed(), self.ledger.at());
        let short = |state: &&BudgetState| state.refuses() && state.room_at(now, drawn) < state.part(need);
        let Some(first) = self.account.budgets.iter().find(short) else { return Ok(()) };
        Err(Refusal::BudgetUsed {
            budget: first.budget.id.clone(),
            used: first.used_at(now, drawn),
            limit: first.budget.limit,
            asked: first.part(need),
            resets: first.period_at(now).end(),
            retry: retry(self.first_admission(need, now), now),
        })
    }

    fn capacity_used(&self, asked: Tokens, short: Short) -> CapacityUsed {
        let (now, levels, borrowing) = (self.ledger.at(), &self.ledger.levels, self.borrowing());
        let may_borrow = self.account.borrow_plan.at(now).rate > TokensPerMinute::ZERO;
        let bound = match short {
            Short::Borrow if may_borrow => Bound::Ceiling,
            Short::Borrow => Bound::Baseline,
            Short::Spare => Bound::Spare {
                deficit: levels.deficit().available(),
                threshold: self.threshold().available(),
            },
        };
        let first = first_admission(levels, self.place, &borrowing, Level::from_tokens(asked));
        CapacityUsed {
            bound,
            asked,
            guaranteed: levels.guarantee(self.place).available(),
            borrowable: self.borrowable().available(),
            debt: levels.guarantee(self.place).debt() + self.account.borrow_level_at(now).debt(),
            rate: levels.plan(self.place).at(now).rate,
            retry: retry(first, now),
        }
    }

    /// When every hard budget has room, and the tokens are there, from an instant on.
    fn first_admission(&self, need: Quantity, from: Timestamp) -> First {
        let mut from = from;
        for budget in self.account.budgets.iter().filter(|budget| budget.refuses()) {
            let Some(room) = self.first_room(budget, need, from) else {
                return First::Never;
            };
            from = from.max(room);
        }
        let level = Level::from_tokens(need.tokens);
        first_admission_from(&self.ledger.levels, self.place, &self.borrowing(), level, from)
    }

    /// The first instant from another one on at which a budget has room, if what is held is settled by then: at once, or when
    /// its next period begins; none if it is less than the need. When holds are settled nobody knows: that makes it sooner.
    fn first_room(&self, budget: &BudgetState, need: Quantity, from: Timestamp) -> Option<Timestamp> {
        let (drawn, now) = (self.account.outstanding_unlapsed(), self.ledger.at());
        let end = budget.period_at(now).end();
        if from < end && budget.room_at(now, drawn) >= budget.part(need) {
            return Some(from);
        }
        (budget.limit() >= budget.part(need)).then_some(end.max(from))
    }

    pub(super) fn borrowable(&self) -> Level {
        borrowable(&self.ledger.levels, &self.borrowing())
    }

    /// What borrowers on these terms must leave of the spare.
    fn threshold(&self) -> Level {
        kept(self.ledger.levels.idle_spare(), self.threshold_percent())
    }

    fn room_to_borrow(&self) -> RoomToBorrow {
        let (levels, borrowing) = (&self.ledger.levels, self.borrowing());
        RoomToBorrow {
            ceiling: borrowing.bucket.level_at(borrowing.plan, levels.at()).max(Level::ZERO),
            others: lendable(levels, borrowing.threshold_percent).max(Level::ZERO),
            threshold: self.threshold(),
        }
    }

    pub(super) fn borrowing(&self) -> Borrowing<'_> {
        self.account.borrowing(self.threshold_percent())
    }

    fn threshold_percent(&self) -> u8 {
        self.ledger.thresholds().of(self.terms.priority)
    }
}

/// What is told of the time to come again, seen from now.
fn retry(first: First, now: Timestamp) -> Retry {
    match first {
        First::At(at) => Retry::at(at, now),
        First::Never => Retry::Never,
        First::Unknown => Retry::Unknown,
    }
}
