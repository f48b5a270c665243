//! Where an allocation stands: what it could use now, why not more, and what changes next.

use std::fmt;
use std::time::Duration;

use crate::amount::{Tokens, TokensPerMinute};
use crate::budget::{Budget, BudgetKind, BudgetState};
use crate::burst::{BurstPhase, BurstRecord};
use crate::calendar::Utc;
use crate::desk::{Available, Debt, Desk, Prospect, Rates};
use crate::ids::{BudgetId, BurstId, ServiceId};
use crate::ledger::levels::Place;
use crate::ledger::{Account, Quantity, Totals};
use crate::policy::{FailureMode, Terms};
use crate::time::{Timestamp, Window};

/// Where an allocation stands at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The guarantee's rate: baseline and active bursts.
    pub rate: TokensPerMinute,
    /// What could be taken at once, borrowed tokens included.
    pub available: Tokens,
    /// The part of it that would be borrowed.
    pub borrowable: Tokens,
    /// How deep the guarantee is.
    pub depth: Tokens,
    /// How long until the guarantee is full if nothing is taken; none if never.
    pub full_after: Option<Duration>,
}

/// A standing and what explains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headroom {
    /// Where the allocation stands.
    pub standing: Standing,
    /// What it could use at once, and what that is made of.
    pub available: Available,
    /// What the service is entitled to as it stands now, bursts not counted.
    pub terms: Terms,
    /// The bursts that count now.
    pub bursts: Vec<BurstRecord>,
    /// The rates that follow from both.
    pub rates: Rates,
    /// How many requests are under way.
    pub in_flight: u32,
    /// How many requests could be made at once, if they are limited.
    pub requests_available: Option<u64>,
    /// Sums since the beginning.
    pub totals: Totals,
    /// What was used above what was held and is not refilled yet.
    pub debt: Debt,
    /// Borrowed and not refilled yet.
    pub borrowed: Tokens,
    /// What must be left for higher priorities.
    pub threshold: Tokens,
    /// How far each budget is used.
    pub budgets: Vec<BudgetStanding>,
    /// The pool as a whole.
    pub pool: PoolStanding,
    /// What changes next by itself.
    pub next_change: Option<NextChange>,
    /// What would be said to a request of the size that was asked about.
    pub prospect: Option<Prospect>,
}

/// Where a pool stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolStanding {
    /// What it holds.
    pub level: Tokens,
    /// How much it can hold.
    pub depth: Tokens,
    /// Its capacity.
    pub capacity: TokensPerMinute,
    /// By how much it falls short of its guarantees. While it does nobody borrows.
    pub deficit: Tokens,
}

/// How far a budget is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetStanding {
    /// The budget.
    pub budget: Budget,
    /// Settled, or drawn and not settled: tokens, or nano-units of money.
    pub used: u64,
    /// The period that it is used in.
    pub period: Option<Window>,
}

/// Something that happens by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextChange {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Coming,
}

/// What happens by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Coming {
    /// A burst begins to count.
    BurstStarts(BurstId),
    /// A burst counts no more.
    BurstEnds(BurstId),
    /// A budget begins anew.
    BudgetResets(BudgetId),
    /// What the service has by exception ends.
    ExceptionEnds,
}

impl fmt::Display for Coming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BurstStarts(burst) => write!(f, "burst {burst} starts"),
            Self::BurstEnds(burst) => write!(f, "burst {burst} ends"),
            Self::BudgetResets(budget) => write!(f, "budget {budget} begins anew"),
            Self::ExceptionEnds => f.write_str("the exception from the sandbox limit ends"),
        }
    }
}

impl Desk {
    /// Where a service stands; none if it has no allocation.
    pub fn standing(&self, service: &ServiceId) -> Option<Standing> {
        let (place, _, _) = self.allocation(service)?;
        let (ledger, now) = (&self.ledger, self.ledger.at());
        let levels = ledger.levels();
        let segment = levels.plan(place).at(now);
        let available = self.available(place, service);
        Some(Standing {
            rate: segment.rate,
            available: available.tokens,
            borrowable: available.borrowable,
            depth: segment.depth.available(),
            full_after: levels.full_at(place).map(|at| at.since(now)),
        })
    }

    /// Where a service stands and why, and whether a request of a size would pass; none if it has no allocation.
    pub fn headroom(&self, service: &ServiceId, asked: Option<Quantity>) -> Option<Headroom> {
        let (place, account, terms) = self.allocation(service)?;
        let (ledger, now) = (&self.ledger, self.ledger.at());
        let active = |burst: &&BurstRecord| burst.phase(now) == BurstPhase::Active;
        let bursts: Vec<_> = ledger.terms().bursts_of(service).filter(active).cloned().collect();
        let (standing_terms, drawn) = (terms.standing_at(now), account.outstanding_unlapsed());
        Some(Headroom {
            standing: self.standing(service)?,
            available: self.available(place, service),
            rates: self.rates(place, &standing_terms, &bursts),
            terms: standing_terms,
            bursts,
            in_flight: self.in_flight(service),
            requests_available: self.requests_available(service),
            totals: account.totals(),
            debt: self.debt(place, service),
            borrowed: account.borrowed_at(now).available(),
            threshold: ledger.room_to_borrow(service).threshold.available(),
            budgets: account.budgets().iter().map(|state| budget_standing(state, drawn, now)).collect(),
            pool: self.pool_standing(),
            next_change: self.next_change(service, account, terms),
            prospect: asked.map(|asked| self.prospect(place, service, asked)),
        })
    }

    pub(super) fn allocation(&self, service: &ServiceId) -> Option<(Place, &Account, &Terms)> {
        let place = self.ledger.place(service)?;
        let account = self.ledger.account_at(place);
        Some((place, account, account.terms()?))
    }

    /// The pool as a whole.
    pub fn pool_standing(&self) -> PoolStanding {
        let levels = self.ledger.levels();
        PoolStanding {
            level: levels.pool().available(),
            depth: levels.pool_depth().available(),
            capacity: self.ledger.terms().capacity(),
            deficit: levels.deficit().available(),
        }
    }

    pub(super) fn next_change(
        &self,
        service: &ServiceId,
        account: &Account,
        terms: &Terms,
    ) -> Option<NextChange> {
        let now = self.ledger.at();
        let bursts = self.ledger.terms().bursts_of(service).filter_map(|record| {
            let (id, window) = (record.burst.id.clone(), record.burst.window);
            match record.phase(now) {
                BurstPhase::Upcoming => {
                    Some(NextChange { at: window.start(), what: Coming::BurstStarts(id) })
                }
                BurstPhase::Active => Some(NextChange { at: window.end(), what: Coming::BurstEnds(id) }),
                _ => None,
            }
        });
        let budgets = account.budgets().iter().map(|state| NextChange {
            at: state.period_at(now).end(),
            what: Coming::BudgetResets(state.budget.id.clone()),
        });
        let lapse = terms.lapse.map(|lapse| NextChange { at: lapse.at, what: Coming::ExceptionEnds });
        bursts.chain(budgets).chain(lapse).filter(|change| change.at > now).min_by_key(|change| change.at)
    }
}

/// As it would be if its period were opened now.
pub(super) fn budget_standing(state: &BudgetState, drawn: Quantity, now: Timestamp) -> BudgetStanding {
    let (used, period) = (state.used_at(now, drawn), state.opens(now).or(state.period));
    BudgetStanding { budget: state.budget.clone(), used, period }
}

impl Headroom {
    /// One sentence: what binds the allocation now.
    pub fn summary(&self) -> String {
        let Standing { available, borrowable, rate, .. } = self.standing;
        if let Some(budget) = self.budgets.iter().find(|budget| budget.is_used_up()) {
            let until =
                budget.period.map(|period| format!(" until {}", Utc(period.end()))).unwrap_or_default();
            return format!("budget {} is used up{until}", budget.budget.id);
        }
        if self.requests_available == Some(0) {
            return "the requests a minute are used up for now".to_owned();
        }
        if self.terms.in_flight_max.is_some_and(|max| self.in_flight >= max) {
            return format!("{} requests are under way, which is the most there may be", self.in_flight);
        }
        if self.debt.tokens > Tokens::ZERO {
            return self.owing();
        }
        if let Some((id, _)) = &self.available.budget {
            return format!("{available} tokens could be used at once, which is what budget {id} leaves");
        }
        if borrowable > Tokens::ZERO {
            return format!("{available} tokens could be used at once, {borrowable} of them borrowed");
        }
        if self.rates.ceiling > self.rates.guarantee && self.pool.deficit > Tokens::ZERO {
            return format!(
                "nothing can be borrowed: the pool owes its guarantees {} tokens",
                self.pool.deficit
            );
        }
        format!("{available} tokens could be used at once; the guarantee refills at {rate} a minute")
    }

    /// What is owed, and what could be used all the same.
    fn owing(&self) -> String {
        let Debt { tokens, guarantee, borrowing, .. } = self.debt;
        let refill = match (guarantee.tokens > Tokens::ZERO, borrowing.tokens > Tokens::ZERO) {
            (true, false) => "the guarantee's refill",
            (false, true) => "the refill of what it may borrow",
            _ => "the refill of its guarantee and of what it may borrow",
        };
        let owed = format!(
            "{tokens} tokens are owed, which {refill} of {} a minute repays first",
            self.debt.repaid()
        );
        let available = self.standing.available;
        if available == Tokens::ZERO {
            return owed;
        }
        let from = match (guarantee.tokens > Tokens::ZERO, self.standing.borrowable > Tokens::ZERO) {
            (true, true) => "borrowed, or drawn already",
            (true, false) => "drawn already",
            (false, _) => "guaranteed, or drawn already",
        };
        format!("{owed}; {available} could be used at once all the same: {from}")
    }

    /// What a gateway admits in one outage of quota; none if it refuses.
    pub fn open_tokens_per_outage(&self) -> Option<Tokens> {
        match self.terms.failure {
            FailureMode::Closed => None,
            FailureMode::Open { tokens_per_outage } => Some(tokens_per_outage),
        }
    }
}

impl BudgetStanding {
    /// Whether nothing of a hard budget is left.
    pub fn is_used_up(&self) -> bool {
        self.budget.kind == BudgetKind::Hard && self.used >= self.budget.limit.amount()
    }
}
