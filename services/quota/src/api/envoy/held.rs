//! A hold between a decision and its charge: it is given back unless it is charged, whatever happens to the call.

use weir_domain::desk::{Release, Reserve};
use weir_domain::ids::{HoldId, ServiceId};
use weir_domain::ledger::{Quantity, Settle};

use super::awaited::RequestKey;
use crate::no_decision::NoDecision;
use crate::pool::{Due, PoolHandle};

/// What was held for a descriptor.
pub(super) struct Held {
    pool: PoolHandle,
    service: ServiceId,
    hold: HoldId,
    quantity: Quantity,
    /// Whose report settles it; none if it is charged at once.
    pub(super) awaits: Option<RequestKey>,
    charged: bool,
}

impl Held {
    /// What a reservation holds in its pool.
    pub(super) fn new(pool: PoolHandle, reserve: Reserve, hold: HoldId, awaits: Option<RequestKey>) -> Self {
        let Reserve { service, need: quantity, .. } = reserve;
        Self { pool, service, hold, quantity, awaits, charged: false }
    }

    /// Charges all of it. Done when this returns; the answer comes when the journal has it.
    pub(super) fn charge(self) -> Result<Due<bool>, NoDecision> {
        let used = self.quantity;
        self.settle(used)
    }

    /// Replaces it by what was used. Done when this returns; the answer comes when the journal has it.
    pub(super) fn settle(mut self, used: Quantity) -> Result<Due<bool>, NoDecision> {
        let settle = Settle { hold: self.hold, service: self.service.clone(), used };
        let due = self.pool.step(1, |clerk| clerk.settle_unmetered(&settle))?;
        self.charged = true;
        Ok(due)
    }

    /// What is held.
    pub(super) fn quantity(&self) -> Quantity {
        self.quantity
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.charged {
            return;
        }
        let release = Release::Hold(self.hold);
        let released = self.pool.step(1, |clerk| clerk.release(&release, &self.service));
        if let Err(reason) = released {
            tracing::debug!(%reason, hold = %self.hold, "a hold stays until its slice is over");
        }
    }
}
