//! Policies ⇄ messages of the governance service. A whole is here, its parts are below.

mod allocation;
mod budget;
mod exception;
mod pool;
mod price;
mod service;

#[cfg(test)]
mod tests;

pub use allocation::{allocation_from_wire, allocation_to_wire};
pub(super) use allocation::{failure_from_wire, failure_to_wire};
pub(super) use budget::{budget_from_wire, budget_to_wire};
pub use exception::{exception_from_wire, exception_to_wire};
pub use pool::{pool_from_wire, pool_to_wire};
pub use price::{price_from_wire, price_to_wire};
pub use service::{service_from_wire, service_to_wire, team_from_wire, team_to_wire};

use super::burst::{granted_burst_from_wire, granted_burst_to_wire};
use super::{DecodeError, values};
use crate::governance::v1 as wire;
use weir_domain::policy::Policy;

/// A policy for the wire.
pub fn policy_to_wire(policy: &Policy) -> wire::Policy {
    wire::Policy {
        pools: policy.pools.iter().map(pool_to_wire).collect(),
        teams: policy.teams.iter().map(team_to_wire).collect(),
        services: policy.services.iter().map(service_to_wire).collect(),
        bursts: policy.bursts.iter().map(granted_burst_to_wire).collect(),
        prices: policy.prices.iter().map(price_to_wire).collect(),
        exceptions: policy.exceptions.iter().map(exception_to_wire).collect(),
    }
}

/// A policy from the wire.
pub fn policy_from_wire(wire: &wire::Policy) -> Result<Policy, DecodeError> {
    Ok(Policy {
        pools: wire.pools.iter().map(pool_from_wire).collect::<Result<_, _>>()?,
        teams: wire.teams.iter().map(team_from_wire).collect::<Result<_, _>>()?,
        services: wire.services.iter().map(service_from_wire).collect::<Result<_, _>>()?,
        bursts: wire.bursts.iter().map(granted_burst_from_wire).collect::<Result<_, _>>()?,
        exceptions: wire.exceptions.iter().map(exception_from_wire).collect::<Result<_, _>>()?,
        prices: wire.prices.iter().map(price_from_wire).collect::<Result<_, _>>()?,
    })
}
