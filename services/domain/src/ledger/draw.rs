//! Whether a slice may be drawn, and how large it is.

use crate::amount::{Money, Tokens};
use crate::bucket::Level;
use crate::budget::BudgetState;
use crate::ids::{ServiceId, SliceId};
use crate::ledger::levels::Place;
use crate::ledger::refusal::{Bound, CapacityUsed, Refusal, Retry};
use crate::ledger::retry::{Borrowing, Short, borrowable, first_admission, first_admission_from, split};
use crate::ledger::{Account, Draw, Drawn, Ledger, Moved, Movement, Quantity};
use crate::policy::{Enforcement, Terms};
use crate::time::{Timestamp, Window};

/// A slice takes ahead at most this part of what is left of the guarantee, and at most this part of what is left to borrow
/// or of a budget: it shrinks to the exact need near the limit, and parks little of what others could borrow.
const AHEAD_OF_GUARANTEE: u64 = 4;
const AHEAD_OF_BORROWED: u64 = 16;

/// What a draw comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrawDecided {
    /// When.
    pub at: Timestamp,
    /// Whose.
    pub service: ServiceId,
    /// The slice.
    pub drawn: Drawn,
    /// The refusal that it would have been, were the allocation not in shadow mode.
    pub shadowed: Option<Refusal>,
}

impl DrawDecided {
    /// As what happens.
    pub fn into_movement(self) -> Movement {
        Movement { at: self.at, service: self.service, what: Moved::Drawn(self.drawn) }
    }
}

impl Ledger {
    /// Decides a draw at the ledger's time, every due budget period having been opened.
    pub fn draw(&self, draw: &Draw) -> Result<DrawDecided, Refusal> {
        let place = self.place(&draw.service).ok_or(Refusal::NoAllocation)?;
        let account = self.account_at(place);
        let terms = account.terms.as_ref().ok_or(Refusal::NoAllocation)?;
        let need = draw.need;
        let refusal = match self.weigh(place, account, terms, need) {
            Ok(()) => return Ok(self.drawn(place, draw, terms)),
            Err(refusal) if terms.enforcement == Enforcement::Enforced => return Err(refusal),
            Err(refusal) => refusal,
        };
        let unenforced = Level::from_tokens(need.tokens);
        let drawn = self.slice_of(draw, need, Level::ZERO, unenforced);
        Ok(DrawDecided { at: self.at(), service: draw.service.clone(), drawn, shadowed: Some(refusal) })
    }

    /// Whether a request of this size would be admitted now: as a draw, but nothing is drawn.
    pub fn would_admit(&self, service: &ServiceId, need: Quantity) -> Result<(), Refusal> {
        let place = self.place(service).ok_or(Refusal::NoAllocation)?;
        let account = self.account_at(place);
        self.weigh(place, account, account.terms.as_ref().ok_or(Refusal::NoAllocation)?, need)
    }

    /// The first instant from another one on at which a request of this size is admitted, budgets and all.
    pub fn admits_from(&self, service: &ServiceId, need: Quantity, from: Timestamp) -> Option<Timestamp> {
        let place = self.place(service)?;
        let account = self.account_at(place);
        self.first_admission(place, account, account.terms.as_ref()?, need, from)
    }

    fn first_admission(
        &self,
        place: Place,
        account: &Account,
        terms: &Terms,
        need: Quantity,
        from: Timestamp,
    ) -> Option<Timestamp> {
        let mut from = from;
        for budget in account.budgets.iter().filter(|budget| budget.refuses()) {
            from = from.max(first_room(budget, account.outstanding, need, from)?);
        }
        let borrowing = self.borrowing(account, terms);
        first_admission_from(&self.levels, place, &borrowing, Level::from_tokens(need.tokens), from)
    }

    fn weigh(&self, place: Place, account: &Account, terms: &Terms, need: Quantity) -> Result<(), Refusal> {
        if need.tokens > terms.request_max {
            let (asked, request_max) = (need.tokens, terms.request_max);
            return Err(Refusal::RequestTooLarge { asked, request_max });
        }
        self.weigh_budgets(place, account, terms, need)?;
        let borrowing = self.borrowing(account, terms);
        match split(&self.levels, place, &borrowing, Level::from_tokens(need.tokens)) {
            Ok(_) => Ok(()),
            Err(short) => {
                Err(Refusal::CapacityUsed(self.capacity_used(place, account, &borrowing, need.tokens, short)))
            }
        }
    }

    fn weigh_budgets(
        &self,
        place: Place,
        account: &Account,
        terms: &Terms,
        need: Quantity,
    ) -> Result<(), Refusal> {
        let short =
            |state: &&BudgetState| state.refuses() && state.room(account.outstanding) < state.part(need);
        let Some(first) = account.budgets.iter().find(short) else { return Ok(()) };
        let retry = self.first_admission(place, account, terms, need, self.at());
        Err(Refusal::BudgetUsed {
            budget: first.budget.id.clone(),
            used: first.used(account.outstanding),
            limit: first.limit(),
            resets: first.period.map_or(self.at(), Window::end),
            retry: retry.map(|at| Retry::at(at, self.at())),
        })
    }

    fn capacity_used(
        &self,
        place: Place,
        account: &Account,
        borrowing: &Borrowing<'_>,
        asked: Tokens,
        short: Short,
    ) -> CapacityUsed {
        let (at, levels) = (self.at(), &self.levels);
        let segment = levels.plan(place).at(at);
        let may_borrow = account.borrow_plan.at(at).rate.get() > 0;
        let bound = match short {
            Short::Borrow if may_borrow => Bound::Ceiling,
            Short::Borrow => Bound::Baseline,
            Short::Spare => Bound::Spare {
                deficit: levels.deficit().available(),
                threshold: levels.idle_spare().percent(borrowing.threshold_percent).available(),
            },
        };
        let retry = first_admission(levels, place, borrowing, Level::from_tokens(asked));
        CapacityUsed {
            bound,
            asked,
            guaranteed: levels.guarantee(place).available(),
            borrowable: borrowable(levels, place, borrowing).available(),
            debt: levels.guarantee(place).debt() + account.borrow_level_at(at).debt(),
            rate: segment.rate,
            retry: retry.map(|retry| Retry::at(retry, at)),
        }
    }

    /// What borrowers on these terms must leave of the spare.
    pub fn threshold_of(&self, terms: &Terms) -> Level {
        self.levels.idle_spare().percent(self.thresholds().of(terms.priority))
    }

    /// What could be borrowed now.
    pub fn borrowable(&self, place: Place, terms: &Terms) -> Level {
        borrowable(&self.levels, place, &self.borrowing(self.account_at(place), terms))
    }

    pub(super) fn borrowing<'a>(&self, account: &'a Account, terms: &Terms) -> Borrowing<'a> {
        account.borrowing(self.thresholds().of(terms.priority))
    }

    /// The slice that a draw that was weighed gets.
    fn drawn(&self, place: Place, draw: &Draw, terms: &Terms) -> DrawDecided {
        let account = self.account_at(place);
        let borrowing = self.borrowing(account, terms);
        let ahead = self.ahead(place, account, &borrowing, draw);
        let whole = draw.need.plus(ahead);
        let (quantity, parts) = match split(&self.levels, place, &borrowing, Level::from_tokens(whole.tokens))
        {
            Ok(parts) => (whole, Some(parts)),
            Err(_) => {
                let need = Level::from_tokens(draw.need.tokens);
                (draw.need, split(&self.levels, place, &borrowing, need).ok())
            }
        };
        let borrowed = parts.map_or(Level::ZERO, |parts| parts.borrowed);
        let drawn = self.slice_of(draw, quantity, borrowed, Level::ZERO);
        DrawDecided { at: self.at(), service: draw.service.clone(), drawn, shadowed: None }
    }

    /// How much may be drawn ahead of need: a part of what is left after it.
    fn ahead(&self, place: Place, account: &Account, borrowing: &Borrowing<'_>, draw: &Draw) -> Quantity {
        let need = Level::from_tokens(draw.need.tokens);
        let guarantee = self.levels.guarantee(place).max(Level::ZERO);
        let left = if guarantee > need {
            guarantee.minus(need).available().get() / AHEAD_OF_GUARANTEE
        } else if draw.need.tokens == Tokens::ZERO {
            // Nobody asks, so nothing is borrowed: what others were told of the time when they can borrow stays true.
            0
        } else {
            let borrowed = need.minus(guarantee);
            let left = borrowable(&self.levels, place, borrowing).minus(borrowed).max(Level::ZERO);
            left.available().get() / AHEAD_OF_BORROWED
        };
        let left = Tokens::new(left);
        let mut tokens = draw.ahead.tokens.min(left);
        for budget in account.budgets.iter().filter(|budget| budget.refuses()) {
            let room =
                budget.room(account.outstanding).saturating_sub(budget.part(draw.need)) / AHEAD_OF_BORROWED;
            let whole = budget.part(draw.ahead);
            if whole > room {
                tokens = tokens.min(share(draw.ahead.tokens, room, whole));
            }
        }
        let money = share(Tokens::new(draw.ahead.money.get()), tokens.get(), draw.ahead.tokens.get().max(1));
        Quantity { tokens, money: Money::new(money.get()) }
    }

    fn slice_of(&self, draw: &Draw, quantity: Quantity, borrowed: Level, unenforced: Level) -> Drawn {
        let mut slice = SliceId::after(self.last_slice, self.at());
        while self.slices.contains_key(&slice) {
            slice = SliceId::new(slice.as_u64() + 1);
        }
        let Quantity { tokens, money } = quantity;
        Drawn { slice, holder: draw.holder.clone(), tokens, borrowed, unenforced, money }
    }

    pub(super) fn moved(&self, service: &ServiceId, what: Moved) -> Movement {
        Movement { at: self.at(), service: service.clone(), what }
    }
}

/// The first instant from another one on at which a budget has room: then, or when its next period begins.
fn first_room(
    budget: &BudgetState,
    outstanding: Quantity,
    need: Quantity,
    from: Timestamp,
) -> Option<Timestamp> {
    let end = budget.period.map_or(from, Window::end);
    if from < end && budget.room(outstanding) >= budget.part(need) {
        return Some(from);
    }
    let fresh = budget.limit().saturating_sub(budget.part(outstanding));
    (fresh >= budget.part(need)).then_some(end.max(from))
}

/// `amount × part / whole`, rounded down.
fn share(amount: Tokens, part: u64, whole: u64) -> Tokens {
    let product = u128::from(amount.get()) * u128::from(part) / u128::from(whole.max(1));
    Tokens::new(u64::try_from(product).unwrap_or(u64::MAX))
}

impl Level {
    /// A percentage of it, rounded down to the unit.
    #[must_use]
    pub fn percent(self, percent: u8) -> Self {
        let percent = i128::from(percent);
        Self::from_units(self.units() / 100 * percent + self.units() % 100 * percent / 100)
    }
}
