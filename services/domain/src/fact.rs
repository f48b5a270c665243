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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amount::Money;
    use crate::authorship::Authorship;
    use crate::ids::{HoldId, ServiceId};
    use crate::ledger::{Moved, Quantity, TermsChanged};
    use crate::org::Decided;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_secs(second)
    }

    fn by(second: i64) -> Authorship {
        Authorship { author: "ada".into(), reason: "test".into(), at: at(second), commit: None }
    }

    fn settled(second: i64) -> Movement {
        let what = Moved::Settled {
            hold: HoldId::new(1),
            held: Money::ZERO,
            used: Quantity::default(),
            metered: true,
        };
        Movement { at: at(second), service: ServiceId::try_new("chat").unwrap(), what }
    }

    #[test]
    fn facts_of_a_pool_keep_their_order_and_so_do_those_of_none() {
        let pool = || PoolId::try_new("gpt").unwrap();
        let of_pool = [
            QuotaFact::Governed {
                pool: pool(),
                event: Governed { by: by(1), what: TermsChanged::PoolRemoved },
            },
            QuotaFact::Moved { pool: pool(), movements: vec![settled(1), settled(2)] },
            QuotaFact::Resumed { pool: Some(pool()), at: at(3) },
        ];
        assert_eq!(of_pool.each_ref().map(QuotaFact::key), ["gpt"; 3]);
        assert_eq!(of_pool.each_ref().map(QuotaFact::at), [1, 2, 3].map(at));
        let what = Decided::TeamRemoved(crate::ids::TeamId::try_new("web").unwrap());
        let of_none =
            [QuotaFact::Org(org::Event { by: by(4), what }), QuotaFact::Resumed { pool: None, at: at(5) }];
        assert_eq!(of_none.each_ref().map(QuotaFact::key), [ORG_KEY; 2]);
        assert_eq!(of_none.each_ref().map(QuotaFact::at), [4, 5].map(at));
    }
}
