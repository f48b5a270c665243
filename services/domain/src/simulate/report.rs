//! What a simulation finds, side by side: under the policy as it stands, and under the candidate.

use std::time::Duration;

use crate::amount::{Requests, Tokens, TokensPerMinute};
use crate::budget::Budget;
use crate::ids::{PoolId, ServiceId};
use crate::ledger::Shortage;
use crate::time::{Timestamp, Window};

/// Into how many equal parts the span is divided to be drawn: as many as fit a line of a terminal beside a name.
pub const CELLS: u32 = 60;

/// The same under both policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sides<T> {
    /// As the policy stands.
    pub now: T,
    /// As the candidate has it.
    pub candidate: T,
}

/// All that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What was looked at.
    pub span: Window,
    /// Each pool that was asked, in order of their names.
    pub pools: Vec<PoolReport>,
    /// Each service that asked, by pool and name.
    pub allocations: Vec<AllocationReport>,
}

/// A pool under both policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolReport {
    /// The pool.
    pub pool: PoolId,
    /// What came of it.
    pub outcomes: Sides<PoolOutcome>,
}

/// A service in a pool under both policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocationReport {
    /// The pool.
    pub pool: PoolId,
    /// The service.
    pub service: ServiceId,
    /// What was refused in the span when it was the present, as far as gateways have told. It is not played.
    pub refused_then: Amount,
    /// What came of it.
    pub outcomes: Sides<Outcome>,
}

/// Requests and their tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// How many requests: attempts, each by itself.
    pub requests: Requests,
    /// How many tokens: those that they used in fact.
    pub tokens: Tokens,
}

impl Amount {
    /// Adds so many requests with so many tokens together.
    pub(super) fn add(&mut self, requests: u64, tokens: Tokens) {
        self.requests += Requests::new(requests);
        self.tokens += tokens;
    }
}

/// What came of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PoolOutcome {
    /// Its capacity; none if the policy has no such pool.
    pub capacity: Option<TokensPerMinute>,
    /// All that was asked of it.
    pub asked: Amount,
    /// What of it was refused.
    pub refused: Amount,
    /// How many tokens were borrowed.
    pub borrowed: Tokens,
    /// The minute in which most was asked.
    pub peak: Option<Busiest>,
    /// Where guarantees exceed the pool within the span, for instance because of a burst that is over: there a service
    /// inside its baseline may be served at the cost of the pool.
    pub shortage: Option<Shortage>,
}

/// What came of a service in a pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// What it is entitled to; none if it has no allocation there.
    pub entitled: Option<Entitled>,
    /// All that it asked.
    pub asked: Amount,
    /// What of it was refused.
    pub refused: Amount,
    /// The same by limit, in order of their names.
    pub by_limit: Vec<RefusedBy>,
    /// What passed in shadow mode only.
    pub shadowed: Amount,
    /// How many tokens of what it used were borrowed.
    pub borrowed: Tokens,
    /// The minute in which it asked most.
    pub peak: Option<Busiest>,
    /// The minute in which most was refused to it.
    pub worst: Option<Busiest>,
    /// Its budgets at the end of the span.
    pub budgets: Vec<BudgetLevel>,
    /// The span in [`CELLS`] equal parts; none if it asked nothing.
    pub cells: Vec<Cell>,
}

/// What a service is entitled to, bursts not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entitled {
    /// Its guarantee.
    pub baseline: TokensPerMinute,
    /// Up to where it may borrow.
    pub ceiling: TokensPerMinute,
    /// Whether it is in shadow mode.
    pub shadow: bool,
}

/// What one limit refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedBy {
    /// Its name, as refusals have it.
    pub limit: &'static str,
    /// How much.
    pub refused: Amount,
    /// When for the first time.
    pub first: Timestamp,
    /// The longest that somebody would have been told to wait.
    pub longest_retry: Option<Duration>,
    /// Requests that no waiting would have helped by itself.
    pub without_retry: Requests,
}

/// A minute and what fell into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busiest {
    /// When it begins.
    pub minute: Timestamp,
    /// What fell into it.
    pub amount: Amount,
}

/// How far a budget is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetLevel {
    /// The budget.
    pub budget: Budget,
    /// Settled or held: tokens, or nano-units of money.
    pub used: u64,
    /// The period that it is used in.
    pub period: Window,
}

/// A part of the span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cell {
    /// Requests that began in it.
    pub requests: Requests,
    /// Those of them that were refused.
    pub refused: Requests,
    /// What all of them used.
    pub tokens: Tokens,
    /// What of it was borrowed.
    pub borrowed: Tokens,
}
