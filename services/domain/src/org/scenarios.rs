//! What an organisation decides, as stories.

mod bounds;
mod bursts;
mod generate;
mod history;
mod keys;
mod policies;
mod round_trip;
mod sandbox;

use super::{Org, PolicyChange, decide_policy};
use crate::authorship::Authorship;
use crate::ledger::decide_change;
use crate::policy::sample::{NOW, RULES};
use crate::policy::{Policy, PolicyProblem};
use crate::time::Timestamp;

fn by_at(at: Timestamp) -> Authorship {
    Authorship { author: "ada".into(), reason: "test".into(), at, commit: None }
}

fn by() -> Authorship {
    by_at(NOW)
}

/// Makes a change so, as the writers of the pools and of the organisation would.
fn make(org: &mut Org, change: &PolicyChange, at: Timestamp) {
    for (pool, changes) in &change.pools {
        let terms = org.terms(pool).cloned().unwrap_or_default();
        for event in decide_change(&terms, &by_at(at), changes, None).unwrap() {
            org.evolve_pool(pool, &event);
        }
    }
    for event in &change.org {
        org.evolve(event);
    }
}

fn apply_at(org: &mut Org, policy: &Policy, at: Timestamp) -> PolicyChange {
    let change = decide_policy(org, policy, &RULES, &by_at(at)).unwrap();
    make(org, &change, at);
    change
}

fn apply(org: &mut Org, policy: &Policy) -> PolicyChange {
    apply_at(org, policy, NOW)
}

fn organised(policy: &Policy) -> Org {
    let mut org = Org::default();
    apply(&mut org, policy);
    org
}

/// The problems for which a policy is refused now.
fn refused(org: &Org, policy: &Policy) -> Vec<String> {
    texts(&decide_policy(org, policy, &RULES, &by()).unwrap_err())
}

fn texts(problems: &[PolicyProblem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}
