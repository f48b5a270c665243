//! Pools, their models and deployments.

use super::DecodeError;
use super::values::{known, parsed, percent};
use crate::governance::v1 as wire;
use weir_domain::amount::{RequestsPerMinute, Tokens, TokensPerMinute};
use weir_domain::policy::{Deployment, Encoding, Model, Pool, Thresholds};

/// A pool for the wire.
pub fn pool_to_wire(pool: &Pool) -> wire::Pool {
    wire::Pool {
        id: pool.id.to_string(),
        capacity_per_minute: pool.capacity.get(),
        models: pool.models.iter().map(model_to_wire).collect(),
        deployments: pool.deployments.iter().map(deployment_to_wire).collect(),
        requests_per_minute: pool.requests.map(RequestsPerMinute::get),
        thresholds: Some(thresholds_to_wire(pool.thresholds)),
    }
}

/// A pool from the wire.
pub fn pool_from_wire(wire: &wire::Pool) -> Result<Pool, DecodeError> {
    Ok(Pool {
        id: parsed(&wire.id, "pools.id")?,
        capacity: TokensPerMinute::new(wire.capacity_per_minute),
        requests: wire.requests_per_minute.map(RequestsPerMinute::new),
        thresholds: wire.thresholds.map_or(Ok(Thresholds::default()), thresholds_from_wire)?,
        models: wire.models.iter().map(model_from_wire).collect::<Result<_, _>>()?,
        deployments: wire.deployments.iter().map(deployment_from_wire).collect::<Result<_, _>>()?,
    })
}

fn thresholds_to_wire(thresholds: Thresholds) -> wire::Thresholds {
    wire::Thresholds {
        critical_percent: thresholds.critical_percent.into(),
        standard_percent: thresholds.standard_percent.into(),
        batch_percent: thresholds.batch_percent.into(),
    }
}

fn thresholds_from_wire(wire: wire::Thresholds) -> Result<Thresholds, DecodeError> {
    Ok(Thresholds {
        critical_percent: percent(wire.critical_percent, "pools.thresholds.critical_percent")?,
        standard_percent: percent(wire.standard_percent, "pools.thresholds.standard_percent")?,
        batch_percent: percent(wire.batch_percent, "pools.thresholds.batch_percent")?,
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
    const ENCODING: &str = "pools.models.encoding";
    let encoding = match known(wire.encoding, ENCODING)? {
        wire::Encoding::Unspecified => {
            return Err(DecodeError::field(ENCODING, "missing; use O200K_BASE or CL100K_BASE"));
        }
        wire::Encoding::O200kBase => Encoding::O200kBase,
        wire::Encoding::Cl100kBase => Encoding::Cl100kBase,
    };
    Ok(Model {
        name: parsed(&wire.name, "pools.models.name")?,
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
        upstream: parsed(&wire.upstream, "pools.deployments.upstream")?,
        id: parsed(&wire.id, "pools.deployments.id")?,
        model: parsed(&wire.model, "pools.deployments.model")?,
    })
}
