//! Changes as a person reads them, one line for each thing, saying only what is new about it.

use crate::access::Role;
use crate::amount::Tokens;
use crate::burst::GrantedBurst;
use crate::calendar::Utc;
use crate::ids::{PoolId, ServiceId, TeamId};
use crate::ledger::{Change, PoolTerms};
use crate::org::fields::{self, Fields};
use crate::org::{Decided, Org};
use crate::time::Timestamp;

/// A change of a pool that a policy or an exception makes, next to what was before.
pub(super) fn of_change(pool: &PoolId, change: &Change, before: &PoolTerms, now: Timestamp) -> String {
    match change {
        Change::DefinePool(new) => line(&format!("pool {pool}"), before.pool(), new, fields::of_pool),
        Change::RemovePool => format!("pool {pool}: removed, with its allocations and bursts"),
        Change::SetAllocation { service, terms } => {
            let old = before.allocations().get(service).map(|old| old.standing_at(now));
            line(&format!("service {service} in pool {pool}"), old.as_ref(), terms, fields::of_terms)
        }
        Change::RemoveAllocation { service } => {
            let bursts = before.bursts_of(service).filter(|burst| burst.phase(now).is_open());
            let bursts: Vec<_> = bursts.map(|burst| burst.burst.id.to_string()).collect();
            let also = if bursts.is_empty() {
                String::new()
            } else {
                format!(", and so {}", listed("burst", &bursts))
            };
            format!("service {service} in pool {pool}: allocation removed{also}")
        }
        Change::GrantBurst(granted) => of_grant(granted, before, now),
        Change::RequestBurst(burst) => {
            format!("burst {}: requested, {}", burst.id, fields::of_request(burst).all())
        }
        Change::ApproveBurst { burst, approval } => {
            format!("burst {burst}: approved as {}", approval.as_str())
        }
        Change::DenyBurst { burst } => format!("burst {burst}: denied"),
        Change::RevokeBurst { burst } => format!("burst {burst}: revoked"),
        Change::ForgiveDebt { service, .. } => {
            format!("service {service} in pool {pool}: its debt is forgiven")
        }
        Change::ExtendBurst { burst, end } => format!("burst {burst}: extended to {}", Utc(*end)),
    }
}

/// A debt that was forgiven, with how much it was.
pub(super) fn of_forgiven(pool: &PoolId, service: &ServiceId, tokens: Tokens) -> String {
    format!("service {service} in pool {pool}: its debt of {tokens} tokens is forgiven")
}

fn of_grant(granted: &GrantedBurst, before: &PoolTerms, now: Timestamp) -> String {
    let place = format!("burst {}", granted.burst.id);
    let known = before.bursts().get(&granted.burst.id);
    match known.map(|record| (record.grant(), record.phase(now).as_str())) {
        Some((None, phase)) => format!("{place}: granted, was {phase}; {}", fields::of_burst(granted).all()),
        Some((old, _)) => line(&place, old.as_ref(), granted, fields::of_burst),
        None => line(&place, None, granted, fields::of_burst),
    }
}

/// A decision outside of any pool, next to what the organisation is before it.
pub(super) fn of_decided(org: &Org, what: &Decided) -> String {
    match what {
        Decided::TeamDefined(team) => {
            line(&format!("team {}", team.id), org.teams.get(&team.id), team, fields::of_team)
        }
        Decided::TeamRemoved(team) => of_team_removed(team) + &leads_locked_out(org, team),
        Decided::ServiceDefined(service) => line(
            &format!("service {}", service.id),
            org.services.get(&service.id),
            service,
            fields::of_service,
        ),
        Decided::ServiceRemoved(service) => {
            format!("service {service}: removed{}", callers_locked_out(org, service))
        }
        Decided::PriceSet(price) => {
            let old = org.prices.get(&(price.model.clone(), price.valid_from));
            let place = format!("price of model {} from {}", price.model, Utc(price.valid_from));
            line(&place, old, price, fields::of_price)
        }
        Decided::PriceRemoved { model, valid_from } => {
            format!("price of model {model} from {}: removed", Utc(*valid_from))
        }
        Decided::ExceptionGranted(exception) => line(
            &format!("exception {}", exception.id),
            org.exceptions.get(&exception.id),
            exception,
            fields::of_exception,
        ),
        Decided::ExceptionEnded(exception) => format!("exception {exception}: ended"),
        Decided::CallerKeyCreated(key) => format!("caller key {}: created for {}", key.id, key.service),
        Decided::CallerKeyRevoked(key) => format!("caller key {key}: revoked"),
        Decided::CallerKeyExpirySet { key, expires } => {
            format!("caller key {key}: expires at {}", Utc(*expires))
        }
        Decided::AccessKeyCreated(key) => format!("access key {}: created for {}", key.id, key.role),
        Decided::AccessKeyRevoked(key) => format!("access key {key}: revoked"),
        Decided::ChangeIntended(part) => format!("change: part {} of what is intended", part.part),
        Decided::ChangeEnded { refused: None } => "change: made".to_owned(),
        Decided::ChangeEnded { refused: Some(reason) } => format!("change: made in part: {reason}"),
        Decided::CommandMade(command) => format!("command {:?}: made", command.name),
    }
}

/// A team that is gone, as everybody may read it.
pub(super) fn of_team_removed(team: &TeamId) -> String {
    format!("team {team}: removed")
}

fn line<T>(place: &str, old: Option<&T>, new: &T, fields_of: fn(&T) -> Fields) -> String {
    let new = fields_of(new);
    match old.map(fields_of) {
        Some(old) => format!("{place}: {}", new.changes_from(&old)),
        None => format!("{place}: new, {}", new.all()),
    }
}

fn callers_locked_out(org: &Org, service: &ServiceId) -> String {
    let keys = org.keys.values().filter(|key| key.service == *service);
    let keys: Vec<_> = keys.map(|key| key.id.to_string()).collect();
    if keys.is_empty() {
        String::new()
    } else {
        format!("; {} may call no more", listed("caller key", &keys))
    }
}

/// What comes of it for the access keys of its leads, which are the business of those who manage them.
pub(super) fn leads_locked_out(org: &Org, team: &TeamId) -> String {
    let keys = org.access_keys.values().filter(|key| matches!(&key.role, Role::Lead(of) if of == team));
    let keys: Vec<_> = keys.map(|key| key.id.to_string()).collect();
    if keys.is_empty() {
        String::new()
    } else {
        format!("; {} may open nothing more", listed("access key", &keys))
    }
}

/// `burst a`, `bursts a, b`
fn listed(kind: &str, names: &[String]) -> String {
    let plural = if names.len() == 1 { "" } else { "s" };
    format!("{kind}{plural} {}", names.join(", "))
}
