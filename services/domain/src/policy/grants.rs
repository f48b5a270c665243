//! What is wrong with bursts and exceptions, in a policy or asked for one by one.

use std::collections::BTreeSet;

use crate::burst::{Burst, BurstOutOfBounds};
use crate::policy::problems::Findings;
use crate::policy::{Exception, Policy, PolicyProblem, Waiver};
use crate::time::Timestamp;

/// Names every problem of a burst that is asked for now, by itself, whether or not it fits its pool; empty if it is sound.
pub fn problems_of_burst(burst: &Burst, now: Timestamp) -> Vec<PolicyProblem> {
    let mut found = Findings::default();
    check_burst(burst, &mut found);
    check_start(burst, now, &mut found.0);
    found.0
}

/// Names a burst that begins too far ahead of now.
pub(crate) fn check_start(burst: &Burst, now: Timestamp, found: &mut Vec<PolicyProblem>) {
    let problem = |what: BurstOutOfBounds| PolicyProblem {
        place: format!("burst {}", burst.id),
        message: what.to_string(),
    };
    found.extend(burst.too_far_ahead(now).map(problem));
}

/// Names every problem of an exception by itself, whether or not it has ended; empty if it is sound.
pub fn problems_of_exception(exception: &Exception) -> Vec<PolicyProblem> {
    let mut found = Findings::default();
    check_exception(exception, &mut found);
    found.0
}

pub(super) fn check_bursts(policy: &Policy, found: &mut Findings) {
    let held = policy.services.iter().flat_map(|service| {
        service.allocations.iter().map(move |allocation| (&service.id, &allocation.pool))
    });
    let held: BTreeSet<_> = held.collect();
    for granted in &policy.bursts {
        let (burst, place) = (&granted.burst, format!("burst {}", granted.burst.id));
        let (service, pool) = (&burst.service, &burst.pool);
        found.require(held.contains(&(service, pool)), &place, || {
            format!("service {service} has no allocation in pool {pool}; define one first")
        });
        check_burst(burst, found);
        found.require(!granted.approver.trim().is_empty(), &place, || {
            "names nobody who approved it; state approved_by".to_owned()
        });
    }
}

fn check_burst(burst: &Burst, found: &mut Findings) {
    let place = format!("burst {}", burst.id);
    burst.out_of_bounds().for_each(|what| found.add(&place, what.to_string()));
    found.require(!burst.requester.trim().is_empty(), &place, || {
        "names nobody who asked for it; state requester".to_owned()
    });
    found.require(!burst.reason.trim().is_empty(), &place, || "says no reason; state reason".to_owned());
}

pub(super) fn check_exceptions(policy: &Policy, found: &mut Findings) {
    let services: BTreeSet<_> = policy.services.iter().map(|service| &service.id).collect();
    for exception in &policy.exceptions {
        let place = format!("exception {}", exception.id);
        found.require(services.contains(&exception.service), &place, || {
            format!("is for service {}, which is not defined", exception.service)
        });
        check_exception(exception, found);
    }
}

fn check_exception(exception: &Exception, found: &mut Findings) {
    let place = format!("exception {}", exception.id);
    found.require(!exception.owner.trim().is_empty(), &place, || {
        "names nobody who answers for it; state owner".to_owned()
    });
    found.require(!exception.reason.trim().is_empty(), &place, || "says no reason; state reason".to_owned());
    let waives_something = match &exception.waives {
        Waiver::SandboxLimit => true,
        Waiver::Other(rule) => !rule.trim().is_empty(),
    };
    found.require(waives_something, &place, || "does not say what it deviates from; state waives".to_owned());
}
