//! Limits that are pushed: when somebody has decided about a pool, or a burst begins or ends, the node is told where those
//! of its accounts stand that it concerns.

use weir_domain::desk::Answer;
use weir_proto::quota::v1 as wire;

use super::super::refusal::standing_to_wire;
use super::Session;
use super::answers::Pending;
use crate::no_decision::NoDecision;
use crate::pool::{Clerk, Due};

impl Session {
    /// Looks at every pool whose limits have changed. One whose desk was lost ends the session: its holds under way are
    /// forgotten there, and the node must declare them anew.
    pub(super) fn look_at_limits(&mut self) {
        for pool in 0..self.accounts.pools.len() {
            let known = &mut self.accounts.pools[pool];
            if known.handle.losses() != known.losses {
                let name = known.handle.pool();
                let message =
                    format!("pool {name} was rebuilt; open another session and declare what is outstanding");
                return self.finish(Some(tonic::Status::unavailable(message)));
            }
            let changes = known.handle.limits();
            if std::mem::replace(&mut known.changes, changes) == changes {
                continue;
            }
            // A pool that gives no answer is about to be lost.
            if let Ok(due) = self.changed_limits(pool) {
                self.pending.push_back(Pending::Limits(due));
            }
        }
    }

    /// The accounts of a pool whose limits are others than the node knows.
    fn changed_limits(&mut self, pool: usize) -> Result<Due<Vec<wire::SessionLimits>>, NoDecision> {
        let handle = self.accounts.pools[pool].handle.clone();
        let of_pool = self.accounts.all().filter(|(_, account)| account.pool == pool);
        let mut of_pool: Vec<_> = of_pool.collect();
        for (_, account) in &mut of_pool {
            account.priced = handle.entitled(account.service.as_str()).is_ok_and(|entitled| entitled.priced);
        }
        handle.step(1, |clerk: &mut Clerk| {
            let mut changed = Vec::new();
            for (number, account) in of_pool {
                let limits = clerk.limits_of(&account.service).map(Box::new);
                if account.limits != limits {
                    account.limits = limits;
                    let standing = clerk.standing(&account.service);
                    let standing = standing.as_ref().map(standing_to_wire);
                    changed.push(wire::SessionLimits { account: number, standing });
                }
            }
            Answer { what: changed, after: clerk.nothing().after }
        })
    }
}
