//! What the journal says that every service used: the ledger's side of `weir verify`.

use std::collections::BTreeMap;

use weir_domain::ids::{PoolId, ServiceId};
use weir_domain::ledger::Totals;
use weir_runtime::journal::SharedJournal;

use crate::rebuild::{self, RebuildError};

/// Folds the whole quota topic, up to where it ends now, into the totals of every service in every pool.
///
/// Needs no running service, looks at no snapshot and changes nothing.
pub async fn replay_ledger(
    journal: &SharedJournal,
) -> Result<BTreeMap<(ServiceId, PoolId), Totals>, RebuildError> {
    let folded = rebuild::fold_all(journal).await?;
    let mut totals = BTreeMap::new();
    for (pool, ledger) in &folded.ledgers {
        for account in ledger.accounts() {
            totals.insert((account.service().clone(), pool.clone()), account.totals());
        }
    }
    Ok(totals)
}
