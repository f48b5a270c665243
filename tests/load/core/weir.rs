//! Weir's side: a reservation and its settle at a pool's desk.

use std::time::Duration;

use async_trait::async_trait;
use weir_domain::amount::{Money, Tokens};
use weir_domain::ledger::Quantity;
use weir_tests::load::cpu::CpuClock;
use weir_tests::load::desk::{DeskAtWork, pool_of, terms};
use weir_tests::load::rounds::{Load, Sample, Side};

use super::order::Order;
use super::timed::{EVENTS, sample};
use super::{ALLOCATIONS, BASELINE, NEED, USED};

/// Pairs at a rate, of allocations in an order.
pub(super) struct Pairs {
    name: &'static str,
    work: DeskAtWork,
    order: Order,
    /// How much time passes at the desk from pair to pair.
    apart: Duration,
}

impl Pairs {
    /// So many pairs a second of the desk's own time, of allocations with so many budgets.
    pub(super) fn new(name: &'static str, order: Order, per_second: u32, budgets: usize) -> Self {
        let work = pool_of(ALLOCATIONS, 2, &terms(BASELINE, budgets));
        Self { name, work, order, apart: Duration::from_secs(1) / per_second }
    }

    /// The same, some pairs later: slices are as large as they get.
    pub(super) fn after(mut self, pairs: u32) -> Self {
        (0..pairs).for_each(|_| self.pair());
        self
    }

    fn pair(&mut self) {
        let number = self.order.draw();
        self.work.pass(self.apart);
        let hold = self.work.reserve(number, NEED).expect("there is plenty");
        assert!(self.work.settle(number, hold, USED), "a hold is settled once");
    }
}

#[async_trait(?Send)]
impl Side for Pairs {
    fn name(&self) -> &'static str {
        self.name
    }

    fn clocks(&self) -> Vec<CpuClock> {
        Vec::new()
    }

    async fn run(&mut self, _: Load, span: Duration) -> anyhow::Result<Sample> {
        let before = self.work.events();
        let (mut figures, pairs) = sample(span, || self.pair());
        #[expect(clippy::cast_precision_loss, reason = "nobody makes 2^52 events in a round")]
        figures.push((EVENTS, (self.work.events() - before) as f64 / pairs as f64));
        Ok(figures)
    }
}

/// Whether a request would pass, and nothing more.
pub(super) struct Check {
    work: DeskAtWork,
    order: Order,
}

impl Check {
    /// Of evenly used allocations.
    pub(super) fn new() -> Self {
        Self { work: pool_of(ALLOCATIONS, 2, &terms(BASELINE, 0)), order: Order::even(ALLOCATIONS) }
    }
}

#[async_trait(?Send)]
impl Side for Check {
    fn name(&self) -> &'static str {
        "Weir: check"
    }

    fn clocks(&self) -> Vec<CpuClock> {
        Vec::new()
    }

    async fn run(&mut self, _: Load, span: Duration) -> anyhow::Result<Sample> {
        let need = Quantity { tokens: Tokens::new(NEED), money: Money::ZERO };
        let (figures, _) = sample(span, || {
            let service = self.work.service(self.order.draw());
            assert!(self.work.desk.ledger().would_admit(service, need).is_ok(), "there is plenty");
        });
        Ok(figures)
    }
}
