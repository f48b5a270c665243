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
            if let Moved::Settled { used, .. } = movement.what {
                let charge = Charge { service: movement.service, pool: pool.clone(), tokens: used };
                self.charges.insert(movement.hold, charge);
            }
        }
        true
    }
}
