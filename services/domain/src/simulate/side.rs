//! One of the policies that are compared: its pools, routes, prices and budgets, before anything is played.

use std::collections::{BTreeMap, HashMap};

use crate::amount::Money;
use crate::authorship::Authorship;
use crate::budget::{Budget, BudgetLimit};
use crate::burst::BurstRecord;
use crate::ids::{ModelName, PoolId, ServiceId};
use crate::ledger::{Event, Governed, Ledger, PoolTerms, Quantity, TermsChanged};
use crate::org::Org;
use crate::price_book::{Made, PriceBook};
use crate::simulate::before::Before;
use crate::time::Timestamp;
use crate::usage::UsageRecorded;

/// A policy, ready to be played.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) pools: BTreeMap<PoolId, PoolTerms>,
    routes: HashMap<ModelName, PoolId>,
    pub(super) prices: PriceBook,
    before: Before,
    begins: Timestamp,
}

impl Side {
    pub(super) fn new(org: &Org, begins: Timestamp) -> Self {
        let pools = org.pools().filter_map(|id| Some((id.clone(), org.terms(id)?.with_past())));
        let pools: BTreeMap<PoolId, PoolTerms> = pools.filter(|(_, terms)| terms.pool().is_some()).collect();
        let models = pools.iter().flat_map(|(id, terms)| {
            terms.pool().into_iter().flat_map(move |pool| pool.models.iter().map(move |model| (model, id)))
        });
        let routes = models.map(|(model, id)| (model.name.clone(), id.clone())).collect();
        let mut before = Before::default();
        for (id, terms) in &pools {
            before.add_pool(id, terms, begins);
        }
        Self { routes, prices: PriceBook::of_org(org), before, begins, pools }
    }

    /// The pool that serves a model.
    pub(super) fn route(&self, model: &ModelName) -> Option<&PoolId> {
        self.routes.get(model)
    }

    /// The instant before which nothing matters to its budgets.
    pub(super) fn since(&self) -> Timestamp {
        self.before.since().unwrap_or(self.begins)
    }

    /// Counts what an attempt used that is not played.
    pub(super) fn used_before(&mut self, event: &UsageRecorded) {
        let Some(pool) = self.routes.get(&event.model) else { return };
        let (tokens, input, input_cached) =
            (event.usage.total(), event.usage.input, event.usage.input_cached);
        let money = if self.counts_money(pool, &event.service) {
            let made = Made { model: event.model.as_str(), tokens, input, input_cached };
            self.prices.cost(pool, made, event.ended)
        } else {
            Money::ZERO
        };
        self.before.settle(pool, &event.service, Quantity { tokens, money }, event.ended);
    }

    /// Whether an allocation has a budget in money.
    pub(super) fn counts_money(&self, pool: &PoolId, service: &ServiceId) -> bool {
        let terms = self.pools.get(pool).and_then(|terms| terms.allocations().get(service));
        let in_money = |budget: &Budget| matches!(budget.limit, BudgetLimit::Money(..));
        terms.is_some_and(|terms| terms.budgets.iter().any(in_money))
    }

    /// The ledger of a pool as the policy alone makes it: full, and its budgets used as they were.
    pub(super) fn ledger(&self, pool: &PoolId, terms: &PoolTerms) -> Ledger {
        let mut ledger = Ledger::default();
        let by = Authorship {
            author: "simulation".to_owned(),
            reason: "simulation".to_owned(),
            at: self.begins,
            commit: None,
        };
        for what in decisions(terms, self.begins) {
            ledger.evolve(&Event::Governed(Governed { by: by.clone(), what }));
        }
        self.before.put_into(pool, &ledger)
    }
}

/// What a pool is and who is entitled to what in it, bursts that are over left out.
fn decisions(terms: &PoolTerms, begins: Timestamp) -> impl Iterator<Item = TermsChanged> {
    let pool = terms.pool().cloned().map(TermsChanged::PoolDefined);
    let set = terms.allocations().iter();
    let set = set.map(|(service, terms)| TermsChanged::AllocationSet {
        service: service.clone(),
        terms: terms.clone(),
    });
    let counts = move |record: &&BurstRecord| {
        record.burst.window.end() > begins && terms.allocations().contains_key(&record.burst.service)
    };
    let bursts = terms.bursts().values().filter(counts).filter_map(BurstRecord::grant);
    pool.into_iter().chain(set).chain(bursts.map(TermsChanged::BurstGranted))
}
