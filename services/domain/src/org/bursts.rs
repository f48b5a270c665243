//! Who may have a burst at all, by what a pool does not know: whether anybody answers for the service, who asked and who
//! decides. Whether a burst fits its pool is weighed there.

use std::collections::{BTreeMap, BTreeSet};

use crate::authorship::{Authorship, actor};
use crate::burst::{Burst, BurstRecord, Verdict};
use crate::calendar::Utc;
use crate::ids::{BurstId, PoolId, ServiceId};
use crate::ledger::{Change, PoolTerms};
use crate::org::Org;
use crate::org::policy_change::Proposal;
use crate::policy::{Policy, PolicyProblem, Rules, Service, Waivers, check_start};
use crate::time::Timestamp;

/// Why the organisation refuses what a pool might allow a burst.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BurstRefused {
    /// Nobody answers for the service, and no exception lets it have more than the sandbox for so long.
    #[error("burst {burst}: {}", beyond_sandbox(service, *end))]
    Sandbox {
        /// The burst.
        burst: BurstId,
        /// Whose.
        service: ServiceId,
        /// When it would end.
        end: Timestamp,
    },
    /// Whoever asked for it decides on it, and the rules want somebody else to.
    #[error("burst {burst} was asked for by {requester}; somebody else must decide on it")]
    OwnRequest {
        /// The burst.
        burst: BurstId,
        /// Who asked.
        requester: String,
    },
}

fn beyond_sandbox(service: &ServiceId, end: Timestamp) -> String {
    format!(
        "service {service} names no owner or no use case, so it has the sandbox and no burst; name both in the policy, \
         or grant an exception that waives the sandbox limit until {} at least",
        Utc(end)
    )
}

impl Org {
    /// Whether a change of a pool may be made, as far as it lets a burst count. What is so already may be.
    pub fn check_burst(
        &self,
        pool: &PoolTerms,
        change: &Change,
        rules: Rules,
        by: &Authorship,
    ) -> Result<(), BurstRefused> {
        let known = |burst: &BurstId| pool.bursts().get(burst).map(|record| &record.burst);
        let (burst, end) = match change {
            Change::RequestBurst(burst) => (Some(burst), burst.window.end()),
            Change::ApproveBurst { burst, .. } => {
                let burst = known(burst);
                (burst, burst.map_or(by.at, |burst| burst.window.end()))
            }
            Change::ExtendBurst { burst, end } => (known(burst), *end),
            _ => (None, by.at),
        };
        let Some(burst) = burst.filter(|_| pool.difference(change).is_some()) else { return Ok(()) };
        let decides = !matches!(change, Change::RequestBurst(_));
        if decides && !rules.requester_may_approve && actor(&burst.requester) == actor(&by.author) {
            let (burst, requester) = (burst.id.clone(), burst.requester.clone());
            return Err(BurstRefused::OwnRequest { burst, requester });
        }
        let waivers = Waivers::new(self.exceptions.values(), by.at);
        match self.services.get(&burst.service) {
            Some(service) if !waivers.cover(service, end) => {
                let (burst, service) = (burst.id.clone(), service.id.clone());
                Err(BurstRefused::Sandbox { burst, service, end })
            }
            _ => Ok(()),
        }
    }
}

/// The bursts of a service in a pool that count, or will, and may not for as long as that.
pub(super) fn uncovered(
    pool: &PoolTerms,
    service: &Service,
    waivers: &Waivers,
    now: Timestamp,
) -> impl Iterator<Item = Change> {
    let bursts = pool.bursts_of(&service.id).filter(move |record| counts(record, now)).map(|it| &it.burst);
    let uncovered = bursts.filter(|burst| !waivers.cover(service, burst.window.end()));
    uncovered.map(|burst| Change::RevokeBurst { burst: burst.id.clone() })
}

fn counts(record: &BurstRecord, now: Timestamp) -> bool {
    record.approval().is_some() && record.phase(now).is_open()
}

/// Names every burst that would count under a policy and may not, of those that it states and of those that go on.
pub(super) fn check(proposal: &Proposal<'_>, waivers: &Waivers, found: &mut Vec<PolicyProblem>) {
    let Proposal { org, policy, rules, now } = *proposal;
    policy.bursts.iter().for_each(|granted| check_start(&granted.burst, now, found));
    let services: BTreeMap<_, _> = policy.services.iter().map(|service| (&service.id, service)).collect();
    let mut name = |burst: &Burst, message: String| {
        found.push(PolicyProblem { place: format!("burst {}", burst.id), message });
    };
    for burst in bursts_after(org, policy, now) {
        if let Some(service) = services.get(&burst.service)
            && !waivers.cover(service, burst.window.end())
        {
            name(burst, beyond_sandbox(&service.id, burst.window.end()));
        }
    }
    for granted in policy.bursts.iter().filter(|_| !rules.requester_may_approve) {
        let known = org.burst(&granted.burst.id).and_then(|(_, record)| record.grant());
        let alone = actor(&granted.burst.requester) == actor(&granted.approver);
        if alone && granted.burst.window.end() > now && known.as_ref() != Some(granted) {
            let who = &granted.approver;
            name(
                &granted.burst,
                format!("{who} asked for it and approved it; somebody else must approve it"),
            );
        }
    }
}

/// The bursts that count, or will, once a policy is applied. One that it leaves out goes on, if its allocation does.
fn bursts_after<'a>(org: &'a Org, policy: &'a Policy, now: Timestamp) -> Vec<&'a Burst> {
    let stated: BTreeSet<_> = policy.bursts.iter().map(|granted| &granted.burst.id).collect();
    let held = policy.services.iter().flat_map(|service| {
        service.allocations.iter().map(move |allocation| (&allocation.pool, &service.id))
    });
    let held: BTreeSet<(&PoolId, &ServiceId)> = held.collect();
    let goes_on = |(pool, record): &(&PoolId, &BurstRecord)| {
        let burst = &record.burst;
        counts(record, now) && !stated.contains(&burst.id) && held.contains(&(pool, &burst.service))
    };
    let kept = org.bursts().filter(goes_on).map(|(_, record)| &record.burst);
    let open = policy.bursts.iter().map(|granted| &granted.burst).filter(|burst| burst.window.end() > now);
    kept.chain(open).collect()
}

/// Warns of bursts that a policy states and that were revoked: they stay so, or whoever applies the same files again would
/// undo what an approver decided.
pub(super) fn warn_of_revoked(org: &Org, policy: &Policy, now: Timestamp, warnings: &mut Vec<PolicyProblem>) {
    for burst in policy.bursts.iter().map(|granted| &granted.burst).filter(|burst| burst.window.end() > now) {
        let Some((_, record)) = org.burst(&burst.id) else { continue };
        if let Verdict::Revoked { by, reason, at } = &record.verdict {
            let at = Utc(*at);
            let message = format!(
                "was revoked by {by} at {at} ({reason}) and stays so; take it out of the policy, or state another name \
                 to grant one anew"
            );
            warnings.push(PolicyProblem { place: format!("burst {}", burst.id), message });
        }
    }
}
