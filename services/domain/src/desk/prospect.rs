//! What would be said to a request of some size now: the same that `Reserve` would say.

use crate::bucket::{Bucket, Level};
use crate::budget::BudgetState;
use crate::desk::{Desk, Explained, Returned, Sources};
use crate::ids::ServiceId;
use crate::ledger::levels::Place;
use crate::ledger::{CapacityUsed, Quantity, Refusal, Retry};
use crate::time::Timestamp;

/// What would be said to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prospect {
    /// How much it would ask for.
    pub asked: Quantity,
    /// Where its tokens would come from, or why it would be refused.
    pub said: Result<Sources, Box<Explained>>,
}

/// A request that is weighed, and what there would be for it.
struct Weighed {
    place: Place,
    asked: Quantity,
    returned: Returned,
}

impl Desk {
    pub(super) fn prospect(&self, place: Place, service: &ServiceId, asked: Quantity) -> Prospect {
        let said = self.would_say(place, service, asked);
        Prospect { asked, said: said.map_err(|refusal| Box::new(self.explain(service, refusal))) }
    }

    fn would_say(&self, place: Place, service: &ServiceId, asked: Quantity) -> Result<Sources, Refusal> {
        let limits = self.hands[place.index()].limits().ok_or(Refusal::NoAllocation)?;
        let weighed = Weighed { place, asked, returned: self.returned(place, service) };
        if let Some(refusal) = self.bound_here(place, limits, asked) {
            let refuse = |need| Some(self.when_tokens_are_there(service, need, refusal.clone()));
            return Err(self.refused_when_returned(&weighed, refuse).unwrap_or(refusal));
        }
        if self.in_hand_would_cover(place, asked) {
            return Ok(Sources { in_hand: asked.tokens, ..Sources::default() });
        }
        let sources = weighed.returned.sources(asked.tokens);
        if let Some(sources) = sources.filter(|_| self.budgets_have(&weighed, self.ledger.at())) {
            return Ok(sources);
        }
        let refuse = |need| self.ledger.would_admit(service, need).err();
        let refused = self.refused_when_returned(&weighed, refuse);
        Err(refused.expect("what does not suffice together with what is in hand does not without it"))
    }

    /// Whether every hard budget has so much now, or at an instant in a period to come.
    fn budgets_have(&self, weighed: &Weighed, at: Timestamp) -> bool {
        let (Weighed { place, asked, returned }, now) = (weighed, self.ledger.at());
        let has_room = |budget: &BudgetState| {
            let begins_anew = budget.period_at(now).end() <= at;
            let room = if begins_anew { budget.limit() } else { budget.room_at(now, returned.drawn) };
            room >= budget.part(*asked)
        };
        self.ledger.account_at(*place).budgets().iter().filter(|budget| budget.refuses()).all(has_room)
    }

    /// A refusal as it would be if what is in hand had gone back: what comes back makes it sooner.
    fn refused_when_returned(
        &self,
        weighed: &Weighed,
        refuse: impl Fn(Quantity) -> Option<Refusal>,
    ) -> Option<Refusal> {
        let whole = refuse(weighed.asked)?;
        let latest = whole.retry();
        let refusal = refuse(weighed.asked.less(weighed.returned.gain)).unwrap_or(whole);
        let retry = match refusal.retry() {
            Retry::At { at, .. } if self.would_pass_at(weighed, at) => refusal.retry(),
            // It may pass within a burst to come, by what comes back alone.
            Retry::At { .. } if latest == Retry::Never && self.has_edge(weighed.place) => Retry::Unknown,
            _ => latest,
        };
        Some(self.restated(refusal, weighed, retry))
    }

    fn has_edge(&self, place: Place) -> bool {
        let (now, account) = (self.ledger.at(), self.ledger.account_at(place));
        let plans = [self.ledger.levels().plan(place), account.borrow_plan()];
        plans.iter().any(|plan| plan.edge_after(now).is_some())
    }

    /// Whether the own buckets, with what came back, and budgets have enough at an instant to come at which others leave what
    /// they do in an idle pool. What comes back does not count where its bucket is full before, or less deep by then.
    fn would_pass_at(&self, weighed: &Weighed, at: Timestamp) -> bool {
        let Weighed { place, asked, returned } = weighed;
        let (levels, account, now) = (self.ledger.levels(), self.ledger.account_at(*place), self.ledger.at());
        let level_at = |level, plan| Bucket::new(level, now).level_at(plan, at);
        let own = level_at(returned.guarantee, levels.plan(*place)).max(Level::ZERO);
        let borrowed = Level::from_tokens(asked.tokens).minus(own);
        let ceiling = level_at(returned.ceiling, account.borrow_plan());
        let others = levels.idle_spare().minus(returned.threshold);
        // Others were weighed only if what was asked of the ledger borrows then, too.
        let bare = level_at(levels.guarantee(*place), levels.plan(*place)).max(Level::ZERO);
        let weighed_others =
            borrowed <= Level::ZERO || Level::from_tokens(asked.less(returned.gain).tokens) > bare;
        weighed_others
            && self.budgets_have(weighed, at)
            && (borrowed <= Level::ZERO || borrowed <= ceiling.min(others))
    }

    /// The same refusal, with the figures that there would be.
    fn restated(&self, refusal: Refusal, weighed: &Weighed, retry: Retry) -> Refusal {
        let Weighed { place, asked, returned } = weighed;
        match refusal {
            Refusal::CapacityUsed(used) => Refusal::CapacityUsed(CapacityUsed {
                bound: returned.bound(used.bound),
                asked: asked.tokens,
                guaranteed: returned.guarantee.available(),
                borrowable: returned.borrowable().available(),
                debt: returned.debt(),
                retry,
                ..used
            }),
            Refusal::BudgetUsed { budget, used, limit, asked: part, resets, .. } => {
                let states = self.ledger.account_at(*place).budgets();
                let state = states.iter().find(|state| state.budget.id == budget);
                let (used, asked) = state.map_or((used, part), |state| {
                    (state.used_at(self.ledger.at(), returned.drawn), state.part(*asked))
                });
                Refusal::BudgetUsed { budget, used, limit, asked, resets, retry }
            }
            Refusal::RequestsUsed { limit, .. } => Refusal::RequestsUsed { limit, retry },
            other => other,
        }
    }
}
