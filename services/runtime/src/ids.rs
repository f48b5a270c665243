//! Minting of ids: UUIDv7, so that they sort by time and say when they were minted.
//!
//! By the time that this process tells: whoever compares them with that must not take a clock that was just set for old age.

use std::sync::Mutex;

use uuid::{ContextV7, Timestamp, Uuid};
use weir_domain::ids::{AttemptId, EventId, RequestId, ReservationId};

use crate::clock::{Clock, SystemClock};

/// Keeps ids of one millisecond in order.
static CONTEXT: Mutex<ContextV7> = Mutex::new(ContextV7::new());

/// A new request id.
pub fn request_id() -> RequestId {
    RequestId::new(mint())
}

/// A new attempt id.
pub fn attempt_id() -> AttemptId {
    AttemptId::new(mint())
}

/// A new event id.
pub fn event_id() -> EventId {
    EventId::new(mint())
}

/// A new reservation id.
pub fn reservation_id() -> ReservationId {
    ReservationId::new(mint())
}

fn mint() -> u128 {
    let now = SystemClock.now();
    let secs = u64::try_from(now.as_secs()).unwrap_or_default();
    let nanos = now.as_nanos().rem_euclid(1_000_000_000);
    let nanos = u32::try_from(nanos).expect("a part of a second has 30 bits");
    Uuid::new_v7(Timestamp::from_unix(&CONTEXT, secs, nanos)).as_u128()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_when_it_was_minted_and_comes_after_those_before() {
        let before = SystemClock.now().as_millis();
        let ids: Vec<_> = (0..1_000).map(|_| reservation_id()).collect();
        let after = SystemClock.now().as_millis();
        assert!(ids.is_sorted());
        for id in ids {
            let minted = i64::try_from(id.minted_at_ms()).unwrap();
            assert!((before..=after).contains(&minted), "{before} {minted} {after}");
        }
    }
}
