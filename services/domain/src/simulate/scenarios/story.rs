//! The words of the stories: given a policy and what was used, when a candidate is simulated, then so much is refused.
//!
//! Every span is the hour before [`NOW`]; seconds are counted from its beginning.

use std::time::Duration;

use crate::amount::{Requests, Tokens};
use crate::authorship::Authorship;
use crate::ids::{AttemptId, EventId, HoldId, RequestId};
use crate::org::Org;
use crate::policy::sample::{NOW, RULES, id, pool, price, rate, service};
use crate::policy::{Allocation, Policy, Team, Terms};
use crate::simulate::{AllocationReport, Amount, Outcome, Report, Simulation, applied};
use crate::time::{Timestamp, Window};
use crate::usage::{
    AttemptOutcome, Operation, RefusalsCounted, TokenUsage, UsageBounds, UsageEvent, UsageRecorded,
    UsageSource,
};

const HOUR: Duration = Duration::from_hours(1);

/// A second of the span.
pub(super) fn second(second: i64) -> Timestamp {
    Timestamp::from_nanos(NOW.minus(HOUR).as_nanos() + second * 1_000_000_000)
}

pub(super) fn span() -> Window {
    Window::try_new(NOW.minus(HOUR), NOW).unwrap()
}

/// A guarantee of so many tokens a minute, for requests of a thousand.
pub(super) fn guarantee(baseline: u64) -> Terms {
    Terms::guarantee(rate(baseline), Tokens::new(1_000))
}

/// A pool of 60,000 tokens a minute for model `gpt-4o`, in which services have this.
pub(super) fn policy<const N: usize>(allocations: [(&str, Terms); N]) -> Policy {
    let entitled = |(name, terms)| {
        let allocations = vec![Allocation { pool: id("gpt"), terms }];
        crate::policy::Service { allocations, ..service(name, 1) }
    };
    Policy {
        pools: vec![pool("gpt", 60_000, "gpt-4o")],
        teams: vec![Team { id: id("web"), title: "Web".into(), contact: String::new() }],
        services: allocations.map(entitled).into(),
        prices: vec![price(1_000, Timestamp::EPOCH)],
        ..Policy::default()
    }
}

/// Usage of a service: equal requests, one after the other.
#[derive(Clone)]
pub(super) struct Usage {
    pub(super) service: &'static str,
    pub(super) model: &'static str,
    pub(super) from_s: i64,
    pub(super) every_s: i64,
    pub(super) requests: i64,
    pub(super) lasting_s: i64,
    pub(super) held: u64,
    pub(super) used: u64,
}

/// A thousand tokens every ten seconds for ten minutes, which are 6,000 a minute and 60 requests.
pub(super) fn usage(service: &'static str) -> Usage {
    let (held, used) = (1_000, 1_000);
    Usage { service, model: "gpt-4o", from_s: 0, every_s: 10, requests: 60, lasting_s: 2, held, used }
}

impl Usage {
    pub(super) fn events(&self) -> Vec<UsageEvent> {
        (0..self.requests).map(|number| self.event(self.from_s + number * self.every_s)).collect()
    }

    fn event(&self, at_s: i64) -> UsageEvent {
        let started = second(at_s);
        let ended = started.plus(Duration::from_secs(self.lasting_s.unsigned_abs()));
        attempt(self, started, ended)
    }
}

/// The fact of one attempt. Its identity follows from the service and when it began.
pub(super) fn attempt(usage: &Usage, started: Timestamp, ended: Timestamp) -> UsageEvent {
    let number = u128::from(started.as_nanos().unsigned_abs());
    let tokens = TokenUsage { input: Tokens::new(usage.used), ..TokenUsage::default() };
    UsageEvent::Recorded(Box::new(UsageRecorded {
        id: EventId::new(number),
        node: id(&format!("gateway-of-{}", usage.service)),
        request: RequestId::new(number),
        attempt: AttemptId::new(number),
        attempt_number: 1,
        team: id("web"),
        service: id(usage.service),
        caller_key: id("key"),
        pool: id("gpt"),
        upstream: id("eastus"),
        deployment: id("gpt-4o"),
        model: id(usage.model),
        operation: Operation::ChatCompletions,
        streamed: false,
        started,
        ended,
        first_byte_after: None,
        upstream_status: Some(200),
        outcome: AttemptOutcome::Completed,
        usage: tokens,
        usage_source: UsageSource::Reported,
        bounds: UsageBounds::exact(tokens.total()),
        hold: HoldId::new(number),
        held: Tokens::new(usage.held),
        traceparent: String::new(),
    }))
}

/// A gateway's count of what it refused.
pub(super) fn counted(service: &str, requests: u64, tokens: u64, at_s: i64) -> UsageEvent {
    UsageEvent::Refused(RefusalsCounted {
        id: EventId::new(u128::from(at_s.unsigned_abs())),
        node: id("gateway-1"),
        team: id("web"),
        service: id(service),
        pool: id("gpt"),
        model: id("gpt-4o"),
        limit: "baseline".into(),
        count: Requests::new(requests),
        tokens: Tokens::new(tokens),
        from: second(at_s - 10),
        to: second(at_s),
    })
}

/// A policy as it stands, and the past.
pub(super) struct Given {
    pub(super) org: Org,
    pub(super) past: Vec<UsageEvent>,
}

pub(super) fn by() -> Authorship {
    Authorship { author: "ada".into(), reason: "story".into(), at: NOW, commit: None }
}

pub(super) fn given(policy: &Policy) -> Given {
    Given { org: applied(&Org::default(), policy, &RULES, &by()).unwrap(), past: Vec::new() }
}

impl Given {
    pub(super) fn used(mut self, usage: &Usage) -> Self {
        self.past.extend(usage.events());
        self
    }

    pub(super) fn and(mut self, event: UsageEvent) -> Self {
        self.past.push(event);
        self
    }

    /// The report of a candidate over the whole hour.
    pub(super) fn when_simulated_under(&self, candidate: &Policy) -> Found {
        let candidate = applied(&self.org, candidate, &RULES, &by()).unwrap();
        let mut simulation = Simulation::new(&self.org, &candidate, span());
        self.past.iter().for_each(|event| simulation.take(event).unwrap());
        Found(simulation.begin().report())
    }
}

/// What was found.
#[derive(Debug, PartialEq)]
pub(super) struct Found(pub(super) Report);

impl Found {
    pub(super) fn allocation(&self, service: &str) -> &AllocationReport {
        let found = self.0.allocations.iter().find(|found| found.service.as_str() == service);
        found.unwrap_or_else(|| panic!("{service} is not in {self:?}"))
    }

    pub(super) fn candidate(&self, service: &str) -> &Outcome {
        &self.allocation(service).outcomes.candidate
    }

    pub(super) fn now(&self, service: &str) -> &Outcome {
        &self.allocation(service).outcomes.now
    }

    /// Requests that the candidate refuses, by limit.
    pub(super) fn refused(&self, service: &str) -> Vec<(&'static str, u64)> {
        refused(self.candidate(service))
    }

    /// Tokens that the candidate lets a service borrow.
    pub(super) fn borrowed(&self, service: &str) -> u64 {
        self.candidate(service).borrowed.get()
    }
}

pub(super) fn refused(outcome: &Outcome) -> Vec<(&'static str, u64)> {
    outcome.by_limit.iter().map(|by| (by.limit, by.refused.requests.get())).collect()
}

pub(super) fn amount(requests: u64, tokens: u64) -> Amount {
    Amount { requests: Requests::new(requests), tokens: Tokens::new(tokens) }
}
