//! Between the wire and the domain. Every conversion there is lives here.

mod access;
mod burst;
mod directory;
mod history;
mod limit;
mod policy;
mod quota;
#[cfg(test)]
mod samples;
mod simulation;
mod snapshot;
mod usage;
mod values;
mod wal;

pub use access::{access_key_from_wire, access_key_to_wire, role_from_wire, role_to_wire};
pub use burst::{
    burst_from_wire, burst_state_to_wire, burst_to_wire, granted_burst_from_wire, granted_burst_to_wire,
};
pub use directory::{
    caller_key_from_wire, caller_key_to_wire, directory_from_bytes, directory_from_wire, directory_to_bytes,
    directory_to_wire,
};
pub use history::decision_to_wire;
pub use limit::{limit_from_wire, limit_to_wire};
pub use policy::{
    allocation_from_wire, allocation_to_wire, exception_from_wire, exception_to_wire, policy_from_wire,
    policy_to_wire, pool_from_wire, pool_to_wire, price_from_wire, price_to_wire, service_from_wire,
    service_to_wire, team_from_wire, team_to_wire,
};
pub use quota::{kinds as quota_kinds, quota_event_from_record, quota_event_to_record};
pub use simulation::simulation_to_wire;
pub use snapshot::{PartitionRead, Snapshot, snapshot_from_bytes, snapshot_to_bytes};
pub use usage::{RECORDED_V1, REFUSED_V1, usage_from_record, usage_to_record};
pub use values::{duration_from_wire, duration_to_wire, rfc3339, timestamp_from_wire, timestamp_to_wire};
pub use wal::{AttemptEnded, AttemptStarted, WalRecord, wal_from_bytes, wal_to_bytes};

/// Why bytes are not what they should be. Such a record is poison: it goes to the dead-letter topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The envelope is incomplete.
    #[error("envelope is incomplete")]
    Envelope(#[from] crate::record::EnvelopeError),
    /// The type is not one this version knows.
    #[error("event type {kind:?} is unknown")]
    UnknownType {
        /// What `ce_type` says.
        kind: String,
    },
    /// The payload is not the protobuf message that the type names.
    #[error("payload is not a {message}")]
    Payload {
        /// The message.
        message: &'static str,
        /// Why not.
        #[source]
        source: prost::DecodeError,
    },
    /// A field is missing or holds something else.
    #[error("field {field} is invalid: {problem}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong.
        problem: String,
    },
}

impl DecodeError {
    fn field(field: &'static str, problem: impl std::fmt::Display) -> Self {
        Self::Field { field, problem: problem.to_string() }
    }
}
