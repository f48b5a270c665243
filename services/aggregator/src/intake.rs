//! Intake: reads a partition and cuts it into batches, or reads exactly the range that an intent names.
//!
//! When a new batch is closed is a matter of size and time. Once its range is committed as an intent, it is a
//! matter of offsets alone.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;
use weir_runtime::journal::{Error, Journal, Offset, Partition, Reader, StoredRecord};

use crate::batch::record_bytes;
use crate::config::Limits;
use crate::intent::Range;

/// Records asked for at a time: what a partition may hold in memory while it waits for its turn.
const CHUNK_RECORDS: usize = 500;

/// How long to wait for records before looking whether anything else has changed.
const IDLE_WAIT: Duration = Duration::from_millis(500);

/// How long the journal may take to give records that an intent says it has. A reader that has just been opened may
/// have to find its broker first, which takes a busy machine seconds; opening another would only begin that again.
const RANGE_WAIT: Duration = Duration::from_secs(15);

/// Reads one partition forward. After an error it is of no more use: open another.
pub(crate) struct Intake {
    partition: Partition,
    reader: Box<dyn Reader>,
    /// Everything below is read or needs no reading.
    position: Offset,
    /// Read, and not given out yet.
    ahead: VecDeque<StoredRecord>,
}

impl Intake {
    /// Begins at an offset.
    pub(crate) async fn open(journal: &dyn Journal, partition: Partition, at: Offset) -> Result<Self, Error> {
        let reader = journal.read(partition, at).await?;
        Ok(Self { partition, reader, position: at, ahead: VecDeque::new() })
    }

    /// Whether there is anything to make a batch of; waits a moment for it.
    pub(crate) async fn has_records(&mut self) -> Result<bool, Error> {
        if self.ahead.is_empty() {
            self.fill(CHUNK_RECORDS, IDLE_WAIT).await?;
        }
        Ok(!self.ahead.is_empty())
    }

    /// Cuts the next batch: until it is full, or until `linger` after this call. There must be records.
    pub(crate) async fn cut(&mut self, limits: Limits) -> Result<Vec<StoredRecord>, Error> {
        let deadline = Instant::now() + limits.linger;
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < limits.records_max {
            if let Some(next) = self.ahead.pop_front() {
                bytes += record_bytes(&next.record);
                if bytes > limits.bytes_max && !batch.is_empty() {
                    self.ahead.push_front(next);
                    break;
                }
                batch.push(next);
                continue;
            }
            let wait = deadline.saturating_duration_since(Instant::now());
            if wait.is_zero() || self.fill(CHUNK_RECORDS, wait).await? == 0 {
                break;
            }
        }
        self.given(&batch);
        Ok(batch)
    }

    /// The records of a range that begins where this intake stands. Nothing if the journal does not give them all.
    pub(crate) async fn exactly(&mut self, range: &Range) -> Result<Option<Vec<StoredRecord>>, Error> {
        let deadline = Instant::now() + RANGE_WAIT;
        while self.ahead.back().is_none_or(|last| last.offset < range.to) {
            if self.fill(CHUNK_RECORDS, IDLE_WAIT).await? == 0 && Instant::now() >= deadline {
                return Ok(None);
            }
        }
        let within = self.ahead.iter().take_while(|stored| stored.offset <= range.to).count();
        let records: Vec<_> = self.ahead.drain(..within).collect();
        self.given(&records);
        Ok(Some(records))
    }

    /// The range of records that this intake has just given out, from where it stood before.
    pub(crate) fn range(&self, from: Offset, records: &[StoredRecord]) -> Option<Range> {
        let to = records.last()?.offset;
        Some(Range { partition: self.partition, from, to })
    }

    /// Where the next batch begins.
    pub(crate) const fn position(&self) -> Offset {
        self.position
    }

    async fn fill(&mut self, max: usize, wait: Duration) -> Result<usize, Error> {
        let records = self.reader.next(max, wait).await?;
        let count = records.len();
        self.ahead.extend(records);
        Ok(count)
    }

    fn given(&mut self, records: &[StoredRecord]) {
        if let Some(last) = records.last() {
            self.position = last.offset.next();
        }
    }
}
