//! Debt: what was used above holds, forgiven where it should not be repaid.

use tonic::Status;
use weir_domain::ids::{PoolId, ServiceId};
use weir_domain::ledger::STRANGERS;
use weir_proto::governance::v1 as wire;

use super::Governance;
use super::decision::Order;
use crate::api::input::parsed;
use crate::auth::Caller;
use crate::org_writer::{Command, Forgiveness};

impl Governance {
    pub(super) async fn forgive(
        &self,
        caller: &Caller,
        call: wire::ForgiveDebtRequest,
    ) -> Result<wire::ForgiveDebtResponse, Status> {
        let order = Order::of(caller, &call)?;
        let (pool, service): (PoolId, ServiceId) =
            (parsed(&call.pool, "pool")?, parsed(&call.service, "service")?);
        if self.org.org().service(&service).is_none() && service.as_str() != STRANGERS {
            return Err(Status::not_found(format!("there is no service named {service}")));
        }
        let command = Command::ForgiveDebt(Forgiveness { pool, service, seen: order.seen });
        let done = self.decide(command, order).await?;
        Ok(wire::ForgiveDebtResponse { changed: done.changed, forgiven: done.forgiven.get() })
    }
}
