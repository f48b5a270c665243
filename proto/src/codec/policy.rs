//! Policies and directories ⇄ messages of the governance service.

use super::DecodeError;
use super::values::{timestamp_from_wire, timestamp_to_wire};
use crate::governance::v1 as wire;
use weir_domain::amount::{Tokens, TokensPerMinute};
use weir_domain::directory::{CallerKey, Directory, KeyHash, ServiceEntry};
use weir_domain::policy::{Allocation, Burst, Deployment, Encoding, Model, Policy, Pool, Service, Team};
use weir_domain::price::{Currency, PicoPerToken, Price};
use weir_domain::time::Window;

/// A policy for the wire.
pub fn policy_to_wire(policy: &Policy) -> wire::Policy {
    wire::Policy {
        pools: policy.pools.iter().map(pool_to_wire).collect(),
        teams: policy.teams.iter().map(team_to_wire).collect(),
        services: policy.services.iter().map(service_to_wire).collect(),
        bursts: policy.bursts.iter().map(burst_to_wire).collect(),
        prices: policy.prices.iter().map(price_to_wire).collect(),
    }
}

/// A policy from the wire.
pub fn policy_from_wire(wire: &wire::Policy) -> Result<Policy, DecodeError> {
    Ok(Policy {
        pools: wire.pools.iter().map(pool_from_wire).collect::<Result<_, _>>()?,
        teams: wire.teams.iter().map(team_from_wire).collect::<Result<_, _>>()?,
        services: wire.services.iter().map(service_from_wire).collect::<Result<_, _>>()?,
        bursts: wire.bursts.iter().map(burst_from_wire).collect::<Result<_, _>>()?,
        prices: wire.prices.iter().map(price_from_wire).collect::<Result<_, _>>()?,
    })
}

/// A directory for the wire.
pub fn directory_to_wire(directory: &Directory) -> wire::Directory {
    let service = |entry: &ServiceEntry| wire::ServiceEntry {
        id: entry.id.to_string(),
        team: entry.team.to_string(),
        pools: entry.pools.iter().map(ToString::to_string).collect(),
    };
    wire::Directory {
        version: directory.version,
        pools: directory.pools.iter().map(pool_to_wire).collect(),
        services: directory.services.iter().map(service).collect(),
        keys: directory.keys.iter().map(caller_key_to_wire).collect(),
    }
}

/// A directory from the wire.
pub fn directory_from_wire(wire: &wire::Directory) -> Result<Directory, DecodeError> {
    let service = |entry: &wire::ServiceEntry| {
        Ok(ServiceEntry {
            id: name(&entry.id, "services.id")?,
            team: name(&entry.team, "services.team")?,
            pools: entry.pools.iter().map(|pool| name(pool, "services.pools")).collect::<Result<_, _>>()?,
        })
    };
    Ok(Directory {
        version: wire.version,
        pools: wire.pools.iter().map(pool_from_wire).collect::<Result<_, _>>()?,
        services: wire.services.iter().map(service).collect::<Result<_, DecodeError>>()?,
        keys: wire.keys.iter().map(caller_key_from_wire).collect::<Result<_, _>>()?,
    })
}

/// A caller key (its hash, never the key) for the wire.
pub fn caller_key_to_wire(key: &CallerKey) -> wire::CallerKey {
    wire::CallerKey {
        id: key.id.to_string(),
        sha256: key.hash.as_bytes().to_vec(),
        service: key.service.to_string(),
        expires: key.expires.map(timestamp_to_wire),
    }
}

/// A caller key from the wire.
pub fn caller_key_from_wire(wire: &wire::CallerKey) -> Result<CallerKey, DecodeError> {
    let digest: [u8; 32] = wire
        .sha256
        .as_slice()
        .try_into()
        .map_err(|_| DecodeError::field("key.sha256", "is not 32 bytes long"))?;
    Ok(CallerKey {
        id: name(&wire.id, "key.id")?,
        hash: KeyHash::new(digest),
        service: name(&wire.service, "key.service")?,
        expires: wire.expires.as_ref().map(|at| timestamp_from_wire(Some(at), "key.expires")).transpose()?,
    })
}

fn name<T: std::str::FromStr<Err: std::fmt::Display>>(
    text: &str,
    field: &'static str,
) -> Result<T, DecodeError> {
    text.parse().map_err(|problem| DecodeError::field(field, problem))
}

/// A pool for the wire.
pub fn pool_to_wire(pool: &Pool) -> wire::Pool {
    wire::Pool {
        id: pool.id.to_string(),
        capacity_per_minute: pool.capacity.get(),
        models: pool.models.iter().map(model_to_wire).collect(),
        deployments: pool.deployments.iter().map(deployment_to_wire).collect(),
    }
}

/// A pool from the wire.
pub fn pool_from_wire(wire: &wire::Pool) -> Result<Pool, DecodeError> {
    Ok(Pool {
        id: name(&wire.id, "pools.id")?,
        capacity: TokensPerMinute::new(wire.capacity_per_minute),
        models: wire.models.iter().map(model_from_wire).collect::<Result<_, _>>()?,
        deployments: wire.deployments.iter().map(deployment_from_wire).collect::<Result<_, _>>()?,
    })
}

fn model_to_wire(model: &Model) -> wire::Model {
    let encoding = match model.encoding {
        Encoding::O200kBase => wire::Encoding::O200kBase,
        Encoding::Cl100kBase => wire::Encoding::Cl100kBase,
    };
    wire::Model {
        name: model.name.to_string(),
        encoding: encoding.into(),
        output_max: model.output_max.get(),
    }
}

fn model_from_wire(wire: &wire::Model) -> Result<Model, DecodeError> {
    let encoding = match wire.encoding() {
        wire::Encoding::Unspecified => {
            return Err(DecodeError::field("pools.models.encoding", "missing or unknown"));
        }
        wire::Encoding::O200kBase => Encoding::O200kBase,
        wire::Encoding::Cl100kBase => Encoding::Cl100kBase,
    };
    Ok(Model {
        name: name(&wire.name, "pools.models.name")?,
        encoding,
        output_max: Tokens::new(wire.output_max),
    })
}

fn deployment_to_wire(deployment: &Deployment) -> wire::Deployment {
    wire::Deployment {
        upstream: deployment.upstream.to_string(),
        id: deployment.id.to_string(),
        model: deployment.model.to_string(),
    }
}

fn deployment_from_wire(wire: &wire::Deployment) -> Result<Deployment, DecodeError> {
    Ok(Deployment {
        upstream: name(&wire.upstream, "pools.deployments.upstream")?,
        id: name(&wire.id, "pools.deployments.id")?,
        model: name(&wire.model, "pools.deployments.model")?,
    })
}

/// A team for the wire.
pub fn team_to_wire(team: &Team) -> wire::Team {
    wire::Team { id: team.id.to_string(), title: team.title.clone() }
}

/// A team from the wire.
pub fn team_from_wire(wire: &wire::Team) -> Result<Team, DecodeError> {
    Ok(Team { id: name(&wire.id, "teams.id")?, title: wire.title.clone() })
}

/// A service for the wire.
pub fn service_to_wire(service: &Service) -> wire::Service {
    let allocation = |held: &Allocation| wire::Allocation {
        pool: held.pool.to_string(),
        baseline_per_minute: held.baseline.get(),
        request_max: held.request_max.get(),
    };
    wire::Service {
        id: service.id.to_string(),
        team: service.team.to_string(),
        owner: service.owner.clone(),
        use_case: service.use_case.clone(),
        when_throttled: service.when_throttled.clone(),
        allocations: service.allocations.iter().map(allocation).collect(),
    }
}

/// A service from the wire.
pub fn service_from_wire(wire: &wire::Service) -> Result<Service, DecodeError> {
    let allocation = |held: &wire::Allocation| {
        Ok(Allocation {
            pool: name(&held.pool, "services.allocations.pool")?,
            baseline: TokensPerMinute::new(held.baseline_per_minute),
            request_max: Tokens::new(held.request_max),
        })
    };
    Ok(Service {
        id: name(&wire.id, "services.id")?,
        team: name(&wire.team, "services.team")?,
        owner: wire.owner.clone(),
        use_case: wire.use_case.clone(),
        when_throttled: wire.when_throttled.clone(),
        allocations: wire.allocations.iter().map(allocation).collect::<Result<_, DecodeError>>()?,
    })
}

/// A burst for the wire.
pub fn burst_to_wire(burst: &Burst) -> wire::Burst {
    wire::Burst {
        id: burst.id.to_string(),
        service: burst.service.to_string(),
        pool: burst.pool.to_string(),
        extra_per_minute: burst.extra.get(),
        start: Some(timestamp_to_wire(burst.window.start())),
        end: Some(timestamp_to_wire(burst.window.end())),
        reason: burst.reason.clone(),
        approved_by: burst.approved_by.clone(),
    }
}

/// A burst from the wire.
pub fn burst_from_wire(wire: &wire::Burst) -> Result<Burst, DecodeError> {
    let start = timestamp_from_wire(wire.start.as_ref(), "bursts.start")?;
    let end = timestamp_from_wire(wire.end.as_ref(), "bursts.end")?;
    Ok(Burst {
        id: name(&wire.id, "bursts.id")?,
        service: name(&wire.service, "bursts.service")?,
        pool: name(&wire.pool, "bursts.pool")?,
        extra: TokensPerMinute::new(wire.extra_per_minute),
        window: Window::try_new(start, end)
            .ok_or_else(|| DecodeError::field("bursts.end", "is not after the start"))?,
        reason: wire.reason.clone(),
        approved_by: wire.approved_by.clone(),
    })
}

/// A price for the wire.
pub fn price_to_wire(price: &Price) -> wire::Price {
    wire::Price {
        model: price.model.to_string(),
        valid_from: Some(timestamp_to_wire(price.valid_from)),
        currency: price.currency.as_str().to_owned(),
        input_pico: price.input.get(),
        input_cached_pico: price.input_cached.get(),
        output_pico: price.output.get(),
    }
}

/// A price from the wire.
pub fn price_from_wire(wire: &wire::Price) -> Result<Price, DecodeError> {
    Ok(Price {
        model: name(&wire.model, "prices.model")?,
        valid_from: timestamp_from_wire(wire.valid_from.as_ref(), "prices.valid_from")?,
        currency: Currency::try_new(&wire.currency)
            .map_err(|problem| DecodeError::field("prices.currency", problem))?,
        input: PicoPerToken::new(wire.input_pico),
        input_cached: PicoPerToken::new(wire.input_cached_pico),
        output: PicoPerToken::new(wire.output_pico),
    })
}
