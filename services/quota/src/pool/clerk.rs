//! Answers at a pool's desk, and counts what it answers.

use weir_domain::amount::Tokens;
use weir_domain::authorship::Authorship;
use weir_domain::bucket::Segment;
use weir_domain::budget::Budget;
use weir_domain::desk::{
    Admitted, Answer, Asker, BudgetStanding, Desk, Explained, Headroom, Mark, NodeSlice, Release, Reserve,
    Standing, Unsettled, UnsettledPart,
};
use weir_domain::ids::{HoldId, NodeId, PoolId, ReservationId, ServiceId};
use weir_domain::ledger::invariants::{invariant_conservation, invariant_levels};
use weir_domain::ledger::{Change, Event, Moved, Quantity, Refusal, Seal, Settle};
use weir_domain::policy::Terms;
use weir_domain::time::Timestamp;

use super::Changed;
use super::askers::Askers;
use crate::metrics::{self, Decisions};

/// The desk and what is counted at it.
pub(crate) struct Clerk {
    pub(super) desk: Desk,
    counts: Decisions,
    askers: Askers,
}

/// A hold that nobody has settled, and the name of who asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) hold: Unsettled,
    pub(crate) node: String,
}

/// What one look at holds that nobody has settled has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Looked {
    pub(crate) held: Vec<Held>,
    /// From which reservation to go on, if there is more.
    pub(crate) next: Option<ReservationId>,
    /// What was asked for before may have been forgotten.
    pub(crate) known_since: Timestamp,
}

/// What became of a reservation. A refusal is explained: it is rare, and kept apart so that an answer stays small.
pub(crate) type Decided<T> = Result<T, Box<Explained>>;

/// What became of a reservation, and where its service stands after it.
///
/// The standing is a hint: it may rest on what the journal does not have yet. The decision does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reserved {
    pub(crate) decision: Decided<Admitted>,
    pub(crate) standing: Option<Standing>,
}

/// The limits of an allocation, so that others can be told from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LimitsSeen {
    guaranteed: Segment,
    borrowed: Segment,
    terms: Terms,
}

impl Clerk {
    pub(super) fn new(pool: &PoolId, desk: Desk) -> Self {
        Self { desk, counts: Decisions::new(pool), askers: Askers::default() }
    }

    /// Goes on at another desk.
    pub(super) fn replace(&mut self, desk: Desk) {
        self.desk = desk;
    }

    /// By which number somebody is known here.
    pub(crate) fn asker(&mut self, name: &str) -> Asker {
        self.askers.number(name, self.desk.ledger().at())
    }

    /// Holds that nobody has settled, as far as one look goes.
    pub(super) fn unsettled(
        &self,
        first: ReservationId,
        until: Timestamp,
        is_wanted: impl Fn(&ServiceId) -> bool,
    ) -> Answer<Looked> {
        let UnsettledPart { holds, next, known_since } = self.desk.unsettled(first, until, is_wanted);
        let node = |hold: &Unsettled| self.askers.name(hold.asker).to_owned();
        let held = holds.into_iter().map(|hold| Held { node: node(&hold), hold }).collect();
        self.desk.answer(Looked { held, next, known_since })
    }

    /// Decides a reservation.
    pub(crate) fn reserve(&mut self, ask: &Reserve, asker: Asker) -> Answer<Decided<Admitted>> {
        let Answer { what, after } = self.desk.reserve_for(ask, asker);
        if let Ok(admitted) = &what {
            let account = self.desk.ledger().place(&ask.service).map(|place| (place, &ask.service));
            self.counts.admitted(account, admitted.shadowed);
        }
        Answer { what: what.map_err(|refusal| self.refused(&ask.service, refusal)), after }
    }

    fn refused(&mut self, service: &ServiceId, refusal: Refusal) -> Box<Explained> {
        let account = self.desk.ledger().place(service).map(|place| (place, service));
        self.counts.refused(account, refusal.limit());
        Box::new(self.desk.explain(service, refusal))
    }

    /// Decides a reservation, and says where its service stands after it.
    pub(super) fn reserve_and_stand(&mut self, ask: &Reserve, by: &str) -> Answer<Reserved> {
        let asker = self.asker(by);
        let Answer { what: decision, after } = self.reserve(ask, asker);
        let standing = self.desk.standing(&ask.service);
        Answer { what: Reserved { decision, standing }, after }
    }

    /// Settles. Whether it was charged now.
    pub(crate) fn settle(&mut self, settle: &Settle) -> Answer<bool> {
        let answer = self.desk.settle(settle);
        self.counts.settled(answer.what);
        answer
    }

    /// Settles what no usage event will tell of. Whether it was charged now.
    pub(crate) fn settle_unmetered(&mut self, settle: &Settle) -> Answer<bool> {
        let answer = self.desk.settle_unmetered(settle);
        self.counts.settled(answer.what);
        answer
    }

    /// Charges what was used without a hold, and no usage event will tell of: from what the service could be admitted with
    /// now, as if it had asked; the rest is debt, by a hold that nobody was given. Whether it was charged; none if the
    /// service has no allocation.
    pub(crate) fn report(
        &mut self,
        used: &Reserve,
        hold_of_nothing: impl FnOnce() -> HoldId,
    ) -> Answer<Option<bool>> {
        let service = &used.service;
        let Some(covered) = self.desk.standing(service).map(|standing| self.at_once(service, &standing))
        else {
            return self.desk.answer(None);
        };
        let need = Quantity { tokens: used.need.tokens.min(covered), money: used.need.money };
        let held = self.desk.reserve(&Reserve { need, ..used.clone() }).what;
        let hold = held.map_or_else(|_| hold_of_nothing(), |admitted| admitted.hold);
        let settle = Settle { hold, service: service.clone(), used: used.need };
        let Answer { what: charged, after } = self.settle_unmetered(&settle);
        Answer { what: Some(charged), after }
    }

    /// How much of what a service has now one request may take.
    fn at_once(&self, service: &ServiceId, standing: &Standing) -> Tokens {
        let ledger = self.desk.ledger();
        let terms = ledger.place(service).and_then(|place| ledger.account_at(place).terms());
        terms.map_or(Tokens::ZERO, |terms| standing.available.min(terms.request_max))
    }

    /// Gives a hold back. Whether there was one.
    pub(crate) fn release(&mut self, release: &Release, service: &ServiceId) -> Answer<bool> {
        self.desk.release(release, service)
    }

    /// Keeps a hold alive, one that the desk has lost sight of too: its call goes on, so it counts as under way. False if
    /// it was settled.
    pub(crate) fn extend(&mut self, hold: HoldId, service: &ServiceId) -> Answer<bool> {
        if self.desk.extend(hold) {
            return Answer { what: true, after: Mark::default() };
        }
        let alive = self.desk.redeclare(hold, service);
        self.desk.answer(alive)
    }

    /// Draws a slice for a node.
    pub(crate) fn draw(
        &mut self,
        node: &NodeId,
        ask: &Reserve,
        ahead: Quantity,
    ) -> Answer<Decided<NodeSlice>> {
        let Answer { what, after } = self.desk.draw(node, ask, ahead);
        Answer { what: what.map_err(|refusal| self.refused(&ask.service, refusal)), after }
    }

    /// Takes back what a node has not handed out of its slice. Whether it was the node's.
    pub(crate) fn return_slice(&mut self, node: &NodeId, seal: &Seal) -> Answer<bool> {
        self.desk.return_slice(node, seal)
    }

    /// Where a service stands and why.
    pub(crate) fn headroom(
        &mut self,
        service: &ServiceId,
        asked: Option<Quantity>,
    ) -> Answer<Option<Headroom>> {
        self.desk.answer(self.desk.headroom(service, asked))
    }

    /// How far budgets of services would be used if they were decided now.
    pub(crate) fn budgets_if_set(
        &self,
        asked: &[(ServiceId, Vec<Budget>)],
    ) -> Answer<Vec<(ServiceId, BudgetStanding)>> {
        let told = asked.iter().flat_map(|(service, budgets)| {
            let told = self.desk.budgets_if_set(service, budgets);
            told.into_iter().map(|standing| (service.clone(), standing))
        });
        self.desk.answer(told.collect())
    }

    /// Holds that a node has from before: those that are not settled count as under way again. How many do.
    pub(crate) fn declare(&mut self, holds: &[(HoldId, &ServiceId)]) -> Answer<u32> {
        let mut alive = 0;
        for (hold, service) in holds {
            alive += u32::from(self.desk.redeclare(*hold, service));
        }
        self.desk.answer(alive)
    }

    /// Where a service stands; to be told with an answer that rests on all so far.
    pub(crate) fn standing(&self, service: &ServiceId) -> Option<Standing> {
        self.desk.standing(service)
    }

    /// The limits of a service now; none if it has no allocation.
    pub(crate) fn limits_of(&self, service: &ServiceId) -> Option<LimitsSeen> {
        let ledger = self.desk.ledger();
        let place = ledger.place(service)?;
        let account = ledger.account_at(place);
        let terms = account.terms()?.clone();
        let guaranteed = Segment { from: Timestamp::EPOCH, ..ledger.levels().plan(place).at(ledger.at()) };
        let borrowed = Segment { from: Timestamp::EPOCH, ..account.borrow_plan().at(ledger.at()) };
        Some(LimitsSeen { guaranteed, borrowed, terms })
    }

    /// Changes what the pool is or who is entitled to what.
    pub(super) fn change(
        &mut self,
        by: &Authorship,
        changes: &[Change],
        expected: Option<u64>,
    ) -> Answer<Changed> {
        self.desk.change(by, changes, expected)
    }

    /// Nothing but that all so far is recorded.
    pub(crate) fn nothing(&mut self) -> Answer<()> {
        self.desk.answer(())
    }

    /// Shows what was counted, levels and holds.
    pub(super) fn show(&mut self) {
        self.counts.show(&self.desk);
    }

    /// Checks the promises that are cheap to check, for every account that events have touched.
    pub(super) fn check(&self, pool: &PoolId, events: &[Event]) {
        let mut last = None;
        for event in events {
            let Event::Moved(movement) = event else { continue };
            if last == Some(&movement.service) || matches!(movement.what, Moved::Shadowed { .. }) {
                continue;
            }
            last = Some(&movement.service);
            self.check_account(pool, &movement.service);
        }
    }

    fn check_account(&self, pool: &PoolId, service: &ServiceId) {
        let ledger = self.desk.ledger();
        let Some(place) = ledger.place(service) else { return };
        let kept = invariant_conservation(ledger.account_at(place));
        if let Err(violation) = kept.and_then(|()| invariant_levels(ledger, place)) {
            metrics::violated(violation.promise);
            tracing::error!(%pool, %violation, "ledger is wrong");
        }
    }
}
