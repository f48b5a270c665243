//! Plans of refill: what was decided about a pool, as rates and depths over time.
//!
//! A plan holds the edges of all bursts that were open when it was last decided, those that have passed since too. So it
//! depends on the decisions alone and not on when it is computed, and a bucket that nobody has looked at since before an
//! edge still finds it. It does not grow with bursts that are over.

use std::time::Duration;

use crate::amount::{Tokens, TokensPerMinute};
use crate::bucket::{Level, Plan, Segment};
use crate::burst::{Approval, Burst};
use crate::ids::ServiceId;
use crate::ledger::PoolTerms;
use crate::policy::Terms;
use crate::time::Timestamp;

/// How long an unused guarantee accumulates: the depth of a guarantee is its rate over this span.
pub const GUARANTEE_WINDOW: Duration = Duration::from_secs(10);
/// How long an unused pool accumulates: one minute, the window in which upstreams count. So does what may be borrowed.
pub const POOL_WINDOW: Duration = Duration::from_mins(1);

/// A rate and a depth before the first edge, and from each edge on, in order of time.
pub(in crate::ledger) struct Steps {
    pub(in crate::ledger) before: (TokensPerMinute, Level),
    pub(in crate::ledger) later: Vec<Segment>,
}

impl PoolTerms {
    /// How the pool refills: at its capacity, a minute deep.
    pub fn plan_of_pool(&self) -> Plan {
        Plan::flat(self.capacity(), over(self.capacity(), POOL_WINDOW))
    }

    /// How a service's guarantee refills: its baseline and, within their windows, its guaranteed bursts.
    pub fn plan_of_guarantee(&self, service: &ServiceId) -> Plan {
        self.allocations.get(service).map_or_else(Plan::none, |terms| self.guarantee(service, terms).into())
    }

    /// How what a service may borrow refills: what its ceiling has above its baseline and, within their windows, its
    /// best-effort bursts.
    pub fn plan_of_borrowing(&self, service: &ServiceId) -> Plan {
        let Some(terms) = self.allocations.get(service) else { return Plan::none() };
        let above = |rates: Rates| rates.ceiling.saturating_sub(rates.baseline);
        let depth = |rate| over(rate, POOL_WINDOW);
        steps(terms, above, self.approved(service, Approval::BestEffort), depth).into()
    }

    pub(in crate::ledger) fn guarantee(&self, service: &ServiceId, terms: &Terms) -> Steps {
        let depth = |rate| depth_of_guarantee(rate, terms.request_max);
        steps(terms, |rates| rates.baseline, self.approved(service, Approval::Guaranteed), depth)
    }

    fn approved(&self, service: &ServiceId, approval: Approval) -> impl Iterator<Item = &Burst> {
        self.bursts_of(service)
            .filter(move |record| record.approval() == Some(approval))
            .map(|record| &record.burst)
    }
}

impl From<Steps> for Plan {
    fn from(steps: Steps) -> Self {
        let (rate, depth) = steps.before;
        Self::flat(rate, depth).followed_by(steps.later)
    }
}

/// What an allocation has without bursts, before or after it lapses.
#[derive(Clone, Copy)]
struct Rates {
    baseline: TokensPerMinute,
    ceiling: TokensPerMinute,
}

fn steps<'a>(
    terms: &Terms,
    rate_of: impl Fn(Rates) -> TokensPerMinute,
    bursts: impl Iterator<Item = &'a Burst>,
    depth: impl Fn(TokensPerMinute) -> Level,
) -> Steps {
    let rates = Rates { baseline: terms.baseline, ceiling: terms.ceiling };
    let before = rate_of(rates);
    let grants = bursts.flat_map(|burst| {
        let extra = i128::from(burst.extra.get());
        [(burst.window.start(), extra), (burst.window.end(), -extra)]
    });
    let lapses = terms.lapse.map(|lapse| {
        let left = Rates { baseline: rates.baseline.min(lapse.to), ceiling: rates.ceiling.min(lapse.to) };
        (lapse.at, i128::from(rate_of(left).get()) - i128::from(before.get()))
    });
    let mut edges: Vec<(Timestamp, i128)> = grants.chain(lapses).collect();
    edges.sort_unstable();
    let mut sum = i128::from(before.get());
    let segment = |edges: &[(Timestamp, i128)]| {
        sum += edges.iter().map(|(_, by)| by).sum::<i128>();
        let rate = TokensPerMinute::new(u64::try_from(sum).unwrap_or(u64::MAX));
        Segment { from: edges[0].0, rate, depth: depth(rate) }
    };
    let later = edges.chunk_by(|one, next| one.0 == next.0).map(segment).collect();
    Steps { before: (before, depth(before)), later }
}

/// How deep a guarantee is: its window, or its largest request if that is more. Nothing is guaranteed at no rate.
fn depth_of_guarantee(rate: TokensPerMinute, request_max: Tokens) -> Level {
    if rate == TokensPerMinute::ZERO {
        return Level::ZERO;
    }
    over(rate, GUARANTEE_WINDOW).max(Level::from_tokens(request_max))
}

fn over(rate: TokensPerMinute, window: Duration) -> Level {
    Level::from_rate(rate, i128::try_from(window.as_nanos()).unwrap_or(i128::MAX))
}
