//! The policy as a whole: made so, or shown.

use std::collections::BTreeSet;

use tonic::Status;
use weir_domain::authorship::Authorship;
use weir_domain::ids::{ModelName, PoolId, ServiceId, TeamId};
use weir_domain::policy::Policy;
use weir_proto::codec::{policy_from_wire, policy_to_wire};
use weir_proto::governance::v1 as wire;

use super::Governance;
use super::decision::Order;
use super::size;
use crate::api::input::{invalid, undecodable};
use crate::auth::Caller;
use crate::org_writer::{Ask, Command};

impl Governance {
    pub(super) async fn apply(
        &self,
        caller: &Caller,
        call: wire::ApplyPolicyRequest,
    ) -> Result<wire::ApplyPolicyResponse, Status> {
        let Order { by, seen, id } = Order::of(caller, &call)?;
        let commit = Some(call.commit.trim()).filter(|commit| !commit.is_empty()).map(str::to_owned);
        let policy = call.policy.ok_or_else(|| invalid("policy", "is missing"))?;
        size::check_text("commit", &call.commit, size::NAME_BYTES_MAX)?;
        size::check_policy(&policy)?;
        let policy = policy_from_wire(&policy).map_err(|problem| undecodable(&problem))?;
        let ask = Ask {
            command: Command::Apply(policy),
            by: Authorship { commit, ..by },
            expected: seen,
            id,
            dry_run: call.dry_run,
        };
        let done = self.ask(ask).await?;
        Ok(wire::ApplyPolicyResponse {
            changes: done.lines,
            etag: done.version.to_string(),
            warnings: done.warnings,
        })
    }

    #[expect(clippy::unused_async, reason = "answers like every other method")]
    pub(super) async fn export(
        &self,
        caller: &Caller,
        _: wire::ExportPolicyRequest,
    ) -> Result<wire::ExportPolicyResponse, Status> {
        let org = self.org.org();
        let policy = org.policy(self.clock.now());
        let policy = match caller.principal().role.team() {
            Some(team) => of_team(policy, team),
            None => policy,
        };
        Ok(wire::ExportPolicyResponse {
            policy: Some(policy_to_wire(&policy)),
            etag: org.version().to_string(),
        })
    }
}

/// What of a policy concerns a team: what is its own, the pools that it has a share of, and what their models cost.
fn of_team(mut policy: Policy, team: &TeamId) -> Policy {
    policy.teams.retain(|other| other.id == *team);
    policy.services.retain(|service| service.team == *team);
    let services: BTreeSet<ServiceId> = policy.services.iter().map(|service| service.id.clone()).collect();
    let held = policy.services.iter().flat_map(|service| &service.allocations);
    let pools: BTreeSet<PoolId> = held.map(|allocation| allocation.pool.clone()).collect();
    policy.pools.retain(|pool| pools.contains(&pool.id));
    let models = policy.pools.iter().flat_map(|pool| &pool.models);
    let models: BTreeSet<ModelName> = models.map(|model| model.name.clone()).collect();
    policy.bursts.retain(|granted| services.contains(&granted.burst.service));
    policy.exceptions.retain(|exception| services.contains(&exception.service));
    policy.prices.retain(|price| models.contains(&price.model));
    policy
}
