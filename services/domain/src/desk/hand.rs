//! What the desk has in hand of one allocation: its slices, its requests a minute, its requests under way.

use crate::amount::{Money, RequestsPerMinute, Tokens, TokensPerMinute};
use crate::bucket::{Bucket, Level, Plan};
use crate::desk::holds::HOLDS_PER_ALLOCATION_MAX;
use crate::desk::in_hand::InHand;
use crate::ids::{HOLD_TOKENS_MAX, SliceId};
use crate::ledger::{GUARANTEE_WINDOW, Limit, Quantity};
use crate::policy::{Enforcement, Terms};
use crate::time::Timestamp;

/// One allocation at the desk. What every request needs comes first, and in as few lines of a processor's cache as it fits:
/// going from one allocation to another is most of what a request costs.
#[derive(Debug, Clone)]
#[repr(C, align(64))]
pub(super) struct Hand {
    pub(super) current: Option<InHand>,
    demand: Demand,
    /// What of the terms every request is held against; none without an allocation.
    limits: Option<Limits>,
    /// Until when it may draw what it does now: up to a burst's edge, for instance.
    edge: Option<Timestamp>,
    /// How many holds are under way, as far as this desk knows: after a crash it begins with none, and counts those from
    /// before only as nodes declare them ([`crate::desk::Desk::redeclare`]). So for as long as that takes, a limit on
    /// requests under way lets through as many as there were; what they hold is counted all the same.
    in_flight: u32,
    requests: Option<Box<RequestBucket>>,
    /// How much it may draw now, as a rate.
    entitled: TokensPerMinute,
    pub(super) next: Option<InHand>,
    /// A slice that no limit of the allocation has room for, of which shadow mode hands out what would be refused.
    pub(super) unenforced: Option<InHand>,
    /// Requests that passed in shadow mode only, by limit, and what they asked; not told yet.
    pub(super) shadowed: Vec<(Limit, u64, Tokens)>,
}

/// The terms that the desk itself looks after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Not more than a hold can have.
    pub(super) request_max: Tokens,
    /// Stated, or else what every allocation is bound by.
    pub(super) in_flight_max: u32,
    pub(super) is_enforced: bool,
}

impl Limits {
    fn of(terms: &Terms) -> Self {
        let in_flight_max = terms
            .in_flight_max
            .map_or(HOLDS_PER_ALLOCATION_MAX, |stated| stated.min(HOLDS_PER_ALLOCATION_MAX));
        let is_enforced = terms.enforcement == Enforcement::Enforced;
        Self { request_max: terms.request_max.min(HOLD_TOKENS_MAX), in_flight_max, is_enforced }
    }
}

/// A bucket in which a token is a request.
#[derive(Debug, Clone)]
struct RequestBucket {
    limit: RequestsPerMinute,
    plan: Plan,
    bucket: Bucket,
}

/// As deep as a guarantee's window: what was not asked for ten seconds is there at once.
const WINDOW_NS: i128 = GUARANTEE_WINDOW.as_nanos().cast_signed();
const ONE: Level = Level::from_units(crate::bucket::UNITS_PER_TOKEN);

impl RequestBucket {
    fn new(limit: RequestsPerMinute, now: Timestamp, full: bool) -> Self {
        let rate = TokensPerMinute::new(limit.get());
        let depth = Level::from_rate(rate, WINDOW_NS).max(ONE);
        let level = if full { depth } else { Level::ZERO };
        Self { limit, plan: Plan::flat(rate, depth), bucket: Bucket::new(level, now) }
    }
}

impl Hand {
    pub(super) fn new() -> Self {
        Self {
            current: None,
            demand: Demand::default(),
            limits: None,
            edge: None,
            in_flight: 0,
            requests: None,
            entitled: TokensPerMinute::ZERO,
            next: None,
            unenforced: None,
            shadowed: Vec::new(),
        }
    }

    /// Asks memory for all that a request needs of it, at once: line by line as it is come to, that is most of the time that
    /// going from one allocation to another takes.
    pub(super) fn touch(&self) {
        let slice = self.current.as_ref().map(|current| current.slice);
        std::hint::black_box((slice, self.demand.second, self.edge, self.in_flight));
    }

    /// Takes terms. A limit on requests that is the same keeps what was used of it.
    pub(super) fn entitle(&mut self, terms: Option<&Terms>, now: Timestamp, full: bool) {
        self.limits = terms.map(Limits::of);
        self.limit(terms.and_then(|terms| terms.requests), now, full);
    }

    pub(super) const fn limits(&self) -> Option<Limits> {
        self.limits
    }

    /// Whether what was drawn is no longer what may be drawn.
    pub(super) fn is_past_an_edge(&self, now: Timestamp) -> bool {
        self.edge.is_some_and(|edge| edge <= now)
    }

    /// Takes what the account may draw now, as a rate, and until when. Whether that is less than before.
    pub(super) fn entitle_to(&mut self, rate: TokensPerMinute, until: Option<Timestamp>) -> bool {
        self.edge = until;
        let before = std::mem::replace(&mut self.entitled, rate);
        rate < before
    }

    fn limit(&mut self, limit: Option<RequestsPerMinute>, now: Timestamp, full: bool) {
        let before = self.requests.as_ref();
        if before.map(|requests| requests.limit) == limit {
            return;
        }
        let left = before.map(|requests| requests.bucket.level_at(&requests.plan, now));
        self.requests = limit.map(|limit| {
            let mut requests = RequestBucket::new(limit, now, full);
            if let Some(left) = left {
                requests.bucket = Bucket::new(left.min(requests.plan.at(now).depth), now);
            }
            Box::new(requests)
        });
    }

    pub(super) const fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// How many requests could be made at once, if they are limited.
    pub(super) fn requests_available(&self, now: Timestamp) -> Option<u64> {
        self.requests_left(now).map(|(left, _)| left)
    }

    /// The same, and how many could be had nobody made any.
    pub(super) fn requests_left(&self, now: Timestamp) -> Option<(u64, u64)> {
        let RequestBucket { bucket, plan, .. } = self.requests.as_deref()?;
        let (left, depth) = (bucket.level_at(plan, now), plan.at(now).depth);
        Some((left.available().get(), depth.available().get()))
    }

    /// The limit on requests and when one more is admitted, if none is now.
    pub(super) fn requests_used(&self, now: Timestamp) -> Option<(RequestsPerMinute, Option<Timestamp>)> {
        let requests = self.requests.as_ref()?;
        let first = requests.bucket.first_at_least(&requests.plan, ONE, now);
        first.is_none_or(|first| first > now).then_some((requests.limit, first))
    }

    /// A request begins.
    ///
    /// One that passes in shadow mode although requests are used up takes none: it would not have been made.
    pub(super) fn admitted(&mut self, need: Quantity, now: Timestamp) {
        self.in_flight += 1;
        self.demand.add(need, now);
        let one_left = self.requests_used(now).is_none();
        if let Some(requests) = self.requests.as_mut().filter(|_| one_left) {
            requests.bucket.take(&requests.plan, ONE, now);
        }
    }

    /// A request that was admitted before this desk was.
    pub(super) fn begun(&mut self) {
        self.in_flight += 1;
    }

    pub(super) fn ended(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// How much was asked for in about the last second.
    pub(super) fn demand(&self, now: Timestamp) -> Quantity {
        self.demand.at(now)
    }

    /// What could be handed out without drawing.
    pub(super) fn free(&self) -> Quantity {
        let free = |slice: &Option<InHand>| slice.as_ref().map_or(Quantity::ZERO, InHand::whole);
        free(&self.current).plus(free(&self.next))
    }

    /// The slice of this id, if it is in hand.
    pub(super) fn find(&mut self, slice: SliceId) -> Option<&mut InHand> {
        let held = [&mut self.current, &mut self.next, &mut self.unenforced];
        held.into_iter().flatten().find(|held| held.slice == slice)
    }

    /// How many holds were handed out of a slice that is in hand.
    pub(super) fn handed_out(&self, slice: SliceId) -> Option<u32> {
        let mut held = [&self.current, &self.next, &self.unenforced].into_iter().flatten();
        held.find(|held| held.slice == slice).map(InHand::handed_out)
    }

    /// Notes a request that passes in shadow mode only.
    pub(super) fn shadow(&mut self, limit: Limit, tokens: Tokens) {
        match self.shadowed.iter_mut().find(|(name, ..)| *name == limit) {
            Some((_, requests, sum)) => {
                *requests += 1;
                *sum += tokens;
            }
            None => self.shadowed.push((limit, 1, tokens)),
        }
    }
}

/// What was asked for, by second.
#[derive(Debug, Clone, Default)]
struct Demand {
    second: i64,
    this: Quantity,
    last: Quantity,
}

impl Demand {
    fn add(&mut self, need: Quantity, now: Timestamp) {
        let second = now.as_secs();
        if second != self.second {
            self.last = if second == self.second + 1 { self.this } else { Quantity::ZERO };
            (self.second, self.this) = (second, Quantity::ZERO);
        }
        self.this = self.this.plus(need);
    }

    fn at(&self, now: Timestamp) -> Quantity {
        let larger = |a: Quantity, b: Quantity| Quantity {
            tokens: a.tokens.max(b.tokens),
            money: Money::new(a.money.get().max(b.money.get())),
        };
        match now.as_secs() - self.second {
            0 => larger(self.this, self.last),
            1 => self.this,
            _ => Quantity::ZERO,
        }
    }
}
