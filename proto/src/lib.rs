//! What Weir's parts say to each other: the generated gRPC and record types, and the codec.
//!
//! [`codec`] holds the only conversions between the wire and `weir-domain`. Old versions of a record are upcast
//! there, never in the domain. [`record`] is the envelope of a fact in the journal (CloudEvents 1.0, binary mode).

pub mod codec;
pub mod framing;
mod generated;
pub mod record;

pub use generated::{envoy, governance, quota, storage, usage};

/// The compiled `.proto` files, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
