//! Bursts: asked for, decided, extended, ended and listed.

use tonic::Status;
use weir_domain::burst::{Approval, BurstRecord};
use weir_domain::ids::{BurstId, PoolId, ServiceId};
use weir_domain::ledger::{Change, PoolTerms};
use weir_domain::org::Org;
use weir_proto::codec::{burst_from_wire, burst_state_to_wire, timestamp_from_wire};
use weir_proto::governance::v1 as wire;

use super::Governance;
use super::decision::{Order, authorship};
use super::size;
use crate::api::auth::permission_denied;
use crate::api::input::{invalid, parsed, undecodable};
use crate::auth::{Caller, Owner};
use crate::org_writer::{Command, PoolCommand};

/// What is asked of a burst that there is.
struct Step {
    burst: BurstId,
    change: Change,
    order: Order,
}

impl Governance {
    /// Whoever asks is the requester, unless an admin asks for somebody.
    pub(super) async fn ask_for_burst(
        &self,
        caller: &Caller,
        call: wire::RequestBurstRequest,
    ) -> Result<wire::BurstResponse, Status> {
        let mut burst = call.burst.clone().ok_or_else(|| invalid("burst", "is missing"))?;
        size::check("burst", &burst)?;
        let service: ServiceId = parsed(&burst.service, "burst.service")?;
        let owner = self.org.org();
        caller.may_touch(Owner::of_service(&owner, &service)).map_err(|denied| permission_denied(&denied))?;
        if owner.service(&service).is_none() {
            return Err(Status::not_found(format!(
                "there is no service named {service}; define it in the policy first"
            )));
        }
        let order = Order::of(caller, &call)?;
        let by = &order.by;
        if burst.requester.trim().is_empty() {
            burst.requester.clone_from(&by.author);
        } else if burst.requester != by.author {
            burst.requester = authorship(caller, &burst.requester, &burst.reason)?.author;
        }
        let burst = burst_from_wire(&burst).map_err(|problem| undecodable(&problem))?;
        let (id, pool) = (burst.id.clone(), burst.pool.clone());
        let asked = PoolCommand { pool, change: Change::RequestBurst(burst), seen: None };
        let done = self.decide(Command::Burst(asked), order).await?;
        self.burst(&id, done.changed)
    }

    pub(super) async fn approve(
        &self,
        caller: &Caller,
        call: wire::ApproveBurstRequest,
    ) -> Result<wire::BurstResponse, Status> {
        let burst: BurstId = parsed(&call.burst, "burst")?;
        let approval = if call.best_effort { Approval::BestEffort } else { Approval::Guaranteed };
        let order = Order::of(caller, &call)?;
        let change = Change::ApproveBurst { burst: burst.clone(), approval };
        self.step(Step { burst, change, order }).await
    }

    pub(super) async fn deny(
        &self,
        caller: &Caller,
        call: wire::DecideBurstRequest,
    ) -> Result<wire::BurstResponse, Status> {
        let burst: BurstId = parsed(&call.burst, "burst")?;
        let order = Order::of(caller, &call)?;
        let change = Change::DenyBurst { burst: burst.clone() };
        self.step(Step { burst, change, order }).await
    }

    pub(super) async fn revoke(
        &self,
        caller: &Caller,
        call: wire::DecideBurstRequest,
    ) -> Result<wire::BurstResponse, Status> {
        let burst: BurstId = parsed(&call.burst, "burst")?;
        let org = self.org.org();
        let service = org.burst(&burst).map(|(_, record)| &record.burst.service);
        caller.may_touch(Owner::of_thing(&org, service)).map_err(|denied| permission_denied(&denied))?;
        let order = Order::of(caller, &call)?;
        let change = Change::RevokeBurst { burst: burst.clone() };
        self.step(Step { burst, change, order }).await
    }

    pub(super) async fn extend(
        &self,
        caller: &Caller,
        call: wire::ExtendBurstRequest,
    ) -> Result<wire::BurstResponse, Status> {
        let burst: BurstId = parsed(&call.burst, "burst")?;
        let end = timestamp_from_wire(call.end.as_ref(), "end").map_err(|problem| undecodable(&problem))?;
        let order = Order::of(caller, &call)?;
        let change = Change::ExtendBurst { burst: burst.clone(), end };
        self.step(Step { burst, change, order }).await
    }

    async fn step(&self, step: Step) -> Result<wire::BurstResponse, Status> {
        let Step { burst, change, order } = step;
        let pool: PoolId = match self.org.org().burst(&burst) {
            Some((pool, _)) => pool.clone(),
            None => return Err(no_burst(&burst)),
        };
        let asked = PoolCommand { pool, change, seen: order.seen };
        let done = self.decide(Command::Burst(asked), order).await?;
        self.burst(&burst, done.changed)
    }

    fn burst(&self, id: &BurstId, changed: bool) -> Result<wire::BurstResponse, Status> {
        let org = self.org.org();
        let (pool, record) = org.burst(id).ok_or_else(|| no_burst(id))?;
        Ok(wire::BurstResponse { burst: Some(self.state(&org, pool, record)), changed })
    }

    #[expect(clippy::unused_async, reason = "answers like every other method")]
    pub(super) async fn bursts(
        &self,
        caller: &Caller,
        call: wire::ListBurstsRequest,
    ) -> Result<wire::ListBurstsResponse, Status> {
        let (org, now) = (self.org.org(), self.clock.now());
        let only: Option<ServiceId> = match call.service.as_str() {
            "" => None,
            service => Some(parsed(service, "service")?),
        };
        if let Some(service) = &only {
            caller.may_see(Owner::of_service(&org, service)).map_err(|denied| permission_denied(&denied))?;
        }
        let shown = |record: &BurstRecord| {
            let service = &record.burst.service;
            only.as_ref().is_none_or(|only| only == service)
                && (call.all || record.phase(now).is_open())
                && caller.may_see(Owner::of_thing(&org, Some(service))).is_ok()
        };
        let mut bursts: Vec<_> = org.bursts().filter(|(_, record)| shown(record)).collect();
        bursts.sort_by_key(|(_, record)| (record.burst.window.start(), &record.burst.id));
        let bursts = bursts.into_iter().map(|(pool, record)| self.state(&org, pool, record)).collect();
        Ok(wire::ListBurstsResponse { bursts, etag: org.version().to_string() })
    }

    fn state(&self, org: &Org, pool: &PoolId, record: &BurstRecord) -> wire::BurstState {
        let version = org.terms(pool).map_or(0, PoolTerms::version);
        burst_state_to_wire(record, self.clock.now(), version.to_string())
    }
}

fn no_burst(burst: &BurstId) -> Status {
    Status::not_found(format!("there is no burst named {burst}"))
}
