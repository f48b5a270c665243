//! Instants and spans.

use super::DecodeError;
use std::time::Duration;
use weir_domain::time::Timestamp;

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
    let wire = wire.ok_or_else(|| DecodeError::field(field, "missing"))?;
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
}
