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
    pub(super) charges: HashMap<HoldId, Charge>,
    pub(super) duplicates: u64,
}

/// What the ledger has settled, by hold.
#[derive(Default)]
pub(super) struct Settled {
    pub(super) charges: HashMap<HoldId, Charge>,
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
        self.charges.insert(event.hold, Charge { service, pool, tokens: event.usage.total() });
    }
}

impl Book for Settled {
    fn take(&mut self, stored: &StoredRecord) -> bool {
        let Ok(recorded) = codec::quota_event_from_record(&stored.record) else { return false };
        let QuotaFact::Moved { pool, movements } = recorded.fact else { return true };
        for movement in movements {
            if let Moved::Settled { hold, used } = movement.what {
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
        let tokens = charge.tokens;
        self.charges.entry(hold).and_modify(|charged| charged.tokens += tokens).or_insert(charge);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_that_is_charged_twice_is_charged_too_much() {
        let charge = Charge {
            service: ServiceId::try_new("chat").unwrap(),
            pool: PoolId::try_new("gpt").unwrap(),
            tokens: Tokens::new(10),
        };
        let mut settled = Settled::default();
        settled.add(HoldId::new(1), charge.clone());
        settled.add(HoldId::new(1), charge);
        assert_eq!(settled.charges[&HoldId::new(1)].tokens, Tokens::new(20));
    }
}
