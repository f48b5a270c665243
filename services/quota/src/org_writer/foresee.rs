//! What a change would find, as far as only pools know: asked of them before it is made, and warned of.

use weir_domain::org::{Org, PolicyChange};
use weir_domain::policy::{PolicyProblem, budgets_at_stake, warn_of_used_up};

use crate::no_decision::NoDecision;
use crate::pool::Pools;

/// Services that are asked of a pool at once, so that nobody else waits for more than some hundred microseconds.
const AT_ONCE: usize = 256;

/// The hard budgets that would be used up from the first moment on.
pub(super) async fn used_up(
    org: &Org,
    pools: &Pools,
    change: &PolicyChange,
) -> Result<Vec<PolicyProblem>, NoDecision> {
    let mut found = Vec::new();
    for (pool, changes) in &change.pools {
        let (Some(handle), Some(before)) = (pools.get(pool), org.terms(pool)) else { continue };
        for asked in budgets_at_stake(before, changes).chunks(AT_ONCE) {
            let told = handle.budgets_if_set(asked).await?;
            let told = told.iter().filter_map(|(service, standing)| warn_of_used_up(pool, service, standing));
            found.extend(told);
        }
    }
    Ok(found)
}
