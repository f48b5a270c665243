//! The beginning of a session: who it is, what it calls by number, and which holds it still has.

use std::collections::BTreeMap;

use tokio::time::timeout;
use tonic::Status;
use weir_domain::ids::{HoldId, NodeId, ServiceId};
use weir_proto::quota::v1 as wire;
use weir_proto::quota::v1::session_request::Request as Asked;

use super::super::input::{hold_bytes, invalid, parsed, undecided};
use super::{OPEN_WAIT_MAX, Session, opened};

/// Holds that are declared in one step at a desk.
const DECLARED_AT_ONCE: usize = 256;

impl Session {
    /// Takes the first message.
    pub(super) async fn open(&mut self) -> Result<wire::SessionOpened, Status> {
        let first = timeout(OPEN_WAIT_MAX, self.asked.message()).await;
        let first =
            first.map_err(|_| Status::deadline_exceeded("the session did not open; send `open` first"))??;
        let Some(Asked::Open(open)) = first.and_then(|request| request.request) else {
            return Err(invalid("open", "is missing; it must be the first message of a session"));
        };
        let node: NodeId = parsed(&open.node, "open.node")?;
        let node = self.caller.holds_as(node).map_err(|refused| invalid("open.node", refused))?;
        self.accounts.add(&open.accounts, &self.admission.pools)?;
        let alive = self.declare(&open.outstanding).await?;
        tracing::info!(%node, accounts = open.accounts.len(), outstanding = open.outstanding.len(), alive, "session opened");
        self.node = Some(node);
        Ok(opened(alive))
    }

    /// Holds that the node has from earlier sessions count as under way again. How many do.
    async fn declare(&self, outstanding: &[wire::Outstanding]) -> Result<u32, Status> {
        let mut by_pool: BTreeMap<usize, Vec<(HoldId, &ServiceId)>> = BTreeMap::new();
        for (index, declared) in outstanding.iter().enumerate() {
            let field = |name: &str| format!("open.outstanding[{index}].{name}");
            let Some(account) = self.accounts.get(declared.account) else {
                return Err(invalid(&field("account"), format!("account {} is not named", declared.account)));
            };
            let hold = hold_bytes(&declared.hold_id, &field("hold_id"))?;
            by_pool.entry(account.pool).or_default().push((hold, &account.service));
        }
        let mut alive = 0;
        for (pool, holds) in by_pool {
            for holds in holds.chunks(DECLARED_AT_ONCE) {
                let declared = self.accounts.pools[pool].handle.step(1, |clerk| clerk.declare(holds));
                let declared = declared.map_err(|reason| undecided(&reason))?;
                alive += declared.await.map_err(|reason| undecided(&reason))?;
            }
        }
        Ok(alive)
    }
}
