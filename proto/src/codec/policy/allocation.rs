//! Allocations: what a service is entitled to in a pool.

use super::DecodeError;
use super::budget::{budget_from_wire, budget_to_wire};
use super::values::{known, parsed, timestamp_from_wire, timestamp_to_wire};
use crate::governance::v1 as wire;
use weir_domain::amount::{RequestsPerMinute, Tokens, TokensPerMinute};
use weir_domain::ids::PoolId;
use weir_domain::policy::{Allocation, Enforcement, FailureMode, Lapse, Priority, Terms};

/// What a service is entitled to in a pool, for the wire.
pub fn allocation_to_wire(pool: &PoolId, terms: &Terms) -> wire::Allocation {
    wire::Allocation {
        pool: pool.to_string(),
        baseline_per_minute: terms.baseline.get(),
        request_max: terms.request_max.get(),
        ceiling_per_minute: terms.ceiling.get(),
        lending_per_minute: terms.lending.map(TokensPerMinute::get),
        requests_per_minute: terms.requests.map(RequestsPerMinute::get),
        in_flight_max: terms.in_flight_max,
        open_tokens_per_outage: failure_to_wire(terms.failure),
        shadow: terms.enforcement == Enforcement::Shadow,
        budgets: terms.budgets.iter().map(budget_to_wire).collect(),
        priority: priority_to_wire(terms.priority).into(),
        lapse: terms.lapse.map(lapse_to_wire),
    }
}

/// What a service is entitled to in a pool, from the wire.
pub fn allocation_from_wire(wire: &wire::Allocation) -> Result<Allocation, DecodeError> {
    let ceiling = match wire.ceiling_per_minute {
        0 => wire.baseline_per_minute,
        ceiling => ceiling,
    };
    let terms = Terms {
        baseline: TokensPerMinute::new(wire.baseline_per_minute),
        ceiling: TokensPerMinute::new(ceiling),
        lending: wire.lending_per_minute.map(TokensPerMinute::new),
        request_max: Tokens::new(wire.request_max),
        requests: wire.requests_per_minute.map(RequestsPerMinute::new),
        in_flight_max: wire.in_flight_max,
        priority: priority_from_wire(wire.priority, "allocations.priority")?,
        failure: failure_from_wire(wire.open_tokens_per_outage),
        enforcement: if wire.shadow { Enforcement::Shadow } else { Enforcement::Enforced },
        budgets: wire.budgets.iter().map(budget_from_wire).collect::<Result<_, _>>()?,
        lapse: wire.lapse.as_ref().map(lapse_from_wire).transpose()?,
    };
    Ok(Allocation { pool: parsed(&wire.pool, "allocations.pool")?, terms })
}

fn lapse_to_wire(lapse: Lapse) -> wire::Lapse {
    wire::Lapse { at: Some(timestamp_to_wire(lapse.at)), to_per_minute: lapse.to.get() }
}

fn lapse_from_wire(wire: &wire::Lapse) -> Result<Lapse, DecodeError> {
    let at = timestamp_from_wire(wire.at.as_ref(), "allocations.lapse.at")?;
    Ok(Lapse { at, to: TokensPerMinute::new(wire.to_per_minute) })
}

/// How many tokens a gateway admits in one outage of quota; zero if it refuses.
pub(in crate::codec) fn failure_to_wire(failure: FailureMode) -> u64 {
    match failure {
        FailureMode::Closed => 0,
        FailureMode::Open { tokens_per_outage } => tokens_per_outage.get(),
    }
}

/// What a gateway does in an outage of quota, from the tokens it admits then.
pub(in crate::codec) fn failure_from_wire(open_tokens_per_outage: u64) -> FailureMode {
    match open_tokens_per_outage {
        0 => FailureMode::Closed,
        tokens => FailureMode::Open { tokens_per_outage: Tokens::new(tokens) },
    }
}

pub(super) fn priority_to_wire(priority: Priority) -> wire::Priority {
    match priority {
        Priority::Critical => wire::Priority::Critical,
        Priority::Standard => wire::Priority::Standard,
        Priority::Batch => wire::Priority::Batch,
    }
}

pub(super) fn priority_from_wire(number: i32, field: &'static str) -> Result<Priority, DecodeError> {
    Ok(match known(number, field)? {
        wire::Priority::Unspecified => Priority::default(),
        wire::Priority::Critical => Priority::Critical,
        wire::Priority::Standard => Priority::Standard,
        wire::Priority::Batch => Priority::Batch,
    })
}
