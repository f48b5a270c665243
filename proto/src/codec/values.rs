//! What fields of many messages hold: instants, spans, windows, names, numbers of an enumeration, percentages, levels.

use super::DecodeError;
use bytes::Bytes;
use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;
use weir_domain::bucket::Level;
use weir_domain::budget::THRESHOLD_MAX_PERCENT;
use weir_domain::directory::KeyHash;
use weir_domain::ids::{NodeId, ReservationId};
use weir_domain::ledger::Holder;
use weir_domain::time::{Timestamp, Window};

use crate::quota::v1 as wire;

const NANOS_PER_SEC: i64 = 1_000_000_000;

/// An instant for the wire.
pub fn timestamp_to_wire(at: Timestamp) -> prost_types::Timestamp {
    let nanos = i32::try_from(at.as_nanos().rem_euclid(NANOS_PER_SEC)).expect("less than 10^9");
    prost_types::Timestamp { seconds: at.as_secs(), nanos }
}

/// An instant from the wire; a missing one is a problem of the named field.
pub fn timestamp_from_wire(
    wire: Option<&prost_types::Timestamp>,
    field: &'static str,
) -> Result<Timestamp, DecodeError> {
    let wire = present(wire, field)?;
    if i64::from(wire.nanos).div_euclid(NANOS_PER_SEC) != 0 {
        return Err(DecodeError::field(field, "has nanoseconds that are not from 0 to 999999999"));
    }
    wire.seconds
        .checked_mul(NANOS_PER_SEC)
        .and_then(|nanos| nanos.checked_add(i64::from(wire.nanos)))
        .map(Timestamp::from_nanos)
        .ok_or_else(|| DecodeError::field(field, "lies beyond the year 2262"))
}

/// A span for the wire.
pub fn duration_to_wire(span: Duration) -> prost_types::Duration {
    let seconds = i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    prost_types::Duration { seconds, nanos: i32::try_from(span.subsec_nanos()).expect("less than 10^9") }
}

/// A span from the wire; a negative one is none.
pub fn duration_from_wire(wire: &prost_types::Duration) -> Duration {
    let seconds = u64::try_from(wire.seconds).unwrap_or(0);
    Duration::new(seconds, u32::try_from(wire.nanos).unwrap_or(0))
}

/// RFC 3339 in UTC with nanoseconds, as `ce_time` has it.
pub fn rfc3339(at: Timestamp) -> String {
    chrono::DateTime::from_timestamp_nanos(at.as_nanos()).to_rfc3339_opts(chrono::SecondsFormat::Nanos, true)
}

/// A window from its edges and the names of their fields.
pub(super) fn window_from_wire(
    start: Option<&prost_types::Timestamp>,
    end: Option<&prost_types::Timestamp>,
    [start_field, end_field]: [&'static str; 2],
) -> Result<Window, DecodeError> {
    let (start, end) = (timestamp_from_wire(start, start_field)?, timestamp_from_wire(end, end_field)?);
    Window::try_new(start, end).ok_or_else(|| DecodeError::field(end_field, "is not after the start"))
}

/// What is there, or a problem of the named field.
pub(super) fn present<'a, T>(value: Option<&'a T>, field: &'static str) -> Result<&'a T, DecodeError> {
    value.ok_or_else(|| DecodeError::field(field, "missing"))
}

/// A name, an id or whatever else is read from text.
pub(super) fn parsed<T: FromStr<Err: Display>>(text: &str, field: &'static str) -> Result<T, DecodeError> {
    text.parse().map_err(|problem| DecodeError::field(field, problem))
}

/// Many of those.
pub(super) fn all_parsed<T: FromStr<Err: Display>>(
    texts: &[String],
    field: &'static str,
) -> Result<Vec<T>, DecodeError> {
    texts.iter().map(|text| parsed(text, field)).collect()
}

/// The nodes that hold slices. Few of them hold many, so each is made once for a record.
#[derive(Default)]
pub(super) struct Holders<'a>(HashMap<&'a str, NodeId>);

impl<'a> Holders<'a> {
    /// Who holds a slice, if it is not the quota node itself.
    pub(super) fn holder(
        &mut self,
        wire: Option<&'a wire::SliceHolder>,
    ) -> Result<Option<Holder>, DecodeError> {
        let Some(wire) = wire else { return Ok(None) };
        Ok(Some(Holder {
            node: self.named(&wire.node, "holder.node")?,
            reservation: ReservationId::new(bits_from_wire(&wire.reservation, "holder.reservation")?),
            hand_out_until: timestamp_from_wire(wire.hand_out_until.as_ref(), "holder.hand_out_until")?,
        }))
    }

    fn named(&mut self, name: &'a str, field: &'static str) -> Result<NodeId, DecodeError> {
        if let Some(node) = self.0.get(name) {
            return Ok(node.clone());
        }
        let node: NodeId = parsed(name, field)?;
        self.0.insert(name, node.clone());
        Ok(node)
    }
}

/// Who holds a slice.
pub(super) fn holder_to_wire(holder: &Holder) -> wire::SliceHolder {
    wire::SliceHolder {
        node: holder.node.to_string(),
        reservation: Bytes::copy_from_slice(&holder.reservation.as_u128().to_be_bytes()),
        hand_out_until: Some(timestamp_to_wire(holder.hand_out_until)),
    }
}

/// A value of an enumeration. Which of them are fit to be here is for the caller to say.
pub(super) fn known<E: TryFrom<i32>>(number: i32, field: &'static str) -> Result<E, DecodeError> {
    let unknown =
        |_| DecodeError::field(field, format!("has no value {number}; use one that its .proto names"));
    E::try_from(number).map_err(unknown)
}

/// A percentage of a budget, which a soft one may exceed.
pub(super) fn budget_percent(number: u32, field: &'static str) -> Result<u8, DecodeError> {
    u8::try_from(number).ok().filter(|percent| *percent <= THRESHOLD_MAX_PERCENT).ok_or_else(|| {
        DecodeError::field(field, format!("{number} is no threshold; use 1 to {THRESHOLD_MAX_PERCENT}"))
    })
}

/// A percentage from 0 to 100.
pub(super) fn percent(number: u32, field: &'static str) -> Result<u8, DecodeError> {
    u8::try_from(number)
        .ok()
        .filter(|percent| *percent <= 100)
        .ok_or_else(|| DecodeError::field(field, format!("{number} is no percentage; use 0 to 100")))
}

/// The SHA-256 of a key.
pub(super) fn hash_from_wire(bytes: &[u8], field: &'static str) -> Result<KeyHash, DecodeError> {
    bytes
        .try_into()
        .map(KeyHash::new)
        .map_err(|_| DecodeError::field(field, format!("is {} bytes long; a SHA-256 has 32", bytes.len())))
}

/// 128 bits, big end first.
pub(super) fn bits_from_wire(bytes: &[u8], field: &'static str) -> Result<u128, DecodeError> {
    let length = |_| DecodeError::field(field, format!("is {} bytes long; it has 16", bytes.len()));
    bytes.try_into().map(u128::from_be_bytes).map_err(length)
}

/// The units of a level in 16 bytes, big end first; none if it is zero.
pub(super) fn level_to_wire(level: Level) -> Bytes {
    if level == Level::ZERO { Bytes::new() } else { Bytes::copy_from_slice(&level.units().to_be_bytes()) }
}

/// A level from its units.
pub(super) fn level_from_wire(bytes: &[u8], field: &'static str) -> Result<Level, DecodeError> {
    if bytes.is_empty() {
        return Ok(Level::ZERO);
    }
    bits_from_wire(bytes, field).map(|bits| Level::from_units(bits.cast_signed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_survive_the_wire() {
        for nanos in [0, 1, -1, 1_763_700_000_123_456_789] {
            let at = Timestamp::from_nanos(nanos);
            assert_eq!(timestamp_from_wire(Some(&timestamp_to_wire(at)), "at"), Ok(at));
        }
    }

    #[test]
    fn an_instant_reads_as_rfc_3339() {
        assert_eq!(rfc3339(Timestamp::from_secs(951_782_400)), "2000-02-29T00:00:00.000000000Z");
    }

    #[test]
    fn an_instant_beyond_time_or_with_too_many_nanoseconds_is_refused() {
        for (seconds, nanos) in [(i64::MAX, 0), (10_000_000_000, 0), (0, -1), (0, 1_000_000_000)] {
            assert!(timestamp_from_wire(Some(&prost_types::Timestamp { seconds, nanos }), "at").is_err());
        }
    }

    #[test]
    fn levels_survive_the_wire_to_the_unit() {
        for units in [0, 1, -1, 60_000_000_000, i128::MIN, i128::MAX] {
            let level = Level::from_units(units);
            assert_eq!(level_from_wire(&level_to_wire(level), "borrowed"), Ok(level));
        }
        assert!(level_to_wire(Level::ZERO).is_empty());
        assert!(level_from_wire(&[0; 15], "borrowed").is_err());
    }

    #[test]
    fn a_percentage_ends_at_a_hundred() {
        assert_eq!(percent(100, "percent"), Ok(100));
        for more in [101, 256 + 5, u32::MAX] {
            assert!(percent(more, "percent").is_err());
        }
    }
}
