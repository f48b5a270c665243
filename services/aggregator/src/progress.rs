//! Progress: how far each partition is behind, as a metric and, where it takes long, as log lines.
//!
//! Measured beside the workers, so that it goes on growing while they wait for an outage to end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use weir_domain::time::Timestamp;
use weir_runtime::clock::Clock;
use weir_runtime::journal::{Committed, Offset, Partition, SharedJournal};

use crate::metrics;

/// How often the lag is measured.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// Further behind than this is worth a log line.
const LAG_LOGGED_MIN: u64 = 50_000;

/// What has been committed, and what that says of the lag.
pub(crate) struct Progress {
    journal: SharedJournal,
    clock: Arc<dyn Clock>,
    partitions: BTreeMap<Partition, Place>,
    reported: Timestamp,
}

struct Place {
    position: Offset,
    at_last_report: Offset,
}

impl Progress {
    pub(crate) fn new(journal: SharedJournal, clock: Arc<dyn Clock>) -> Self {
        Self { journal, clock, partitions: BTreeMap::new(), reported: Timestamp::EPOCH }
    }

    pub(crate) fn assigned(&mut self, partition: Partition, committed: Option<&Committed>) {
        let position = committed.map_or(Offset::ZERO, |committed| committed.offset);
        self.partitions.insert(partition, Place { position, at_last_report: position });
    }

    pub(crate) fn committed(&mut self, partition: Partition, position: Offset) {
        if let Some(place) = self.partitions.get_mut(&partition) {
            place.position = position;
        }
    }

    pub(crate) fn revoked(&mut self, partition: Partition) {
        self.partitions.remove(&partition);
        metrics::lag(partition, 0);
    }

    /// Measures, if it is time to.
    pub(crate) async fn report(&mut self) {
        let now = self.clock.now();
        let since = now.since(self.reported);
        if since < REPORT_INTERVAL {
            return;
        }
        self.reported = now;
        for (partition, place) in &mut self.partitions {
            // Whoever cannot read the journal says so itself.
            let Ok(end) = self.journal.end(*partition).await else { continue };
            let lag = end.get().saturating_sub(place.position.get());
            metrics::lag(*partition, lag);
            let done = place.position.get().saturating_sub(place.at_last_report.get());
            place.at_last_report = place.position;
            if lag >= LAG_LOGGED_MIN {
                let position = place.position;
                tracing::info!(%partition, %position, %end, lag, done, over = ?since, "catching up");
            }
        }
    }
}
