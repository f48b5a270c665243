//! On shutdown, lets what is in the journal reach the tables first, so that a report after a clean stop is whole.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_proto::record::Topic;
use weir_runtime::journal::{Error, Journal, Offset, Partition, SharedJournal};

use crate::USAGE_GROUP;

/// How long shutdown waits. The journal may be written by others who do not stop, and then there is no end to reach.
const BOUND: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(50);

/// Cancels `stop` when shutdown has begun and the tables are at the journal's end, or the bound has passed.
pub(crate) async fn before_stop(
    shutdown: CancellationToken,
    journal: SharedJournal,
    stop: CancellationToken,
) {
    shutdown.cancelled().await;
    let caught_up = async {
        // A journal that cannot be asked is no reason to wait.
        while records_behind(journal.as_ref()).await.unwrap_or(0) > 0 {
            tokio::time::sleep(POLL).await;
        }
    };
    if tokio::time::timeout(BOUND, caught_up).await.is_err() {
        tracing::info!("the tables are behind the journal; the next start goes on there");
    }
    stop.cancel();
}

async fn records_behind(journal: &dyn Journal) -> Result<u64, Error> {
    let mut records = 0;
    for index in 0..journal.partitions(Topic::Usage).await? {
        let partition = Partition { topic: Topic::Usage, index };
        let committed = journal.committed(USAGE_GROUP, partition).await?;
        let done = committed.map_or(Offset::ZERO, |committed| committed.offset);
        records += journal.end(partition).await?.get().saturating_sub(done.get());
    }
    Ok(records)
}
