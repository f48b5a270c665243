//! Reads the quota topic and folds it: the organisation and every pool's ledger, as they stand.
//!
//! A record that cannot be read stops the rebuild: a ledger that left something out would decide wrongly, and for ever.

mod folded;
mod pause;
mod recent_ids;

use std::time::Duration;

use tokio::time::Instant;
use weir_domain::fact::QuotaRecorded;
use weir_domain::ids::PoolId;
use weir_domain::ledger::Ledger;
use weir_proto::codec::{DecodeError, quota_event_from_record};
use weir_proto::record::Topic;
use weir_runtime::journal::{self, Offset, Partition, Position, SharedJournal, StoredRecord};

pub(crate) use folded::{Folded, Reached};
pub(crate) use pause::RebuildPause;
pub(crate) use recent_ids::RecentIds;

/// How long one read may wait, and how often in a row it may come back empty before the end.
pub(crate) const READ_WAIT: Duration = Duration::from_secs(1);
pub(crate) const EMPTY_READS_MAX: u32 = 30;
/// A line of progress after so many records: about one a second.
const PROGRESS_RECORDS: u64 = 200_000;

/// How much is read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Haste {
    /// So many records that a read's own cost does not count, few enough to stay below 10 MB.
    AtStart,
    /// So few that folding them keeps nobody waiting for more than a millisecond, and others go in between.
    Beside,
}

impl Haste {
    const fn records(self) -> usize {
        match self {
            Self::AtStart => 4_096,
            Self::Beside => 128,
        }
    }
}

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

/// Folds the whole topic up to where it ends now.
pub(crate) async fn fold_all(journal: &SharedJournal) -> Result<Folded, RebuildError> {
    fold_on(journal, Folded::default(), Haste::AtStart).await
}

/// Folds on, up to where the topic ends now.
pub(crate) async fn fold_on(
    journal: &SharedJournal,
    mut folded: Folded,
    haste: Haste,
) -> Result<Folded, RebuildError> {
    let begun = Instant::now();
    let mut count = 0;
    for index in 0..journal.partitions(Topic::Quota).await? {
        let partition = Partition { topic: Topic::Quota, index };
        let span = Span { partition, from: folded.next(index), end: journal.end(partition).await?, haste };
        each(journal, span, |offset, recorded| {
            folded.take(Position { partition, offset }, &recorded);
            count += 1;
            if count % PROGRESS_RECORDS == 0 {
                tracing::info!(records = count, %partition, "rebuilding quota from the journal");
            }
        })
        .await?;
        folded.reach(span.partition, span.end);
    }
    let took = begun.elapsed();
    if haste == Haste::AtStart {
        crate::metrics::rebuilt(took);
        tracing::info!(
            records = count,
            pools = folded.ledgers.len(),
            ?took,
            "quota rebuilt from the journal"
        );
    }
    Ok(folded)
}

/// Folds one pool on, up to a mark and not including it.
pub(crate) async fn fold_pool(
    journal: &SharedJournal,
    mut folded: Folded,
    pool: &PoolId,
    mark: Position,
) -> Result<Ledger, RebuildError> {
    let begun = Instant::now();
    let Position { partition, offset: end } = mark;
    let span = Span { partition, from: folded.next(partition.index), end, haste: Haste::Beside };
    each(journal, span, |offset, recorded| {
        if recorded.fact.key() == pool.as_str() {
            folded.take(Position { partition, offset }, &recorded);
        }
    })
    .await?;
    crate::metrics::rebuilt(begun.elapsed());
    Ok(folded.ledgers.remove(pool).unwrap_or_default())
}

/// Hands over what a partition holds from an offset on, up to where it ends now.
pub(crate) async fn each_from(
    journal: &SharedJournal,
    partition: Partition,
    from: Offset,
    take: impl FnMut(Offset, QuotaRecorded),
) -> Result<(), RebuildError> {
    let end = journal.end(partition).await?;
    each(journal, Span { partition, from, end, haste: Haste::Beside }, take).await
}

/// A part of a partition, its end not included.
#[derive(Clone, Copy)]
struct Span {
    partition: Partition,
    from: Offset,
    end: Offset,
    haste: Haste,
}

async fn each(
    journal: &SharedJournal,
    span: Span,
    mut take: impl FnMut(Offset, QuotaRecorded),
) -> Result<(), RebuildError> {
    let Span { partition, from: mut next, end, haste } = span;
    if next >= end {
        return Ok(());
    }
    let mut reader = journal.read(partition, next).await?;
    let mut records = reader.next(haste.records(), READ_WAIT).await?;
    let mut empty_reads = 0;
    loop {
        empty_reads = if records.is_empty() { empty_reads + 1 } else { 0 };
        if empty_reads > EMPTY_READS_MAX {
            return Err(RebuildError::Stalled { partition, next, end });
        }
        let is_last = records.last().is_some_and(|stored| stored.offset.next() >= end);
        let folding = async { fold(span, &records, &mut take) };
        if is_last {
            return folding.await.map(drop);
        }
        // What comes next is read beside, where the journal reads on a thread of its own.
        let (read, folded) = tokio::join!(biased; reader.next(haste.records(), READ_WAIT), folding);
        next = folded?.unwrap_or(next);
        records = read?;
        if haste == Haste::Beside {
            tokio::task::yield_now().await;
        }
    }
}

/// Takes records up to the end of the span. What is next after them, if there are any.
fn fold(
    span: Span,
    records: &[StoredRecord],
    take: &mut impl FnMut(Offset, QuotaRecorded),
) -> Result<Option<Offset>, RebuildError> {
    let partition = span.partition;
    let mut next = None;
    for stored in records.iter().take_while(|stored| stored.offset < span.end) {
        let offset = stored.offset;
        let recorded = quota_event_from_record(&stored.record).map_err(|source| RebuildError::Record {
            partition,
            offset,
            source,
        })?;
        take(offset, recorded);
        next = Some(offset.next());
    }
    Ok(next)
}
