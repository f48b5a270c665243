//! What explains a refusal: how far the limit that bound is used, what is borrowed and lent, and what changes next.
//!
//! Looked up when something was refused, and only then.

use crate::amount::{Tokens, TokensPerMinute};
use crate::desk::headroom::NextChange;
use crate::desk::{Desk, HOLDS_MAX};
use crate::ids::ServiceId;
use crate::ledger::levels::Place;
use crate::ledger::{Account, Bound, CapacityUsed, Refusal};

/// A refusal and what explains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The refusal.
    pub refusal: Refusal,
    /// How far the limit that bound is used; none where that is no amount.
    pub bound: Option<LimitUse>,
    /// What the service has borrowed and not repaid yet.
    pub borrowed: Tokens,
    /// What others may borrow of its guarantee now.
    pub lent: TokensPerMinute,
    /// What changes next by itself.
    pub next_change: Option<NextChange>,
}

/// How far a limit is used, in its own unit: tokens, requests, or what a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitUse {
    /// What is used of it: more than it is while in debt.
    pub used: u64,
    /// How much it is.
    pub limit: u64,
    /// How much was asked for.
    pub asked: u64,
}

impl Explained {
    /// A refusal to somebody of whom nothing is known.
    pub const fn of_nobody(refusal: Refusal) -> Self {
        Self { refusal, bound: None, borrowed: Tokens::ZERO, lent: TokensPerMinute::ZERO, next_change: None }
    }
}

impl Desk {
    /// Explains what was refused to a service at this very instant.
    pub fn explain(&self, service: &ServiceId, refusal: Refusal) -> Explained {
        let Some((place, account, terms)) = self.allocation(service) else {
            return Explained::of_nobody(refusal);
        };
        Explained {
            bound: self.bound(place, account, &refusal),
            borrowed: account.borrowed_at(self.ledger.at()).available(),
            lent: self.ledger.levels().lent(place),
            next_change: self.next_change(service, account, terms),
            refusal,
        }
    }

    fn bound(&self, place: Place, account: &Account, refusal: &Refusal) -> Option<LimitUse> {
        let of_requests = |used: u64, limit: u64| Some(LimitUse { used, limit, asked: 1 });
        match refusal {
            Refusal::CapacityUsed(used) => Some(self.capacity(place, account, used)),
            Refusal::RequestTooLarge { asked, request_max } => {
                Some(LimitUse { used: 0, limit: request_max.get(), asked: asked.get() })
            }
            Refusal::BudgetUsed { used, limit, asked, .. } => {
                Some(LimitUse { used: *used, limit: limit.amount(), asked: *asked })
            }
            Refusal::RequestsUsed { .. } => {
                let (left, at_once) = self.hands[place.index()].requests_left(self.ledger.at())?;
                of_requests(at_once.saturating_sub(left), at_once)
            }
            Refusal::InFlight { max } => {
                of_requests(self.hands[place.index()].in_flight().into(), u64::from(*max))
            }
            Refusal::HoldsFull { outstanding } => of_requests(*outstanding as u64, HOLDS_MAX as u64),
            Refusal::NoAllocation
            | Refusal::CountedByCall { .. }
            | Refusal::ReservationStale { .. }
            | Refusal::ReservationOver { .. }
            | Refusal::ReservationForgotten { .. }
            | Refusal::ReservationOfAnother { .. } => None,
        }
    }

    /// The bucket that was short: the guarantee's, what may be borrowed, or what others leave of an idle pool's spare.
    fn capacity(&self, place: Place, account: &Account, short: &CapacityUsed) -> LimitUse {
        let (levels, now) = (self.ledger.levels(), self.ledger.at());
        let (limit, left, owed) = match short.bound {
            Bound::Baseline => {
                let depth = levels.plan(place).at(now).depth.available();
                (depth, short.guaranteed, levels.guarantee(place).debt())
            }
            Bound::Ceiling => {
                let (depth, level) = (account.borrow_plan().at(now).depth, account.borrow_level_at(now));
                (depth.available(), level.available(), level.debt())
            }
            Bound::Spare { deficit, threshold } => {
                let idle = levels.idle_spare().available();
                (idle.saturating_sub(threshold), short.borrowable, deficit)
            }
        };
        let used = limit.saturating_sub(left) + owed;
        LimitUse { used: used.get(), limit: limit.get(), asked: short.asked.get() }
    }
}
