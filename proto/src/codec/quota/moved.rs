//! Movements of tokens ⇄ `LedgerMoved`. A record names each service once and each time as a distance from the first.

use std::collections::HashMap;

use super::super::{DecodeError, timestamp_from_wire, timestamp_to_wire};
use super::{Body, kinds, pool};
use crate::quota::v1 as wire;
use weir_domain::amount::Tokens;
use weir_domain::fact::QuotaFact;
use weir_domain::ids::{HoldId, PoolId, ServiceId};
use weir_domain::ledger::{Moved, Movement};
use weir_domain::time::Timestamp;

pub(super) fn to_wire(pool: &PoolId, movements: &[Movement]) -> Body {
    let first = movements.first().map_or(Timestamp::EPOCH, |first| first.at);
    let mut places = HashMap::new();
    let mut services = Vec::new();
    let mut place_of = |service: &ServiceId| {
        *places.entry(service.clone()).or_insert_with(|| {
            services.push(service.to_string());
            u32::try_from(services.len() - 1).expect("a group commit is far smaller than 2^32")
        })
    };
    let movements = movements
        .iter()
        .map(|movement| wire::Movement {
            hold: movement.hold.as_u128().to_be_bytes().to_vec(),
            service: place_of(&movement.service),
            after_nanos: u64::try_from(movement.at.since(first).as_nanos()).unwrap_or(u64::MAX),
            what: Some(what_to_wire(movement.what)),
        })
        .collect();
    let at = Some(timestamp_to_wire(first));
    let message = wire::LedgerMoved { pool: pool.to_string(), at, services, movements };
    Body::new(kinds::LEDGER_MOVED_V1, pool, &message)
}

pub(super) fn from_wire(message: &wire::LedgerMoved) -> Result<QuotaFact, DecodeError> {
    let first = timestamp_from_wire(message.at.as_ref(), "at")?;
    let services: Vec<ServiceId> =
        message.services.iter().map(|name| super::parsed(name, "services")).collect::<Result<_, _>>()?;
    let movements = message
        .movements
        .iter()
        .map(|movement| movement_from_wire(movement, first, &services))
        .collect::<Result<_, _>>()?;
    Ok(QuotaFact::Moved { pool: pool(&message.pool)?, movements })
}

fn movement_from_wire(
    wire: &wire::Movement,
    first: Timestamp,
    services: &[ServiceId],
) -> Result<Movement, DecodeError> {
    let hold: [u8; 16] = wire
        .hold
        .as_slice()
        .try_into()
        .map_err(|_| DecodeError::field("movements.hold", "is not 16 bytes long"))?;
    let service = usize::try_from(wire.service).ok().and_then(|place| services.get(place));
    let what =
        wire.what.as_ref().ok_or_else(|| DecodeError::field("movements.what", "missing or unknown"))?;
    Ok(Movement {
        at: first.plus(std::time::Duration::from_nanos(wire.after_nanos)),
        hold: HoldId::new(u128::from_be_bytes(hold)),
        service: super::present(service, "movements.service")?.clone(),
        what: what_from_wire(what),
    })
}

fn what_to_wire(what: Moved) -> wire::movement::What {
    use wire::movement::What;
    match what {
        Moved::Held { tokens } => What::Held(wire::Held { tokens: tokens.get() }),
        Moved::Settled { used, held } => {
            What::Settled(wire::Settled { used: used.get(), held: held.map(Tokens::get) })
        }
        Moved::Released { held } => What::Released(wire::Released { held: held.map(Tokens::get) }),
    }
}

fn what_from_wire(wire: &wire::movement::What) -> Moved {
    use wire::movement::What;
    match wire {
        What::Held(wire) => Moved::Held { tokens: Tokens::new(wire.tokens) },
        What::Settled(wire) => {
            Moved::Settled { used: Tokens::new(wire.used), held: wire.held.map(Tokens::new) }
        }
        What::Released(wire) => Moved::Released { held: wire.held.map(Tokens::new) },
    }
}

pub(super) fn resumed_to_wire(pool: Option<&PoolId>, at: Timestamp) -> Body {
    let pool = pool.map(ToString::to_string).unwrap_or_default();
    let message = wire::WriterResumed { pool: pool.clone(), at: Some(timestamp_to_wire(at)) };
    Body::new(kinds::WRITER_RESUMED_V1, &pool, &message)
}

pub(super) fn resumed_from_wire(message: &wire::WriterResumed) -> Result<QuotaFact, DecodeError> {
    let pool = (!message.pool.is_empty()).then(|| pool(&message.pool)).transpose()?;
    Ok(QuotaFact::Resumed { pool, at: timestamp_from_wire(message.at.as_ref(), "at")? })
}
