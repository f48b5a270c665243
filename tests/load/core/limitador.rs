//! The other side: Limitador, in process and in memory, with one counter for each service.
//!
//! The contexts that its limits are weighed in are made beforehand: whoever serves calls makes one for each.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use limitador::RateLimiter;
use limitador::limit::{Context, Limit, Namespace};
use weir_tests::load::cpu::CpuClock;
use weir_tests::load::rounds::{Load, Sample, Side};

use super::order::Order;
use super::timed::sample;
use super::{ALLOCATIONS, NEED, USED};

/// Longer than a benchmark takes: no window begins anew.
const WINDOW_S: u64 = 86_400;
/// More than a benchmark uses.
const PLENTY: u64 = 1 << 50;

/// What is asked of it.
#[derive(Clone, Copy)]
pub(super) enum Ask {
    /// Whether a request would pass.
    Check,
    /// The same, and count it.
    CheckAndUpdate,
    /// Hold, then count what was used.
    ReserveAndCommit,
}

/// Limitador and what it is asked.
pub(super) struct Limitador {
    ask: Ask,
    limiter: RateLimiter,
    namespace: Namespace,
    contexts: Vec<Context<'static>>,
    order: Order,
}

/// A limiter with a counter for every service, each with the same limit.
pub(super) fn limiter(namespace: &str, counters: usize, max: u64) -> RateLimiter {
    let limiter = RateLimiter::new(counters as u64 * 2);
    let service = "service".try_into().expect("it is an expression");
    limiter.add_limit(Limit::new(namespace, max, WINDOW_S, vec![], vec![service]));
    limiter
}

/// What says whose counter it is.
pub(super) fn context(number: usize) -> Context<'static> {
    HashMap::from([("service".to_owned(), format!("service-{number:05}"))]).into()
}

impl Limitador {
    /// Limitador, asked so.
    pub(super) fn new(ask: Ask) -> Self {
        let contexts = (0..ALLOCATIONS).map(context).collect();
        let (limiter, order) = (limiter("chat", ALLOCATIONS, PLENTY), Order::even(ALLOCATIONS));
        Self { ask, limiter, namespace: "chat".into(), contexts, order }
    }

    fn once(&mut self) -> Result<(), limitador::errors::LimitadorError> {
        let (context, limiter) = (&self.contexts[self.order.draw()], &self.limiter);
        match self.ask {
            Ask::Check => {
                assert!(!limiter.is_rate_limited(&self.namespace, context, NEED)?.limited, "there is plenty");
            }
            Ask::CheckAndUpdate => {
                let checked = limiter.check_rate_limited_and_update(&self.namespace, context, NEED)?;
                assert!(!checked.limited, "there is plenty");
            }
            Ask::ReserveAndCommit => {
                let held = limiter.reserve(&self.namespace, context, NEED, None)?;
                let held = held.reservation_id.as_ref();
                let committed = limiter.commit_reservation(&self.namespace, context, held, USED)?;
                assert!(committed.reservation_released, "it was held");
            }
        }
        Ok(())
    }
}

#[async_trait(?Send)]
impl Side for Limitador {
    fn name(&self) -> &'static str {
        match self.ask {
            Ask::Check => "Limitador: check",
            Ask::CheckAndUpdate => "Limitador: check and update",
            Ask::ReserveAndCommit => "Limitador: reserve and commit",
        }
    }

    fn clocks(&self) -> Vec<CpuClock> {
        Vec::new()
    }

    async fn run(&mut self, _: Load, span: Duration) -> anyhow::Result<Sample> {
        let mut problem = None;
        let (figures, _) = sample(span, || problem = problem.take().or(self.once().err()));
        problem.map_or(Ok(figures), |problem| Err(anyhow::anyhow!("{problem}")))
    }
}
