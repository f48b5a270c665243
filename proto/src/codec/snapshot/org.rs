//! The organisation.

use super::values::{all_parsed, hash_from_wire, parsed};
use super::{DecodeError, terms, wire};
use crate::codec::quota::intent::{intent_from_wire, intent_to_wire};
use crate::codec::values::present;
use crate::codec::{
    access_key_from_wire, access_key_to_wire, caller_key_from_wire, caller_key_to_wire, duration_from_wire,
    duration_to_wire, exception_from_wire, exception_to_wire, price_from_wire, price_to_wire,
    service_from_wire, service_to_wire, team_from_wire, team_to_wire, timestamp_from_wire, timestamp_to_wire,
};
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;
use weir_domain::directory::KeyHash;
use weir_domain::ids::CallerKeyId;
use weir_domain::org::{CommandId, Intent, OrgImage};
use weir_domain::time::Timestamp;

pub(super) fn to_wire(org: &OrgImage) -> wire::OrgImage {
    wire::OrgImage {
        version: org.version,
        teams: org.teams.iter().map(team_to_wire).collect(),
        services: org.services.iter().map(service_to_wire).collect(),
        pools: org.pools.iter().map(|(id, terms)| terms::to_wire(id, terms)).collect(),
        prices: org.prices.iter().map(price_to_wire).collect(),
        exceptions: org.exceptions.iter().map(exception_to_wire).collect(),
        ended_exceptions: org.ended.iter().map(ToString::to_string).collect(),
        keys: org.keys.iter().map(caller_key_to_wire).collect(),
        revoked_keys: org.revoked.iter().map(revoked_to_wire).collect(),
        access_keys: org.access_keys.iter().map(access_key_to_wire).collect(),
        revoked_access_keys: org.access_revoked.iter().map(revoked_to_wire).collect(),
        intent: org.intent.as_ref().map(|intent| wire::IntentImage {
            intended: Some(intent_to_wire(intent)),
            made: intent.made as u64,
        }),
        commands: org.commands.iter().map(command_to_wire).collect(),
        idle_commands: org.idle_commands.iter().map(command_to_wire).collect(),
        key_lifetimes: org.lifetimes.iter().map(lifetime_to_wire).collect(),
    }
}

pub(super) fn from_wire(wire: &wire::OrgImage) -> Result<OrgImage, DecodeError> {
    Ok(OrgImage {
        version: wire.version,
        teams: wire.teams.iter().map(team_from_wire).collect::<Result<_, _>>()?,
        services: wire.services.iter().map(service_from_wire).collect::<Result<_, _>>()?,
        pools: wire.pools.iter().map(terms::from_wire).collect::<Result<_, _>>()?,
        prices: wire.prices.iter().map(price_from_wire).collect::<Result<_, _>>()?,
        exceptions: wire.exceptions.iter().map(exception_from_wire).collect::<Result<_, _>>()?,
        ended: all_parsed(&wire.ended_exceptions, "org.ended_exceptions")?,
        keys: wire.keys.iter().map(caller_key_from_wire).collect::<Result<_, _>>()?,
        revoked: wire.revoked_keys.iter().map(revoked_from_wire).collect::<Result<_, _>>()?,
        access_keys: wire.access_keys.iter().map(access_key_from_wire).collect::<Result<_, _>>()?,
        access_revoked: wire.revoked_access_keys.iter().map(revoked_from_wire).collect::<Result<_, _>>()?,
        intent: wire.intent.as_ref().map(intent).transpose()?,
        commands: wire.commands.iter().map(command_from_wire).collect::<Result<_, _>>()?,
        idle_commands: wire.idle_commands.iter().map(command_from_wire).collect::<Result<_, _>>()?,
        lifetimes: wire.key_lifetimes.iter().map(lifetime_from_wire).collect::<Result<_, _>>()?,
    })
}

fn command_to_wire((at, command): &(Timestamp, CommandId)) -> wire::CommandImage {
    let (request_id, sha256) = (command.name.clone(), command.digest.to_vec().into());
    wire::CommandImage { at: Some(timestamp_to_wire(*at)), request_id, sha256 }
}

fn command_from_wire(wire: &wire::CommandImage) -> Result<(Timestamp, CommandId), DecodeError> {
    let digest = *hash_from_wire(&wire.sha256, "org.commands.sha256")?.as_bytes();
    let at = timestamp_from_wire(wire.at.as_ref(), "org.commands.at")?;
    Ok((at, CommandId { name: wire.request_id.clone(), digest }))
}

fn lifetime_to_wire((id, lifetime): &(CallerKeyId, Duration)) -> wire::KeyLifetime {
    wire::KeyLifetime { id: id.to_string(), lifetime: Some(duration_to_wire(*lifetime)) }
}

fn lifetime_from_wire(wire: &wire::KeyLifetime) -> Result<(CallerKeyId, Duration), DecodeError> {
    let lifetime = present(wire.lifetime.as_ref(), "org.key_lifetimes.lifetime")?;
    Ok((parsed(&wire.id, "org.key_lifetimes.id")?, duration_from_wire(lifetime)))
}

fn revoked_to_wire((id, hash): &(impl ToString, KeyHash)) -> wire::RevokedKey {
    wire::RevokedKey { id: id.to_string(), sha256: hash.as_bytes().to_vec().into() }
}

fn revoked_from_wire<T: FromStr<Err: Display>>(wire: &wire::RevokedKey) -> Result<(T, KeyHash), DecodeError> {
    Ok((parsed(&wire.id, "org.revoked.id")?, hash_from_wire(&wire.sha256, "org.revoked.sha256")?))
}

fn intent(wire: &wire::IntentImage) -> Result<Intent, DecodeError> {
    let made = usize::try_from(wire.made)
        .map_err(|_| DecodeError::field("org.intent.made", "is more than a machine counts"))?;
    intent_from_wire(present(wire.intended.as_ref(), "org.intent.intended")?, made)
}
