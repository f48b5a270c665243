//! Policy: what an organisation wants its pools, teams, services and prices to be.
//!
//! A policy is a whole, checked in [`problems`] for what can be checked without the ledger: names that refer to something,
//! numbers that make sense. [`warnings`] names what is sound and may still surprise. What a service may have for which
//! nobody answers is in [`Terms::exceeds_sandbox`]. Files and lines are the business of whoever read them.

mod allocations;
mod at_stake;
mod fit;
mod grants;
mod names;
mod problems;
mod sandbox;
mod senseless;
mod warnings;

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod scenarios;

pub use allocations::REQUEST_TOKENS_MAX;
pub use at_stake::{budgets_at_stake, warn_of_used_up};
pub(crate) use fit::misfits;
pub(crate) use grants::check_start;
pub use grants::{problems_of_burst, problems_of_exception};
pub use problems::{PolicyProblem, problems};
pub(crate) use sandbox::Waivers;
pub use warnings::warnings;

use std::time::Duration;

use crate::amount::{RequestsPerMinute, Tokens, TokensPerMinute};
use crate::budget::Budget;
use crate::burst::GrantedBurst;
use crate::ids::{DeploymentId, ExceptionId, ModelName, PoolId, ServiceId, TeamId, UpstreamId};
use crate::price::Price;
use crate::time::Timestamp;

/// All that an organisation has decided.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Shared capacity.
    pub pools: Vec<Pool>,
    /// Who owns services.
    pub teams: Vec<Team>,
    /// The workloads.
    pub services: Vec<Service>,
    /// Time-boxed grants that have been approved. One that is left out goes on: a burst ends by its end or by being revoked.
    pub bursts: Vec<GrantedBurst>,
    /// Deviations from policy. One that is left out goes on, as with bursts.
    pub exceptions: Vec<Exception>,
    /// What tokens cost.
    pub prices: Vec<Price>,
}

/// Rules for the policy itself, which the quota service has from its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The most that a service without a named owner and a use case may reach in a pool, by guarantee or by borrowing.
    pub sandbox: TokensPerMinute,
    /// Whether whoever asked for a burst may approve it and extend it.
    pub requester_may_approve: bool,
}

/// Shared capacity: deployments of a model class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub id: PoolId,
    /// How many tokens a minute its deployments serve together.
    pub capacity: TokensPerMinute,
    /// How many requests a minute they serve together, if that is a limit. Then every allocation must state its own
    /// requests a minute, and all of them together must fit.
    pub requests: Option<RequestsPerMinute>,
    /// How much of the spare that an idle pool has is kept from borrowers, by their priority.
    pub thresholds: Thresholds,
    /// The models it serves.
    pub models: Vec<Model>,
    /// Where they are served.
    pub deployments: Vec<Deployment>,
}

/// The percentage of an idle pool's spare that a borrower must leave, by its priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Thresholds {
    /// For critical services.
    pub critical_percent: u8,
    /// For standard ones.
    pub standard_percent: u8,
    /// For batch work.
    pub batch_percent: u8,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { critical_percent: 0, standard_percent: 20, batch_percent: 50 }
    }
}

impl Thresholds {
    /// The percentage for a priority.
    pub const fn of(&self, priority: Priority) -> u8 {
        match priority {
            Priority::Critical => self.critical_percent,
            Priority::Standard => self.standard_percent,
            Priority::Batch => self.batch_percent,
        }
    }
}

/// A model that callers can ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// The name callers use.
    pub name: ModelName,
    /// The tokenizer that counts for it.
    pub encoding: Encoding,
    /// The most output tokens it generates for one request; zero for embeddings.
    pub output_max: Tokens,
}

/// A tokenizer of OpenAI's, by its published name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// `o200k_base`: the gpt-4o, gpt-4.1, gpt-5 and o-series models.
    O200kBase,
    /// `cl100k_base`: gpt-4, gpt-3.5-turbo and the text-embedding-3 models.
    Cl100kBase,
}

/// A model served by an upstream under some name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The endpoint, as the gateway's configuration names it.
    pub upstream: UpstreamId,
    /// The name there.
    pub id: DeploymentId,
    /// The model it serves.
    pub model: ModelName,
}

/// A team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// Its short name.
    pub id: TeamId,
    /// What people call it.
    pub title: String,
    /// Where to reach it: an address, a channel. May be empty.
    pub contact: String,
}

/// A workload of a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub id: ServiceId,
    /// The team that owns it.
    pub team: TeamId,
    /// Who answers for it and what it is for.
    pub purpose: Purpose,
    /// Where it runs.
    pub environment: Environment,
    /// The most delicate data it sends.
    pub data_class: DataClass,
    /// The regions in which its data may be processed, as Azure names them; none stated means any.
    pub regions: Vec<String>,
    /// Who goes first when capacity is borrowed.
    pub priority: Priority,
    /// Its standing in pools.
    pub allocations: Vec<Allocation>,
}

impl Service {
    /// Whether somebody answers for it and says what for. One for which nobody does has no more than the sandbox.
    pub fn is_accountable(&self) -> bool {
        !self.purpose.owner.trim().is_empty() && !self.purpose.use_case.trim().is_empty()
    }
}

/// Why a service is there: what a reviewer asks. Every field may be empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Purpose {
    /// The person who answers for it.
    pub owner: String,
    /// Where to reach them.
    pub contact: String,
    /// The business use case.
    pub use_case: String,
    /// Who uses it, and how many they are.
    pub population: String,
    /// What happens when it is throttled.
    pub when_throttled: String,
    /// The metric that justifies it.
    pub metric: String,
}

/// Where a service runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Environment {
    /// In earnest.
    #[default]
    Production,
    /// On trial.
    Staging,
    /// On a desk.
    Development,
}

/// How delicate data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum DataClass {
    /// For everybody.
    Public,
    /// For the organisation.
    #[default]
    Internal,
    /// For some of it.
    Confidential,
    /// Under law or contract.
    Restricted,
}

/// Who goes first when capacity is borrowed. Guarantees do not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Priority {
    /// May borrow the last token.
    Critical,
    /// Leaves some for critical ones.
    #[default]
    Standard,
    /// Leaves more.
    Batch,
}

/// A service's standing in a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// The pool.
    pub pool: PoolId,
    /// What it is entitled to there.
    pub terms: Terms,
}

/// What an allocation is entitled to, bursts not counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The guaranteed rate.
    pub baseline: TokensPerMinute,
    /// The most it may reach by borrowing; at least the baseline, and equal to it where it may not borrow.
    pub ceiling: TokensPerMinute,
    /// How much of its unused guarantee others may borrow, as a rate; none stated means all of it.
    pub lending: Option<TokensPerMinute>,
    /// The largest request it may make. Where this is more than ten seconds of the baseline, the guarantee is that deep.
    pub request_max: Tokens,
    /// How many requests a minute it may make, if that is limited.
    pub requests: Option<RequestsPerMinute>,
    /// How many of its requests may be under way at once, if that is limited.
    pub in_flight_max: Option<u32>,
    /// Its service's priority.
    pub priority: Priority,
    /// What a gateway does when quota cannot be asked.
    pub failure: FailureMode,
    /// Whether refusals are enforced.
    pub enforcement: Enforcement,
    /// What it may use in a calendar period.
    pub budgets: Vec<Budget>,
    /// When what exceeds the sandbox ends, for a service that has it by exception only.
    pub lapse: Option<Lapse>,
}

impl Terms {
    /// A guarantee and nothing else: no borrowing, no further limit, all of it lendable, closed when quota is away.
    pub const fn guarantee(baseline: TokensPerMinute, request_max: Tokens) -> Self {
        Self {
            baseline,
            ceiling: baseline,
            lending: None,
            request_max,
            requests: None,
            in_flight_max: None,
            priority: Priority::Standard,
            failure: FailureMode::Closed,
            enforcement: Enforcement::Enforced,
            budgets: Vec::new(),
            lapse: None,
        }
    }
}

/// What a gateway does for an allocation while quota cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FailureMode {
    /// It refuses.
    #[default]
    Closed,
    /// It admits up to a bound: so many tokens in one outage at each gateway node. What was used is settled afterwards.
    Open {
        /// That bound.
        tokens_per_outage: Tokens,
    },
}

/// Whether refusals are enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Enforcement {
    /// They are.
    #[default]
    Enforced,
    /// They are decided and recorded, and the request passes all the same.
    Shadow,
}

/// The end of what a service has by exception only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lapse {
    /// When it ends.
    pub at: Timestamp,
    /// What baseline and ceiling are at most from then on.
    pub to: TokensPerMinute,
}

/// A deviation from policy: somebody answers for it, and it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// Its name.
    pub id: ExceptionId,
    /// Who deviates.
    pub service: ServiceId,
    /// From what.
    pub waives: Waiver,
    /// Who answers for it.
    pub owner: String,
    /// Why it is needed.
    pub reason: String,
    /// When it ends, by itself.
    pub end: Timestamp,
}

/// What an exception deviates from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Waiver {
    /// The sandbox limit of a service that names no owner or use case.
    SandboxLimit,
    /// A rule that people keep, in their words. Weir keeps it in the list and ends it, no more.
    Other(String),
}

/// What a rate brings within a span, in tokens.
fn within(rate: TokensPerMinute, span: Duration) -> u128 {
    u128::from(rate.get()) * span.as_nanos() / Duration::from_mins(1).as_nanos()
}
