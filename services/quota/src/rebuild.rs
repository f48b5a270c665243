//! Reads the quota topic and folds it: the organisation and every pool's ledger, as they stand.
//!
//! A record that cannot be read stops the rebuild: a ledger that left something out would decide wrongly, and for ever.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;
use weir_domain::fact::{QuotaFact, QuotaRecorded};
use weir_domain::ids::{EventId, PoolId};
use weir_domain::ledger::{Event, Ledger};
use weir_domain::org::Org;
use weir_proto::codec::{DecodeError, quota_event_from_record};
use weir_proto::record::Topic;
use weir_runtime::journal::{self, Offset, Partition, SharedJournal};

/// Records read at once: large enough that a read's own cost does not count, small enough to stay below 10 MB.
const READ_RECORDS_MAX: usize = 4_096;
/// How long one read may wait, and how often in a row it may come back empty before the end.
const READ_WAIT: Duration = Duration::from_secs(1);
const EMPTY_READS_MAX: u32 = 30;
/// A line of progress after so many records: about one a second.
const PROGRESS_RECORDS: u64 = 200_000;

/// Why the state cannot be rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] journal::Error),
    /// A record is not one that this version understands.
    #[error("record {offset} of {partition} cannot be read; was it written by a later version?")]
    Record {
        /// Where it stands.
        partition: Partition,
        /// At which place.
        offset: Offset,
        /// Why not.
        #[source]
        source: DecodeError,
    },
    /// The journal has more records than it gives.
    #[error("{partition} gives no record from {next} on, although it ends at {end}")]
    Stalled {
        /// Which partition.
        partition: Partition,
        /// What was read next.
        next: Offset,
        /// Where it ends.
        end: Offset,
    },
}

/// The quota topic, folded.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    pub(crate) org: Org,
    pub(crate) ledgers: HashMap<PoolId, Ledger>,
    /// Decisions already counted: a journal may hold one twice, and the organisation's version must not.
    decided: HashSet<EventId>,
}

impl Folded {
    pub(crate) fn take(&mut self, recorded: &QuotaRecorded) {
        match &recorded.fact {
            QuotaFact::Org(event) => {
                if self.decided.insert(recorded.id) {
                    self.org.evolve(event);
                }
            }
            QuotaFact::Governed { pool, event } => {
                if self.decided.insert(recorded.id) {
                    self.org.evolve_pool(pool, &event.what);
                    self.ledger(pool).evolve(&Event::Governed(event.clone()));
                }
            }
            QuotaFact::Moved { pool, movements } => {
                let ledger = self.ledger(pool);
                for movement in movements {
                    ledger.evolve(&Event::Moved(movement.clone()));
                }
            }
            QuotaFact::Resumed { .. } => {}
        }
    }

    fn ledger(&mut self, pool: &PoolId) -> &mut Ledger {
        if !self.ledgers.contains_key(pool) {
            self.ledgers.insert(pool.clone(), Ledger::default());
        }
        self.ledgers.get_mut(pool).expect("inserted above")
    }
}

/// Folds the whole topic up to where it ends now.
pub(crate) async fn fold_all(journal: &SharedJournal) -> Result<Folded, RebuildError> {
    let begun = Instant::now();
    let mut ends = Vec::new();
    for index in 0..journal.partitions(Topic::Quota).await? {
        let partition = Partition { topic: Topic::Quota, index };
        ends.push((partition, journal.end(partition).await?));
    }
    let total: u64 = ends.iter().map(|(_, end)| end.get()).sum();
    let mut folded = Folded::default();
    let mut count = 0;
    for (partition, end) in ends {
        each(journal, partition, end, |recorded| {
            folded.take(&recorded);
            count += 1;
            if count % PROGRESS_RECORDS == 0 {
                tracing::info!(records = count, total, "rebuilding quota from the journal");
            }
        })
        .await?;
    }
    let took = begun.elapsed();
    crate::metrics::rebuilt(took);
    tracing::info!(records = count, pools = folded.ledgers.len(), ?took, "quota rebuilt from the journal");
    Ok(folded)
}

/// Folds one pool from its partition, up to an offset and not including it.
pub(crate) async fn fold_pool(
    journal: &SharedJournal,
    pool: &PoolId,
    partition: Partition,
    end: Offset,
) -> Result<Ledger, RebuildError> {
    let begun = Instant::now();
    let mut folded = Folded::default();
    each(journal, partition, end, |recorded| {
        if recorded.fact.key() == pool.as_str() {
            folded.take(&recorded);
        }
    })
    .await?;
    crate::metrics::rebuilt(begun.elapsed());
    Ok(folded.ledgers.remove(pool).unwrap_or_default())
}

async fn each(
    journal: &SharedJournal,
    partition: Partition,
    end: Offset,
    mut take: impl FnMut(QuotaRecorded),
) -> Result<(), RebuildError> {
    let mut next = Offset::ZERO;
    let mut reader = journal.read(partition, next).await?;
    let mut empty_reads = 0;
    while next < end {
        let records = reader.next(READ_RECORDS_MAX, READ_WAIT).await?;
        empty_reads = if records.is_empty() { empty_reads + 1 } else { 0 };
        if empty_reads > EMPTY_READS_MAX {
            return Err(RebuildError::Stalled { partition, next, end });
        }
        for stored in records {
            if stored.offset >= end {
                return Ok(());
            }
            let offset = stored.offset;
            let recorded = quota_event_from_record(&stored.record)
                .map_err(|source| RebuildError::Record { partition, offset, source })?;
            take(recorded);
            next = offset.next();
        }
    }
    Ok(())
}
