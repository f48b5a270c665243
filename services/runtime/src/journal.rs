//! The journal: the port through which facts are kept, and its three implementations.
//!
//! A topic has partitions; a record's key decides its partition; a partition is a sequence of records numbered
//! from 0 without gaps in order of appending (Kafka's transaction markers may leave gaps: never rely on `+1`).
//! A group keeps, for each partition, the offset it goes on from and a short text beside it. What every
//! implementation must do is written once, as the contract test in `tests/`.

pub mod config;
pub mod embedded;
mod groups;
pub mod kafka;
mod limits;
pub mod memory;
mod open;
mod placement;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use weir_proto::record::{Record, Topic};

pub use config::{Config, Kind};
pub use limits::{APPEND_BYTES_MAX, RECORD_BYTES_MAX};
pub use open::{EMBEDDED_DIR, open};
pub use placement::partition_of;

/// A partition of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// The topic.
    pub topic: Topic,
    /// Its number, from 0.
    pub index: u32,
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic.name(), self.index)
    }
}

/// A record's place in its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(u64);

impl Offset {
    /// The first place.
    pub const ZERO: Self = Self(0);

    /// Takes the number as it is.
    pub const fn new(offset: u64) -> Self {
        Self(offset)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The next place.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A record and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its partition.
    pub partition: Partition,
    /// Its place there.
    pub offset: Offset,
    /// What was appended.
    pub record: Record,
}

/// Where a record went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The partition.
    pub partition: Partition,
    /// The place.
    pub offset: Offset,
}

/// What a group has committed for a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The offset to go on from: everything below it is done.
    pub offset: Offset,
    /// A note beside it, at most [`METADATA_BYTES_MAX`] long.
    pub metadata: String,
}

/// Kafka's own limit (`offset.metadata.max.bytes`).
pub const METADATA_BYTES_MAX: usize = 4096;

/// Why an append did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Nothing was appended, and the same append may be tried again.
    #[error("journal did not take {records} records for {topic}: {reason}")]
    Rejected {
        /// Where to.
        topic: &'static str,
        /// How many.
        records: usize,
        /// Why.
        reason: String,
    },
    /// Nobody can say whether all, some or none were appended. Whoever depends on it must read the journal again.
    #[error("journal may or may not have taken {records} records for {topic}: {reason}")]
    Unknown {
        /// Where to.
        topic: &'static str,
        /// How many.
        records: usize,
        /// Why.
        reason: String,
    },
}

/// Why the journal could not be read, or a commit not be made.
#[derive(Debug, thiserror::Error)]
#[error("journal cannot {operation}: {reason}")]
pub struct Error {
    /// What was tried, for instance `read weir.usage.v1/0 from 17`.
    pub operation: String,
    /// Why it failed.
    pub reason: String,
}

/// Why a commit was not made.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The partition belongs to another member now; its work is that member's.
    #[error("{partition} is no longer ours")]
    Lost {
        /// Which.
        partition: Partition,
    },
    /// Something else; the commit may be tried again.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// A durable, ordered, replayable log of facts.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// How many partitions the topic has.
    async fn partitions(&self, topic: Topic) -> Result<u32, Error>;

    /// Appends records, in order where keys are equal. Returns when all are as durable as the settings say.
    async fn append(&self, topic: Topic, records: Vec<Record>) -> Result<Vec<Position>, AppendError>;

    /// The offset that the next record of the partition will get.
    async fn end(&self, partition: Partition) -> Result<Offset, Error>;

    /// Reads a partition from an offset on.
    async fn read(&self, partition: Partition, from: Offset) -> Result<Box<dyn Reader>, Error>;

    /// What a group has committed, without joining it.
    async fn committed(&self, group: &str, partition: Partition) -> Result<Option<Committed>, Error>;

    /// Joins a group: partitions are assigned to its members, each to one.
    async fn join(&self, group: &str, topic: Topic) -> Result<Box<dyn Member>, Error>;
}

/// Reads one partition forward.
#[async_trait]
pub trait Reader: Send {
    /// The next records, at most `max` of them and at least one if there is one; empty if none came within `wait`.
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Vec<StoredRecord>, Error>;
}

/// What a member of a group is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberEvent {
    /// The partition is this member's from now on, to be read from the committed offset.
    Assigned {
        /// Which.
        partition: Partition,
        /// What the group has committed for it.
        committed: Option<Committed>,
    },
    /// The partition is no longer this member's. Nothing more of it may be committed.
    Revoked {
        /// Which.
        partition: Partition,
    },
}

/// One member of a group. It learns which partitions are its own, reads them through [`Journal::read`], commits here.
#[async_trait]
pub trait Member: Send {
    /// The next event, or none within `wait`. Must be called often enough to stay a member (Kafka: `max.poll.interval.ms`).
    async fn next(&mut self, wait: Duration) -> Result<Option<MemberEvent>, Error>;

    /// Commits for a partition that is this member's. Durable when it returns.
    async fn commit(&mut self, partition: Partition, committed: Committed) -> Result<(), CommitError>;
}

/// A journal that many share.
pub type SharedJournal = Arc<dyn Journal>;
