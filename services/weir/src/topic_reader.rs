//! Reads a topic of the journal to its end, for commands that look at all of it.

use std::time::Duration;

use weir_proto::record::Topic;
use weir_runtime::journal::{Error, Offset, Partition, Reader, SharedJournal, StoredRecord};
use weir_showback::Reach;

/// How many records are fetched at once.
const FETCH_RECORDS_MAX: usize = 4096;
/// How long the journal may take to give records that it says it has.
const FETCH_WAIT: Duration = Duration::from_secs(30);

/// Takes records of one topic.
pub(crate) trait Book {
    /// Takes one; false if it is poison.
    fn take(&mut self, stored: &StoredRecord) -> bool;
}

/// Reads every partition of a topic, as far as it goes, again and again.
pub(crate) struct TopicReader {
    partitions: Vec<(Partition, Box<dyn Reader>)>,
    /// The offset after the last record read, by partition index.
    pub(crate) read_to: Reach,
    pub(crate) records: u64,
    pub(crate) poison: u64,
}

impl TopicReader {
    pub(crate) async fn open(journal: &SharedJournal, topic: Topic) -> Result<Self, Error> {
        let mut partitions = Vec::new();
        for index in 0..journal.partitions(topic).await? {
            let partition = Partition { topic, index };
            partitions.push((partition, journal.read(partition, Offset::ZERO).await?));
        }
        Ok(Self { partitions, read_to: Reach::new(), records: 0, poison: 0 })
    }

    /// Reads what has come since the last time into a book: everything up to where the journal ends now.
    pub(crate) async fn drain(&mut self, journal: &SharedJournal, book: &mut impl Book) -> Result<(), Error> {
        for (partition, reader) in &mut self.partitions {
            let end = journal.end(*partition).await?;
            while self.read_to.get(&partition.index).copied().unwrap_or_default() < end {
                let batch = reader.next(FETCH_RECORDS_MAX, FETCH_WAIT).await?;
                let last = batch.last().ok_or_else(|| stalled(*partition, end))?;
                self.read_to.insert(partition.index, last.offset.next());
                self.records += batch.len() as u64;
                self.poison += batch.iter().map(|stored| u64::from(!book.take(stored))).sum::<u64>();
            }
        }
        Ok(())
    }
}

fn stalled(partition: Partition, end: Offset) -> Error {
    let reason = format!("nothing came within {} s", FETCH_WAIT.as_secs());
    Error { operation: format!("read {partition} up to {end}"), reason }
}
