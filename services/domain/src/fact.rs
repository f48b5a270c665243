//! What one record of the quota topic says.

use crate::ids::{EventId, NodeId, PoolId};
use crate::ledger::{Governed, Movement};
use crate::org;
use crate::time::Timestamp;

/// A fact of the quota topic and its identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaRecorded {
    /// With `node`, the identity of the fact.
    pub id: EventId,
    /// The quota node that recorded it.
    pub node: NodeId,
    /// The fact.
    pub fact: QuotaFact,
}

/// Everything that is said on the quota topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuotaFact {
    /// The organisation decided something outside of any pool. Prices are here: `Decided::PriceSet`, `PriceRemoved`.
    Org(org::Event),
    /// What a pool is, or who is entitled to what in it, changed.
    Governed {
        /// The pool.
        pool: PoolId,
        /// What changed.
        event: Governed,
    },
    /// Tokens of a pool moved: one group commit, in order.
    Moved {
        /// The pool.
        pool: PoolId,
        /// At least one.
        movements: Vec<Movement>,
    },
    /// A writer went on after it had lost its place: everything it appended before stands before this, or nowhere.
    Resumed {
        /// Its pool; none for the writer of the organisation.
        pool: Option<PoolId>,
        /// When.
        at: Timestamp,
    },
}

/// The key of what concerns no pool.
pub const ORG_KEY: &str = "org";

impl QuotaFact {
    /// The key of the record: facts with the same key keep their order.
    pub fn key(&self) -> &str {
        match self {
            Self::Org(_) | Self::Resumed { pool: None, .. } => ORG_KEY,
            Self::Governed { pool, .. }
            | Self::Moved { pool, .. }
            | Self::Resumed { pool: Some(pool), .. } => pool.as_str(),
        }
    }

    /// When it happened; for several movements, when the last of them did.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Org(event) => event.by.at,
            Self::Governed { event, .. } => event.by.at,
            Self::Moved { movements, .. } => movements.last().map_or(Timestamp::EPOCH, |last| last.at),
            Self::Resumed { at, .. } => *at,
        }
    }
}
