//! Brings usage events into the journal, in order, however long it takes.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_domain::ids::AttemptId;
use weir_proto::codec::usage_to_record;
use weir_proto::record::{Record, Topic};
use weir_runtime::journal::SharedJournal;

use crate::attempt::Publication;
use crate::backlog::Backlog;
use crate::metrics;
use crate::wal::{Step, Wal};

/// Events in one append: enough to share a disk write, few enough to stay far below a record limit.
const BATCH_MAX: usize = 512;
/// Waits between attempts of an append.
const RETRY_MIN: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// Publishes until shutdown. One at a time, so that events of a service keep their order.
pub(crate) async fn publish(
    backlog: Arc<Backlog<Publication>>,
    journal: SharedJournal,
    wal: Arc<Wal>,
    shutdown: CancellationToken,
) {
    let publishing = async {
        loop {
            let batch = backlog.take(BATCH_MAX).await;
            append(&journal, batch.iter().map(|publication| usage_to_record(&publication.event)).collect())
                .await;
            let attempts: Vec<AttemptId> =
                batch.iter().filter_map(|publication| publication.attempt).collect();
            if let Err(problem) = wal.mark(Step::Published, &attempts) {
                tracing::warn!(%problem, "published events cannot be marked: they will be published again after a restart");
            }
            metrics::published(batch.len());
            backlog.done(batch.len());
        }
    };
    let _: Option<()> = shutdown.run_until_cancelled(publishing).await;
}

/// Appends until the journal has taken the records. If an outcome is unknown they are appended again: whoever reads
/// them knows duplicates by their identity.
async fn append(journal: &SharedJournal, records: Vec<Record>) {
    let mut pause = RETRY_MIN;
    while let Err(problem) = journal.append(Topic::Usage, records.clone()).await {
        metrics::publish_failed();
        tracing::warn!(%problem, records = records.len(), "journal did not take usage events, trying again");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}
