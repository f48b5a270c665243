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
    /// Of what usage events tell of.
    pub(super) charges: HashMap<Key, Charge>,
    /// Of what no usage event tells of: how often, and how much.
    pub(super) unmetered: (u64, Tokens),
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
            let Moved::Settled { hold, used, metered, .. } = movement.what else { continue };
            if metered {
                let charge = Charge { service: movement.service, pool: pool.clone(), tokens: used.tokens };
                self.add(hold, charge);
            } else {
                self.unmetered.0 += 1;
                self.unmetered.1 += used.tokens;
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
    use weir_domain::amount::Money;
    use weir_domain::fact::QuotaRecorded;
    use weir_domain::ledger::{Movement, Quantity};
    use weir_domain::time::Timestamp;
    use weir_proto::record::Topic;
    use weir_runtime::journal::{Offset, Partition};

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

    #[test]
    fn what_no_usage_event_tells_of_is_counted_apart() {
        let movement = |hold, metered| Movement {
            at: Timestamp::from_secs(1),
            service: ServiceId::try_new("chat").unwrap(),
            what: Moved::Settled {
                hold: HoldId::new(hold),
                held: Money::ZERO,
                used: Quantity { tokens: Tokens::new(10), money: Money::ZERO },
                metered,
            },
        };
        let movements = vec![movement(1, true), movement(2, false), movement(3, false)];
        let fact = QuotaFact::Moved { pool: PoolId::try_new("gpt").unwrap(), movements };
        let recorded = QuotaRecorded { id: EventId::new(1), node: NodeId::try_new("quota-1").unwrap(), fact };
        let stored = StoredRecord {
            partition: Partition { topic: Topic::Quota, index: 0 },
            offset: Offset::new(0),
            record: codec::quota_event_to_record(&recorded),
        };
        let mut settled = Settled::default();
        assert!(settled.take(&stored));
        assert_eq!((settled.charges.len(), settled.unmetered), (1, (2, Tokens::new(20))));
    }
}
