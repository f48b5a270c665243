//! One policy at play: which pool an attempt asks, what it costs, what came of it.

use std::collections::{BTreeMap, HashMap};

use super::Past;
use crate::amount::Money;
use crate::ids::{PoolId, ServiceId};
use crate::ledger::{Account, Quantity, Retry, shortage};
use crate::policy::{Enforcement, Terms};
use crate::price_book::{Intended, Made};
use crate::simulate::NOT_SERVED;
use crate::simulate::attempt::Attempt;
use crate::simulate::play::{Ask, Ended, Play};
use crate::simulate::report::{BudgetLevel, Entitled, Outcome, PoolOutcome};
use crate::simulate::side::Side;
use crate::simulate::tally::{Asked, Tally, Why};
use crate::time::{Timestamp, Window};

/// A policy and its pools at play.
#[derive(Debug)]
pub(super) struct Playing {
    side: Side,
    pools: BTreeMap<PoolId, Pool>,
}

/// A pool that is asked; one that the policy does not have has nothing to play with.
#[derive(Debug, Default)]
struct Pool {
    play: Option<Play>,
    total: Tally,
    /// By the number of the service's name, and by its name once all has been played.
    asked: HashMap<u32, Tally>,
    outcomes: BTreeMap<ServiceId, Outcome>,
}

impl Past {
    fn asked(&self, attempt: &Attempt) -> Option<Asked> {
        let (span, at, tokens) = (self.span, attempt.started, attempt.used);
        span.contains(at).then_some(Asked { span, at, tokens })
    }

    fn service(&self, attempt: &Attempt) -> &ServiceId {
        self.names.services.name(attempt.service)
    }
}

impl Pool {
    fn tally(&mut self, service: u32, count: impl Fn(&mut Tally)) {
        count(&mut self.total);
        count(self.asked.entry(service).or_default());
    }
}

impl Playing {
    pub(super) fn new(side: Side, begins: Timestamp) -> Self {
        let play = |(id, terms)| {
            let play = Some(Play::new(side.ledger(id, terms), begins));
            (PoolId::clone(id), Pool { play, ..Pool::default() })
        };
        let pools = side.pools.iter().map(play).collect();
        Self { side, pools }
    }

    /// Lets an attempt ask, as the gateway would route it.
    pub(super) fn admit(&mut self, past: &Past, number: usize) {
        let attempt = &past.attempts[number];
        let asked = past.asked(attempt);
        let Some(id) = self.side.route(past.names.models.name(attempt.model)).cloned() else {
            let pool = self.pools.entry(past.names.pools.name(attempt.pool).clone()).or_default();
            if let Some(asked) = asked {
                let why = Why { limit: NOT_SERVED, retry: Retry::Never };
                pool.tally(attempt.service, |tally| tally.refused(asked, why));
            }
            return;
        };
        self.settle(past, &id, attempt.started);
        let service = past.service(attempt);
        let need = Quantity { tokens: attempt.held, money: self.at_most(past, attempt, &id) };
        let Some(pool) = self.pools.get_mut(&id) else { return };
        let Some(play) = &mut pool.play else { return };
        let ask = Ask { attempt: number, service, need, ends: attempt.ended };
        let decision = play.reserve(&ask, attempt.started);
        if let Some(asked) = asked {
            pool.tally(attempt.service, |tally| tally.decided(asked, &decision));
        }
    }

    /// Settles what has ended in a pool up to an instant, and lets time pass there.
    fn settle(&mut self, past: &Past, id: &PoolId, until: Timestamp) {
        while let Some(ended) = self.next_ended(id, until) {
            let attempt = &past.attempts[ended.attempt];
            let used = Quantity { tokens: attempt.used, money: self.cost(past, attempt, id) };
            let Some(pool) = self.pools.get_mut(id) else { return };
            let Some(play) = &mut pool.play else { return };
            let borrowed = play.settle(ended, past.service(attempt), used);
            if let Some(asked) = past.asked(attempt) {
                pool.tally(attempt.service, |tally| tally.borrowed(asked, borrowed));
            }
        }
    }

    fn next_ended(&mut self, id: &PoolId, until: Timestamp) -> Option<Ended> {
        self.pools.get_mut(id)?.play.as_mut()?.next_ended(until)
    }

    fn at_most(&self, past: &Past, attempt: &Attempt, pool: &PoolId) -> Money {
        if !self.side.counts_money(pool, past.service(attempt)) {
            return Money::ZERO;
        }
        let model = past.names.models.name(attempt.model).as_str();
        let call = Intended { model, tokens: attempt.held, input: attempt.input };
        self.side.prices.at_most(pool, call, attempt.started)
    }

    fn cost(&self, past: &Past, attempt: &Attempt, pool: &PoolId) -> Money {
        if !self.side.counts_money(pool, past.service(attempt)) {
            return Money::ZERO;
        }
        let model = past.names.models.name(attempt.model).as_str();
        let (tokens, input, input_cached) = (attempt.used, attempt.input, attempt.input_cached);
        self.side.prices.cost(pool, Made { model, tokens, input, input_cached }, attempt.ended)
    }

    /// Lets time pass to the span's end, looks at the budgets there, and settles what ends later.
    pub(super) fn end(&mut self, past: &Past) {
        let ids: Vec<PoolId> = self.pools.keys().cloned().collect();
        let last = Timestamp::from_nanos(past.span.end().as_nanos() - 1);
        for id in ids {
            self.settle(past, &id, last);
            let budgets = self.pools.get_mut(&id).map(|pool| pool.budgets(last)).unwrap_or_default();
            self.settle(past, &id, past.over);
            self.conclude(past, &id, budgets);
        }
    }

    fn conclude(&mut self, past: &Past, id: &PoolId, mut budgets: BTreeMap<ServiceId, Vec<BudgetLevel>>) {
        let Some(pool) = self.pools.get_mut(id) else { return };
        for (number, tally) in &pool.asked {
            let service = past.names.services.name(*number);
            let terms = self.side.pools.get(id).and_then(|terms| terms.allocations().get(service));
            let budgets = budgets.remove(service).unwrap_or_default();
            let outcome = Outcome { entitled: terms.map(entitled), budgets, ..tally.outcome() };
            pool.outcomes.insert(service.clone(), outcome);
        }
    }

    /// The pools that were asked for anything.
    pub(super) fn asked_pools(&self) -> impl Iterator<Item = &PoolId> {
        self.pools.iter().filter(|(_, pool)| !pool.outcomes.is_empty()).map(|(id, _)| id)
    }

    /// The services that asked, and of which pool.
    pub(super) fn asked(&self) -> impl Iterator<Item = (&PoolId, &ServiceId)> {
        self.pools.iter().flat_map(|(id, pool)| pool.outcomes.keys().map(move |service| (id, service)))
    }

    /// What came of a service in a pool; its entitlement alone if it asked nothing.
    pub(super) fn outcome(&self, pool: &PoolId, service: &ServiceId) -> Outcome {
        let found = self.pools.get(pool).and_then(|pool| pool.outcomes.get(service)).cloned();
        found.unwrap_or_else(|| {
            let terms = self.side.pools.get(pool).and_then(|terms| terms.allocations().get(service));
            Outcome { entitled: terms.map(entitled), ..Outcome::default() }
        })
    }

    /// What came of a pool.
    pub(super) fn pool(&self, id: &PoolId, span: Window) -> PoolOutcome {
        let terms = self.side.pools.get(id);
        let Some(Pool { total, .. }) = self.pools.get(id) else { return PoolOutcome::default() };
        PoolOutcome {
            capacity: terms.map(crate::ledger::PoolTerms::capacity),
            asked: total.asked,
            refused: total.refused,
            borrowed: total.borrowed_tokens(),
            peak: total.peak(),
            shortage: terms
                .and_then(|terms| shortage(terms, span.start()))
                .filter(|shortage| shortage.at < span.end()),
        }
    }
}

impl Pool {
    /// The budgets of all accounts at an instant up to which time has passed.
    fn budgets(&mut self, at: Timestamp) -> BTreeMap<ServiceId, Vec<BudgetLevel>> {
        let Some(play) = &mut self.play else { return BTreeMap::new() };
        let levels = |account: &Account| (account.service().clone(), budgets(account, at));
        play.close().accounts().map(levels).collect()
    }
}

/// As they would be if their periods were opened at an instant.
fn budgets(account: &Account, at: Timestamp) -> Vec<BudgetLevel> {
    let level = |state: &crate::budget::BudgetState| {
        let (used, period) =
            (state.used_at(at, account.outstanding_unlapsed()), state.opens(at).or(state.period)?);
        Some(BudgetLevel { budget: state.budget.clone(), used, period })
    };
    account.budgets().iter().filter_map(level).collect()
}

fn entitled(terms: &Terms) -> Entitled {
    let Terms { baseline, ceiling, enforcement, .. } = *terms;
    Entitled { baseline, ceiling, shadow: enforcement == Enforcement::Shadow }
}
