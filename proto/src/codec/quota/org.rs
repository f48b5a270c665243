//! Decisions of the organisation outside of any pool ⇄ their messages. Those about keys and exceptions are read in
//! [`super::keys`], changes that are intended and end in [`super::intent`].

use super::super::{
    DecodeError, access_key_to_wire, caller_key_to_wire, exception_to_wire, price_from_wire, price_to_wire,
    service_from_wire, service_to_wire, team_from_wire, team_to_wire, timestamp_from_wire, timestamp_to_wire,
};
use super::{Body, by_to_wire, decided, decode, intent, kinds, parsed, present};
use crate::quota::v1 as wire;
use crate::record::Record;
use weir_domain::fact::{ORG_KEY, QuotaFact};
use weir_domain::org::{Decided, Event};

pub(super) fn to_wire(event: &Event) -> Body {
    let by = Some(by_to_wire(&event.by));
    match &event.what {
        Decided::TeamDefined(team) => {
            let message = wire::TeamDefined { by, team: Some(team_to_wire(team)) };
            Body::new(kinds::TEAM_DEFINED_V1, &team.id, &message)
        }
        Decided::TeamRemoved(team) => {
            Body::new(kinds::TEAM_REMOVED_V1, team, &wire::TeamRemoved { by, team: team.to_string() })
        }
        Decided::ServiceDefined(service) => {
            let message = wire::ServiceDefined { by, service: Some(service_to_wire(service)) };
            Body::new(kinds::SERVICE_DEFINED_V1, &service.id, &message)
        }
        Decided::ServiceRemoved(service) => {
            let message = wire::ServiceRemoved { by, service: service.to_string() };
            Body::new(kinds::SERVICE_REMOVED_V1, service, &message)
        }
        Decided::PriceSet(price) => {
            let message = wire::PriceSet { by, price: Some(price_to_wire(price)) };
            Body::new(kinds::PRICE_SET_V1, &price.model, &message)
        }
        Decided::PriceRemoved { model, valid_from } => {
            let valid_from = Some(timestamp_to_wire(*valid_from));
            let message = wire::PriceRemoved { by, model: model.to_string(), valid_from };
            Body::new(kinds::PRICE_REMOVED_V1, model, &message)
        }
        Decided::CommandMade(command) => {
            let (request_id, sha256) = (command.name.clone(), command.digest.to_vec());
            Body::new(kinds::COMMAND_MADE_V1, &ORG_KEY, &wire::CommandMade { by, request_id, sha256 })
        }
        Decided::CallerKeyCreated(key) => {
            let message = wire::CallerKeyCreated { by, key: Some(caller_key_to_wire(key)) };
            Body::new(kinds::CALLER_KEY_CREATED_V1, &key.id, &message)
        }
        Decided::CallerKeyRevoked(key) => {
            let message = wire::CallerKeyRevoked { by, key: key.to_string() };
            Body::new(kinds::CALLER_KEY_REVOKED_V1, key, &message)
        }
        Decided::CallerKeyExpirySet { key, expires } => {
            let expires = Some(timestamp_to_wire(*expires));
            let message = wire::CallerKeyExpirySet { by, key: key.to_string(), expires };
            Body::new(kinds::CALLER_KEY_EXPIRY_SET_V1, key, &message)
        }
        Decided::AccessKeyCreated(key) => {
            let message = wire::AccessKeyCreated { by, key: Some(access_key_to_wire(key)) };
            Body::new(kinds::ACCESS_KEY_CREATED_V1, &key.id, &message)
        }
        Decided::AccessKeyRevoked(key) => {
            let message = wire::AccessKeyRevoked { by, key: key.to_string() };
            Body::new(kinds::ACCESS_KEY_REVOKED_V1, key, &message)
        }
        Decided::ExceptionGranted(exception) => {
            let message = wire::ExceptionGranted { by, exception: Some(exception_to_wire(exception)) };
            Body::new(kinds::EXCEPTION_GRANTED_V1, &exception.id, &message)
        }
        Decided::ExceptionEnded(exception) => {
            let message = wire::ExceptionEnded { by, exception: exception.to_string() };
            Body::new(kinds::EXCEPTION_ENDED_V1, exception, &message)
        }
        Decided::ChangeIntended(part) => intent::part_to_wire(&event.by, part),
        Decided::ChangeEnded { refused } => intent::ended_to_wire(&event.by, refused.as_deref()),
    }
}

/// None if the kind says nothing about a team, a service or a price.
pub(super) fn from_record(kind: &str, record: &Record) -> Result<Option<QuotaFact>, DecodeError> {
    match kind {
        kinds::TEAM_DEFINED_V1 => {
            let wire: wire::TeamDefined = decode(record, "weir.quota.v1.TeamDefined")?;
            decided(wire.by, Decided::TeamDefined(team_from_wire(present(wire.team.as_ref(), "team")?)?))
        }
        kinds::TEAM_REMOVED_V1 => {
            let wire: wire::TeamRemoved = decode(record, "weir.quota.v1.TeamRemoved")?;
            decided(wire.by, Decided::TeamRemoved(parsed(&wire.team, "team")?))
        }
        kinds::SERVICE_DEFINED_V1 => {
            let wire: wire::ServiceDefined = decode(record, "weir.quota.v1.ServiceDefined")?;
            let service = service_from_wire(present(wire.service.as_ref(), "service")?)?;
            decided(wire.by, Decided::ServiceDefined(service))
        }
        kinds::SERVICE_REMOVED_V1 => {
            let wire: wire::ServiceRemoved = decode(record, "weir.quota.v1.ServiceRemoved")?;
            decided(wire.by, Decided::ServiceRemoved(parsed(&wire.service, "service")?))
        }
        kinds::PRICE_SET_V1 => {
            let wire: wire::PriceSet = decode(record, "weir.quota.v1.PriceSet")?;
            decided(wire.by, Decided::PriceSet(price_from_wire(present(wire.price.as_ref(), "price")?)?))
        }
        kinds::PRICE_REMOVED_V1 => {
            let wire: wire::PriceRemoved = decode(record, "weir.quota.v1.PriceRemoved")?;
            let model = parsed(&wire.model, "model")?;
            let valid_from = timestamp_from_wire(wire.valid_from.as_ref(), "valid_from")?;
            decided(wire.by, Decided::PriceRemoved { model, valid_from })
        }
        _ => Ok(None),
    }
}
