//! What a gateway admits on its own while a pool's node does not answer: up to a bound in one outage, as debt.

use std::collections::BTreeMap;
use std::time::Duration;

use weir_domain::amount::Tokens;
use weir_domain::ids::{HoldId, ServiceId, SliceId};
use weir_domain::policy::FailureMode;
use weir_domain::time::Timestamp;

use crate::govern::failure;

/// What one service was granted in one outage.
struct Grant {
    tokens: Tokens,
    slice: SliceId,
    holds: u32,
}

pub(super) struct Outages {
    gateway: u32,
    grants: BTreeMap<(usize, ServiceId), Grant>,
    /// When the last slice was made. Outlives a crash, as the log does.
    last: Timestamp,
}

impl Outages {
    pub(super) fn new(gateway: usize) -> Self {
        let gateway = u32::try_from(gateway).expect("there are few gateways");
        Self { gateway, grants: BTreeMap::new(), last: Timestamp::EPOCH }
    }

    /// A pool's node answers.
    pub(super) fn end(&mut self, pool: usize) {
        self.grants.retain(|(of, _), _| *of != pool);
    }

    pub(super) fn forget(&mut self) {
        self.grants.clear();
    }

    /// A hold of the gateway's own, if the failure mode has room for it.
    pub(super) fn admit(
        &mut self,
        pool: usize,
        service: &ServiceId,
        tokens: Tokens,
        now: Timestamp,
    ) -> Option<HoldId> {
        let FailureMode::Open { tokens_per_outage } = failure(service) else { return None };
        let key = (pool, service.clone());
        if !self.grants.contains_key(&key) {
            self.last = now.max(self.last.plus(Duration::from_millis(1)));
            let slice = SliceId::self_granted(self.gateway, self.last);
            self.grants.insert(key.clone(), Grant { tokens: Tokens::ZERO, slice, holds: 0 });
        }
        let grant = self.grants.get_mut(&key)?;
        if grant.tokens + tokens > tokens_per_outage {
            return None;
        }
        let hold = HoldId::try_pack(grant.slice, grant.holds, tokens)?;
        grant.holds += 1;
        grant.tokens += tokens;
        Some(hold)
    }
}
