//! Minting of ids: UUIDv7, so that they sort by time and say when they were minted.

use weir_domain::ids::{AttemptId, EventId, RequestId, ReservationId};

/// A new request id.
pub fn request_id() -> RequestId {
    RequestId::new(uuid::Uuid::now_v7().as_u128())
}

/// A new attempt id.
pub fn attempt_id() -> AttemptId {
    AttemptId::new(uuid::Uuid::now_v7().as_u128())
}

/// A new event id.
pub fn event_id() -> EventId {
    EventId::new(uuid::Uuid::now_v7().as_u128())
}

/// A new reservation id.
pub fn reservation_id() -> ReservationId {
    ReservationId::new(uuid::Uuid::now_v7().as_u128())
}
