//! What the journal says: usage on one topic, what the ledger charged on the other.

use std::collections::{HashMap, HashSet};

use weir_domain::amount::Tokens;
use weir_domain::fact::QuotaFact;
use weir_domain::ids::{EventId, HoldId, NodeId, PoolId, ServiceId};
use weir_domain::ledger::Moved;
use weir_domain::tally::UsageTally;
use weir_domain::usage::{UsageEvent, UsageRecorded};
use weir_proto::codec;
use weir_runtime::journal::StoredRecord;

use crate::topic_reader::Book;

/// A hold: its id is told apart within its pool only.
pub(super) type Key = (PoolId, HoldId);

/// What one hold was charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Charge {
    pub(super) service: ServiceId,
    pub(super) pool: PoolId,
    pub(super) tokens: Tokens,
}

/// The usage topic, without duplicates.
#[derive(Default)]
pub(super) struct Usage {
    seen: HashSet<(NodeId, EventId)>,
    pub(super) tally: UsageTally,
    pub(super) charges: HashMap<Key, Charge>,
    pub(super) duplicates: u64,
}

/// What the ledger has settled, by hold.
#[derive(Default)]
pub(super) struct Settled {
    pub(super) charges: HashMap<Key, Charge>,
}

impl Book for Usage {
    fn take(&mut self, stored: &StoredRecord) -> bool {
        match codec::usage_from_record(&stored.record) {
            Ok(UsageEvent::Recorded(event)) => self.add(&event),
            Ok(UsageEvent::Refused(_)) => {}
            Err(_) => return false,
        }
        true
    }
}

impl Usage {
    fn add(&mut self, event: &UsageRecorded) {
        if !self.seen.insert((event.node.clone(), event.id)) {
            self.duplicates += 1;
            return;
        }
        self.tally.add(event);
        let (service, pool) = (event.service.clone(), event.pool.clone());
        let charge = Charge { service, pool: pool.clone(), tokens: event.usage.total() };
        self.charges.insert((pool, event.hold), charge);
    }
}

impl Book for Settled {
    fn take(&mut self, stored: &StoredRecord) -> bool {
        let Ok(recorded) = codec::quota_event_from_record(&stored.record) else { return false };
        let QuotaFact::Moved { pool, movements } = recorded.fact else { return true };
        for movement in movements {
            if let Moved::Settled { hold, used, .. } = movement.what {
                let charge = Charge { service: movement.service, pool: pool.clone(), tokens: used.tokens };
                self.add(hold, charge);
            }
        }
        true
    }
}

impl Settled {
    /// A hold is charged once; if it were charged again, both would count, and differ from what was used.
    fn add(&mut self, hold: HoldId, charge: Charge) {
        let (key, tokens) = ((charge.pool.clone(), hold), charge.tokens);
        self.charges.entry(key).and_modify(|charged| charged.tokens += tokens).or_insert(charge);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_that_is_charged_twice_is_charged_too_much_and_another_pools_is_another() {
        let pool = |name: &str| PoolId::try_new(name).unwrap();
        let charge = Charge {
            service: ServiceId::try_new("chat").unwrap(),
            pool: pool("gpt"),
            tokens: Tokens::new(10),
        };
        let mut settled = Settled::default();
        settled.add(HoldId::new(1), charge.clone());
        settled.add(HoldId::new(1), Charge { pool: pool("embeddings"), ..charge.clone() });
        settled.add(HoldId::new(1), charge);
        assert_eq!(settled.charges[&(pool("gpt"), HoldId::new(1))].tokens, Tokens::new(20));
        assert_eq!(settled.charges[&(pool("embeddings"), HoldId::new(1))].tokens, Tokens::new(10));
    }
}
