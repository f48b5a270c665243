//! Changes as a person reads them, one line each.

use crate::calendar::Utc;
use crate::ids::PoolId;
use crate::ledger::{Change, PoolTerms};
use crate::org::Decided;

/// A change of a pool, next to what was before.
pub(super) fn of_change(pool: &PoolId, change: &Change, before: &PoolTerms) -> String {
    match change {
        Change::DefinePool(new) => match before.pool() {
            Some(old) if old.capacity == new.capacity => {
                format!("pool {pool}: models or deployments changed")
            }
            Some(old) => {
                format!("pool {pool}: {} tokens a minute instead of {}", new.capacity, old.capacity)
            }
            None => format!("pool {pool}: new, {} tokens a minute", new.capacity),
        },
        Change::RemovePool => format!("pool {pool}: removed, with its allocations and bursts"),
        Change::SetAllocation { service, terms } => {
            let (rate, largest) = (terms.baseline, terms.request_max);
            let was = before.allocations().get(service).map_or_else(
                || "new".to_owned(),
                |old| format!("was {} and {}", old.baseline, old.request_max),
            );
            format!(
                "service {service} in pool {pool}: {rate} tokens a minute, requests up to {largest} ({was})"
            )
        }
        Change::RemoveAllocation { service } => {
            format!("service {service} in pool {pool}: allocation removed")
        }
        Change::GrantBurst(granted) => {
            let burst = &granted.burst;
            let (from, to) = (Utc(burst.window.start()), Utc(burst.window.end()));
            let (id, service, extra) = (&burst.id, &burst.service, burst.extra);
            format!("burst {id}: {extra} tokens a minute more for {service} in {pool} from {from} to {to}")
        }
        other => format!("pool {pool}: {other:?}"),
    }
}

/// A decision outside of any pool.
pub(super) fn of_decided(what: &Decided) -> String {
    match what {
        Decided::TeamDefined(team) => format!("team {}: {}", team.id, team.title),
        Decided::TeamRemoved(team) => format!("team {team}: removed"),
        Decided::ServiceDefined(service) => {
            format!("service {}: of team {}, owned by {}", service.id, service.team, service.purpose.owner)
        }
        Decided::ServiceRemoved(service) => format!("service {service}: removed"),
        Decided::PriceSet(price) => {
            format!(
                "price of {}: set from {} on, in {}",
                price.model,
                Utc(price.valid_from),
                price.currency.as_str()
            )
        }
        Decided::PriceRemoved { model, valid_from } => {
            format!("price of {model}: the one from {} on removed", Utc(*valid_from))
        }
        Decided::CallerKeyCreated(key) => format!("caller key {}: created for {}", key.id, key.service),
        Decided::CallerKeyRevoked(key) => format!("caller key {key}: revoked"),
    }
}
