//! Reads the usage topic up to where it ends now.

use weir_domain::simulate::Simulation;
use weir_proto::codec::usage_from_record;
use weir_proto::record::Topic;
use weir_runtime::journal::{Offset, Partition};

use super::{Failed, Told, Work};
use crate::rebuild::{EMPTY_READS_MAX, READ_WAIT};

/// Records that are read at once: so many that a read's own cost does not count.
const RECORDS_AT_ONCE: usize = 2_048;

/// A partition, as much of it as is read.
struct Portion {
    partition: Partition,
    end: Offset,
    /// How many records there are before it in other partitions, and in all.
    before: u64,
    total: u64,
}

impl Work {
    /// Takes in all that matters to a simulation. How many records could not be read.
    pub(super) async fn read(&self, simulation: &mut Simulation) -> Result<u64, Failed> {
        let mut partitions = Vec::new();
        for index in 0..self.journal.partitions(Topic::Usage).await? {
            let partition = Partition { topic: Topic::Usage, index };
            partitions.push((partition, self.journal.end(partition).await?));
        }
        let total = partitions.iter().map(|(_, end)| end.get()).sum();
        let (mut before, mut unreadable) = (0, 0);
        for (partition, end) in partitions {
            unreadable += self.read_portion(Portion { partition, end, before, total }, simulation).await?;
            before += end.get();
        }
        Ok(unreadable)
    }

    async fn read_portion(&self, portion: Portion, simulation: &mut Simulation) -> Result<u64, Failed> {
        let Portion { partition, end, before, total } = portion;
        let (mut next, mut unreadable, mut empty_reads) = (Offset::ZERO, 0, 0);
        if next >= end {
            return Ok(0);
        }
        let mut reader = self.journal.read(partition, next).await?;
        while next < end {
            let records = reader.next(RECORDS_AT_ONCE, READ_WAIT).await?;
            empty_reads = if records.is_empty() { empty_reads + 1 } else { 0 };
            if empty_reads > EMPTY_READS_MAX {
                return Err(Failed::Stalled(partition));
            }
            for stored in records.iter().filter(|stored| stored.offset < end) {
                match usage_from_record(&stored.record) {
                    Ok(event) => simulation.take(&event)?,
                    Err(_) => unreadable += 1,
                }
            }
            next = records.last().map_or(next, |last| last.offset.next());
            self.progress(Told::Read { done: before + next.min(end).get(), total });
        }
        Ok(unreadable)
    }
}
