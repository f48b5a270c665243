//! Movements of tokens ⇄ `LedgerMoved`. A record names each service once and each time as a distance from the first.
//!
//! A rebuild reads millions of these: what many movements of a record name is made once, the bytes stay where they are.

use std::collections::HashMap;
use std::time::Duration;

use super::super::values::{
    Holders, bits_from_wire, budget_percent, holder_to_wire, level_from_wire, level_to_wire, window_from_wire,
};
use super::{Body, DecodeError, kinds, parsed, present, timestamp_from_wire, timestamp_to_wire};
use crate::quota::v1 as wire;
use bytes::{BufMut, BytesMut};
use weir_domain::amount::{Money, Requests, Tokens};
use weir_domain::fact::QuotaFact;
use weir_domain::ids::{HoldId, PoolId, ServiceId, SliceId};
use weir_domain::ledger::{Drawn, Limit, Moved, Movement, Quantity};
use weir_domain::time::Timestamp;
use wire::movement::What;

/// What a hold's id takes.
const HOLD_BYTES: usize = 16;

pub(super) fn to_wire(pool: &PoolId, movements: &[Movement]) -> Body {
    let first = movements.first().map_or(Timestamp::EPOCH, |first| first.at);
    let mut services = Services::default();
    let mut holds = BytesMut::with_capacity(HOLD_BYTES * movements.len());
    let movements = movements
        .iter()
        .map(|movement| wire::Movement {
            service: services.place(&movement.service),
            after_nanos: u64::try_from(movement.at.since(first).as_nanos()).unwrap_or(u64::MAX),
            what: Some(what_to_wire(&movement.what, &mut holds)),
        })
        .collect();
    let at = Some(timestamp_to_wire(first));
    let message = wire::LedgerMoved { pool: pool.to_string(), at, services: services.names, movements };
    Body::new(kinds::LEDGER_MOVED_V1, pool, &message)
}

/// The services of a record, each once, in the order of their first movements.
#[derive(Default)]
struct Services<'a> {
    names: Vec<String>,
    places: HashMap<&'a str, u32>,
}

impl<'a> Services<'a> {
    fn place(&mut self, service: &'a ServiceId) -> u32 {
        let names = &mut self.names;
        *self.places.entry(service.as_str()).or_insert_with(|| {
            names.push(service.to_string());
            u32::try_from(names.len() - 1).expect("a group commit is far smaller than 2^32")
        })
    }
}

/// The ids of all holds of a record share one allocation.
fn what_to_wire(what: &Moved, holds: &mut BytesMut) -> What {
    match what {
        Moved::Drawn(drawn) => What::Drawn(drawn_to_wire(drawn)),
        Moved::Settled { hold, held, used, metered } => {
            holds.put_u128(hold.as_u128());
            What::Settled(wire::Settled {
                hold: holds.split().freeze(),
                used: used.tokens.get(),
                cost_nano: used.money.get(),
                unmetered: !metered,
                held_nano: held.get(),
            })
        }
        Moved::Sealed { slice, free, holds } => What::Sealed(wire::SliceSealed {
            slice: slice.as_u64(),
            free: free.tokens.get(),
            free_nano: free.money.get(),
            holds: *holds,
        }),
        Moved::Lapsed { slice } => What::Lapsed(slice.as_u64()),
        Moved::BudgetOpened { budget, period } => What::BudgetOpened(wire::BudgetOpened {
            budget: budget.to_string(),
            start: Some(timestamp_to_wire(period.start())),
            end: Some(timestamp_to_wire(period.end())),
        }),
        Moved::ThresholdReached { budget, percent } => What::ThresholdReached(wire::ThresholdReached {
            budget: budget.to_string(),
            percent: u32::from(*percent),
        }),
        Moved::Shadowed { limit, requests, tokens } => What::Shadowed(wire::Shadowed {
            limit: limit.as_str().to_owned(),
            tokens: tokens.get(),
            requests: requests.get(),
        }),
    }
}

fn drawn_to_wire(drawn: &Drawn) -> wire::SliceDrawn {
    wire::SliceDrawn {
        slice: drawn.slice.as_u64(),
        holder: drawn.holder.as_ref().map(holder_to_wire),
        tokens: drawn.tokens.get(),
        borrowed: level_to_wire(drawn.borrowed),
        unenforced: level_to_wire(drawn.unenforced),
        money_nano: drawn.money.get(),
    }
}

pub(super) fn from_wire(message: &wire::LedgerMoved) -> Result<QuotaFact, DecodeError> {
    let services = message.services.iter().map(|name| parsed(name, "services"));
    let mut reader = Reader {
        first: timestamp_from_wire(message.at.as_ref(), "at")?,
        services: services.collect::<Result<_, _>>()?,
        holders: Holders::default(),
    };
    if message.movements.is_empty() {
        return Err(DecodeError::field("movements", "missing; a record has at least one"));
    }
    let mut movements = Vec::with_capacity(message.movements.len());
    for movement in &message.movements {
        movements.push(reader.movement(movement)?);
    }
    Ok(QuotaFact::Moved { pool: parsed(&message.pool, "pool")?, movements })
}

/// Reads the movements of one record.
struct Reader<'a> {
    first: Timestamp,
    services: Vec<ServiceId>,
    holders: Holders<'a>,
}

impl<'a> Reader<'a> {
    fn movement(&mut self, wire: &'a wire::Movement) -> Result<Movement, DecodeError> {
        let service = usize::try_from(wire.service).ok().and_then(|place| self.services.get(place));
        let service = present(service, "movements.service")?.clone();
        let what = self.what(present(wire.what.as_ref(), "movements.what")?)?;
        Ok(Movement { at: self.first.plus(Duration::from_nanos(wire.after_nanos)), service, what })
    }

    fn what(&mut self, wire: &'a What) -> Result<Moved, DecodeError> {
        Ok(match wire {
            What::Drawn(wire) => Moved::Drawn(self.drawn(wire)?),
            What::Settled(wire) => Moved::Settled {
                hold: HoldId::new(bits_from_wire(&wire.hold, "movements.settled.hold")?),
                held: Money::new(wire.held_nano),
                used: Quantity { tokens: Tokens::new(wire.used), money: Money::new(wire.cost_nano) },
                metered: !wire.unmetered,
            },
            What::Sealed(wire) => Moved::Sealed {
                slice: SliceId::new(wire.slice),
                free: Quantity { tokens: Tokens::new(wire.free), money: Money::new(wire.free_nano) },
                holds: wire.holds,
            },
            What::Lapsed(slice) => Moved::Lapsed { slice: SliceId::new(*slice) },
            What::BudgetOpened(wire) => budget_opened(wire)?,
            What::ThresholdReached(wire) => Moved::ThresholdReached {
                budget: parsed(&wire.budget, "movements.threshold_reached.budget")?,
                percent: budget_percent(wire.percent, "movements.threshold_reached.percent")?,
            },
            What::Shadowed(wire) => shadowed(wire)?,
        })
    }

    fn drawn(&mut self, wire: &'a wire::SliceDrawn) -> Result<Drawn, DecodeError> {
        Ok(Drawn {
            slice: SliceId::new(wire.slice),
            holder: self.holders.holder(wire.holder.as_ref())?,
            tokens: Tokens::new(wire.tokens),
            borrowed: level_from_wire(&wire.borrowed, "movements.drawn.borrowed")?,
            unenforced: level_from_wire(&wire.unenforced, "movements.drawn.unenforced")?,
            money: Money::new(wire.money_nano),
        })
    }
}

fn budget_opened(wire: &wire::BudgetOpened) -> Result<Moved, DecodeError> {
    const EDGES: [&str; 2] = ["movements.budget_opened.start", "movements.budget_opened.end"];
    Ok(Moved::BudgetOpened {
        budget: parsed(&wire.budget, "movements.budget_opened.budget")?,
        period: window_from_wire(wire.start.as_ref(), wire.end.as_ref(), EDGES)?,
    })
}

fn shadowed(wire: &wire::Shadowed) -> Result<Moved, DecodeError> {
    let unknown = || {
        let problem = format!("{:?} is no limit that this version knows", wire.limit);
        DecodeError::field("movements.shadowed.limit", problem)
    };
    Ok(Moved::Shadowed {
        limit: Limit::from_name(&wire.limit).ok_or_else(unknown)?,
        requests: Requests::new(wire.requests),
        tokens: Tokens::new(wire.tokens),
    })
}

pub(super) fn resumed_to_wire(pool: Option<&PoolId>, at: Timestamp) -> Body {
    let pool = pool.map(ToString::to_string).unwrap_or_default();
    let message = wire::WriterResumed { pool: pool.clone(), at: Some(timestamp_to_wire(at)) };
    Body::new(kinds::WRITER_RESUMED_V1, &pool, &message)
}

pub(super) fn resumed_from_wire(message: &wire::WriterResumed) -> Result<QuotaFact, DecodeError> {
    let pool = (!message.pool.is_empty()).then(|| parsed(&message.pool, "pool")).transpose()?;
    Ok(QuotaFact::Resumed { pool, at: timestamp_from_wire(message.at.as_ref(), "at")? })
}
