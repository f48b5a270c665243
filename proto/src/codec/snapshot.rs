//! What a quota node remembers of its topic ⇄ bytes: a cache, so bytes of another format or with a hole in them are an
//! error, and whoever reads them rebuilds from the journal instead. Where they stand and whether they are whole is the
//! business of whoever writes them.

mod buckets;
mod org;
mod pool;
mod terms;

#[cfg(test)]
mod random;
#[cfg(test)]
mod tests;

use super::values::{bits_from_wire, present};
use super::{DecodeError, policy, values};
use crate::governance::v1 as governance;
use crate::storage::v1 as wire;
use bytes::Bytes;
use prost::Message;
use std::collections::BTreeMap;
use weir_domain::ids::{EventId, PoolId};
use weir_domain::ledger::LedgerImage;
use weir_domain::org::OrgImage;

/// The version of the format. Goes up with every change of what the bytes mean; other versions are not read.
const FORMAT: u32 = 3;
const ID_BYTES: usize = 16;

/// The state of a quota node when it had read each partition up to an offset.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// By partition of the quota topic: how far it was read.
    pub partitions: BTreeMap<u32, PartitionRead>,
    /// The organisation.
    pub org: OrgImage,
    /// The ledger of every pool.
    pub pools: Vec<(PoolId, LedgerImage)>,
}

/// How far a partition was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartitionRead {
    /// The first offset that was not.
    pub next: u64,
    /// Its last facts of governance, the oldest first: a journal may say one twice.
    pub decided: Vec<EventId>,
}

/// A snapshot as bytes.
pub fn snapshot_to_bytes(snapshot: &Snapshot) -> Vec<u8> {
    let message = wire::Snapshot {
        format: FORMAT,
        partitions: snapshot.partitions.iter().map(partition_to_wire).collect(),
        org: Some(org::to_wire(&snapshot.org)),
        pools: snapshot.pools.iter().map(|(id, ledger)| pool::to_wire(id, ledger)).collect(),
    };
    message.encode_to_vec()
}

/// A snapshot from its bytes.
pub fn snapshot_from_bytes(bytes: Bytes) -> Result<Snapshot, DecodeError> {
    let message = wire::Snapshot::decode(bytes)
        .map_err(|source| DecodeError::Payload { message: "weir.storage.v1.Snapshot", source })?;
    if message.format != FORMAT {
        let problem = format!(
            "is {}; this version reads {FORMAT} and rebuilds from the journal instead",
            message.format
        );
        return Err(DecodeError::field("format", problem));
    }
    Ok(Snapshot {
        partitions: message.partitions.iter().map(partition_from_wire).collect::<Result<_, _>>()?,
        org: org::from_wire(present(message.org.as_ref(), "org")?)?,
        pools: message.pools.iter().map(pool::from_wire).collect::<Result<_, _>>()?,
    })
}

fn partition_to_wire((partition, read): (&u32, &PartitionRead)) -> wire::PartitionRead {
    let decided: Vec<u8> = read.decided.iter().flat_map(|id| id.as_u128().to_be_bytes()).collect();
    wire::PartitionRead { partition: *partition, next_offset: read.next, decided: decided.into() }
}

fn partition_from_wire(wire: &wire::PartitionRead) -> Result<(u32, PartitionRead), DecodeError> {
    let decided = |bytes| bits_from_wire(bytes, "partitions.decided").map(EventId::new);
    let decided = wire.decided.chunks(ID_BYTES).map(decided).collect::<Result<_, _>>()?;
    Ok((wire.partition, PartitionRead { next: wire.next_offset, decided }))
}
