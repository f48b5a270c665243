//! What is counted of facts that the journal has, and of the pool as a whole once a second.

use std::collections::HashMap;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use weir_domain::amount::Tokens;
use weir_domain::bucket::Level;
use weir_domain::fact::QuotaFact;
use weir_domain::ids::{BudgetId, PoolId, ServiceId};
use weir_domain::ledger::{Ledger, Limit, Moved, Movement};

use super::{
    APPEND, BATCH, BORROWED, BORROWED_NOW, BUDGET_USED, DEBT, DRAWN, LAPSED, LENT, SHADOWED, SLICES,
    THRESHOLDS,
};

/// The movements of one pool.
pub(crate) struct Flow {
    pool: PoolId,
    slices_here: Counter,
    slices_at_nodes: Counter,
    drawn: Counter,
    borrowed: Counter,
    lapsed: Counter,
    debt: Counter,
    borrowed_now: Gauge,
    lent: Gauge,
    append: Histogram,
    batch: Histogram,
    budgets: HashMap<(ServiceId, BudgetId), Gauge>,
}

/// A pool as a whole at an instant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Survey {
    /// Borrowed and not refilled yet.
    borrowed: Level,
    /// What guarantees that overflow lend, in tokens a minute.
    lent: u64,
    /// How much of each budget is used, and how much it is.
    budgets: Vec<(ServiceId, BudgetId, u64, u64)>,
}

impl Survey {
    /// Costs a look at every account.
    pub(crate) fn of(ledger: &Ledger) -> Self {
        let mut survey = Self::default();
        for place in ledger.levels().places() {
            let account = ledger.account_at(place);
            survey.borrowed = survey.borrowed.plus(account.borrowed_at(ledger.at()));
            survey.lent += ledger.levels().lent(place).get();
            for state in account.budgets() {
                let used = state.used_at(ledger.at(), account.outstanding_unlapsed());
                survey.budgets.push((
                    account.service().clone(),
                    state.budget.id.clone(),
                    used,
                    state.limit(),
                ));
            }
        }
        survey
    }
}

impl Flow {
    pub(crate) fn new(id: &PoolId) -> Self {
        let pool = id.to_string();
        let slices = |holder: &'static str| counter!(SLICES, "pool" => pool.clone(), "holder" => holder);
        Self {
            slices_here: slices("quota"),
            slices_at_nodes: slices("node"),
            drawn: counter!(DRAWN, "pool" => pool.clone()),
            borrowed: counter!(BORROWED, "pool" => pool.clone()),
            lapsed: counter!(LAPSED, "pool" => pool.clone()),
            debt: counter!(DEBT, "pool" => pool.clone()),
            borrowed_now: gauge!(BORROWED_NOW, "pool" => pool.clone()),
            lent: gauge!(LENT, "pool" => pool.clone()),
            append: histogram!(APPEND, "pool" => pool.clone()),
            batch: histogram!(BATCH, "pool" => pool),
            budgets: HashMap::new(),
            pool: id.clone(),
        }
    }

    /// A group commit that the journal has taken or not, and how long that took.
    #[expect(clippy::cast_precision_loss, reason = "a group commit has far fewer than 2^53 events")]
    pub(crate) fn appended(&self, events: usize, took: Duration) {
        self.batch.record(events as f64);
        self.append.record(took.as_secs_f64());
    }

    /// A fact that the journal has taken.
    pub(crate) fn count(&self, fact: &QuotaFact) {
        if let QuotaFact::Moved { movements, .. } = fact {
            for movement in movements {
                self.moved(movement);
            }
        }
    }

    fn moved(&self, movement: &Movement) {
        let service = &movement.service;
        match &movement.what {
            Moved::Drawn(drawn) => {
                if drawn.holder.is_none() { &self.slices_here } else { &self.slices_at_nodes }.increment(1);
                self.drawn.increment(drawn.tokens.get());
                self.borrowed.increment(drawn.borrowed.available().get());
            }
            Moved::Settled { hold, used, .. } => {
                let excess = used.tokens.saturating_sub(hold.tokens());
                if excess > Tokens::ZERO {
                    self.debt.increment(excess.get());
                }
            }
            Moved::Lapsed { .. } => self.lapsed.increment(1),
            Moved::ThresholdReached { budget, percent } => self.reached(service, budget, *percent),
            Moved::Shadowed { limit, requests, .. } => self.shadowed(service, *limit, requests.get()),
            Moved::Sealed { .. } | Moved::BudgetOpened { .. } => {}
        }
    }

    fn reached(&self, service: &ServiceId, budget: &BudgetId, percent: u8) {
        let (pool, service) = (self.pool.to_string(), service.to_string());
        tracing::info!(pool, service, %budget, percent, "budget reached a threshold");
        let (budget, percent) = (budget.to_string(), percent.to_string());
        counter!(THRESHOLDS, "pool" => pool, "service" => service, "budget" => budget, "percent" => percent)
            .increment(1);
    }

    fn shadowed(&self, service: &ServiceId, limit: Limit, requests: u64) {
        let (pool, service) = (self.pool.to_string(), service.to_string());
        counter!(SHADOWED, "pool" => pool, "service" => service, "limit" => limit.as_str())
            .increment(requests);
    }

    /// Shows a pool as a whole.
    #[expect(clippy::cast_precision_loss, reason = "gauges need no more than 53 bits")]
    pub(crate) fn show(&mut self, survey: Survey) {
        self.borrowed_now.set(survey.borrowed.available().get() as f64);
        self.lent.set(survey.lent as f64);
        for (service, budget, used, limit) in survey.budgets {
            let gauge = self.budgets.entry((service, budget)).or_insert_with_key(|(service, budget)| {
                let (pool, service) = (self.pool.to_string(), service.to_string());
                gauge!(BUDGET_USED, "pool" => pool, "service" => service, "budget" => budget.to_string())
            });
            gauge.set(used as f64 / limit.max(1) as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_domain::amount::{Money, TokensPerMinute};
    use weir_domain::authorship::Authorship;
    use weir_domain::budget::{Budget, BudgetKind, BudgetLimit};
    use weir_domain::calendar::{Period, Zone};
    use weir_domain::desk::{Desk, Reserve};
    use weir_domain::ids::ReservationId;
    use weir_domain::ledger::{Change, Quantity};
    use weir_domain::policy::{Pool, Terms, Thresholds};
    use weir_domain::time::Timestamp;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_750_000_000);

    /// `chat` has 1,000 at once, may borrow 6,000 and spend 10,000 a day; `idle` has as much and lends all of it.
    fn desk() -> Desk {
        let define = Change::DefinePool(Pool {
            id: "gpt".parse().unwrap(),
            capacity: TokensPerMinute::new(60_000),
            requests: None,
            thresholds: Thresholds::default(),
            models: vec![],
            deployments: vec![],
        });
        let guarantee = Terms::guarantee(TokensPerMinute::new(6_000), Tokens::new(3_000));
        let budget = Budget {
            id: "daily".parse().unwrap(),
            limit: BudgetLimit::Tokens(Tokens::new(10_000)),
            period: Period::Day,
            zone: Zone::UTC,
            kind: BudgetKind::Hard,
            thresholds: vec![],
        };
        let terms =
            Terms { ceiling: TokensPerMinute::new(12_000), budgets: vec![budget], ..guarantee.clone() };
        let set = |service: &str, terms| Change::SetAllocation { service: service.parse().unwrap(), terms };
        let by = Authorship { author: "ada".into(), reason: "test".into(), at: NOW, commit: None };
        let mut desk = Desk::new(Ledger::default(), NOW);
        desk.change(&by, &[define, set("chat", terms), set("idle", guarantee)], None).what.unwrap();
        desk
    }

    fn reserve(number: u128, tokens: u64) -> Reserve {
        let minted = u128::from(NOW.as_millis().unsigned_abs()) << 80;
        let need = Quantity { tokens: Tokens::new(tokens), money: Money::ZERO };
        Reserve {
            reservation: ReservationId::new(minted | 7 << 76 | number),
            service: "chat".parse().unwrap(),
            need,
        }
    }

    #[test]
    fn a_survey_says_what_is_borrowed_lent_and_spent() {
        let mut desk = desk();
        for (number, tokens) in [(1, 3_000), (2, 1_000)] {
            assert!(desk.reserve(&reserve(number, tokens)).what.is_ok());
        }
        let survey = Survey::of(desk.ledger());
        let chat = "chat".parse().unwrap();
        let drawn = desk.ledger().account(&chat).unwrap().totals().drawn.get();
        assert!(drawn >= 4_000);
        assert_eq!(survey.borrowed.available().get(), drawn - 3_000, "all but the guarantee");
        assert_eq!(survey.lent, 6_000, "the other's guarantee is full");
        assert_eq!(survey.budgets, [(chat, "daily".parse().unwrap(), drawn, 10_000)]);
    }

    #[test]
    fn what_a_crash_left_is_spent_once_and_in_its_own_period_only() {
        let mut desk = desk();
        assert!(desk.reserve(&reserve(1, 3_000)).what.is_ok());
        let drawn = desk.ledger().account(&"chat".parse().unwrap()).unwrap().totals().drawn.get();
        let used = |desk: &Desk| Survey::of(desk.ledger()).budgets[0].2;
        let mut desk = Desk::new(desk.ledger().clone(), NOW);
        assert_eq!(used(&desk), drawn);
        desk.advance(NOW.plus(Duration::from_hours(48)));
        assert_eq!(used(&desk), 0, "another day has begun, and nobody has used anything in it");
    }
}
