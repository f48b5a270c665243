//! The organisation as a candidate policy would make it.

use crate::authorship::Authorship;
use crate::ledger::{Change, Governed, decide_change};
use crate::org::{Org, decide_policy};
use crate::policy::{Policy, PolicyProblem, Rules};

/// The organisation with a policy applied to it. An error names every problem, as a plan does.
///
/// Bursts and exceptions that the policy leaves out go on. Its bursts that are over count too, in their windows: the past
/// is what is looked at.
pub fn applied(
    org: &Org,
    policy: &Policy,
    rules: &Rules,
    by: &Authorship,
) -> Result<Org, Vec<PolicyProblem>> {
    let change = decide_policy(org, policy, rules, by)?;
    let mut after = org.clone();
    for (pool, changes) in &change.pools {
        let terms = after.terms(pool).cloned().unwrap_or_default();
        let decided = decide_change(&terms, by, changes, None).map_err(|refused| {
            vec![PolicyProblem { place: format!("pool {pool}"), message: refused.to_string() }]
        })?;
        for what in &decided {
            after.evolve_pool(pool, what);
        }
    }
    for event in &change.org {
        after.evolve(event);
    }
    for granted in policy.bursts.iter().filter(|granted| granted.burst.window.end() <= by.at) {
        let pool = &granted.burst.pool;
        let known =
            after.terms(pool).and_then(|terms| terms.difference(&Change::GrantBurst(granted.clone())));
        if let Some(what) = known {
            after.evolve_pool(pool, &Governed { by: by.clone(), what });
        }
    }
    Ok(after)
}
