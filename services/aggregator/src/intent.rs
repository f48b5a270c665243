//! Intents: what is committed before a batch is inserted, so that whoever comes after a crash inserts the very same.
//!
//! A group's commit for a partition is `(from, "")` when nothing is under way and `(from, "to=<offset>")` while the
//! records `[from, to]` are being inserted. Committing `(to + 1, "")` ends it.

use std::fmt;

use weir_runtime::journal::{Committed, Offset, Partition};

/// The records of a partition from one offset to another, both included. What a batch is, whatever the clock says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) partition: Partition,
    pub(crate) from: Offset,
    pub(crate) to: Offset,
}

impl Range {
    /// What to commit before the batch is inserted.
    pub(crate) fn intent(&self) -> Committed {
        Committed { offset: self.from, metadata: format!("{KEY}{}", self.to) }
    }

    /// What to commit when it is in the tables.
    pub(crate) fn done(&self) -> Committed {
        Committed { offset: self.to.next(), metadata: String::new() }
    }

    /// How many offsets it spans. Transaction markers count, so there may be fewer records.
    pub(crate) fn span(&self) -> u64 {
        self.to.get() + 1 - self.from.get()
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}-{}", self.partition, self.from, self.to)
    }
}

/// Where a partition stands when it is assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing is under way; go on from here.
    From(Offset),
    /// This range was begun and must be finished first.
    Pending(Range),
}

/// Why a commit's metadata is not what an aggregator writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("commit {offset:?} of {partition} has metadata {metadata:?}, which is not an intent")]
pub(crate) struct InvalidIntent {
    partition: Partition,
    offset: Offset,
    metadata: String,
}

const KEY: &str = "to=";

impl Standing {
    /// Reads what the group has committed.
    pub(crate) fn parse(partition: Partition, committed: Option<Committed>) -> Result<Self, InvalidIntent> {
        let Some(committed) = committed else { return Ok(Self::From(Offset::ZERO)) };
        if committed.metadata.is_empty() {
            return Ok(Self::From(committed.offset));
        }
        let from = committed.offset;
        let to = committed.metadata.strip_prefix(KEY).and_then(|to| to.parse().ok()).map(Offset::new);
        match to.filter(|to| *to >= from) {
            Some(to) => Ok(Self::Pending(Range { partition, from, to })),
            None => Err(InvalidIntent { partition, offset: from, metadata: committed.metadata }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_proto::record::Topic;

    const PARTITION: Partition = Partition { topic: Topic::Usage, index: 3 };

    #[test]
    fn an_intent_survives_the_commit() {
        let range = Range { partition: PARTITION, from: Offset::new(7), to: Offset::new(9) };
        assert_eq!(range.intent(), Committed { offset: Offset::new(7), metadata: "to=9".into() });
        assert_eq!(Standing::parse(PARTITION, Some(range.intent())), Ok(Standing::Pending(range)));
        assert_eq!(Standing::parse(PARTITION, Some(range.done())), Ok(Standing::From(Offset::new(10))));
        assert_eq!(Standing::parse(PARTITION, None), Ok(Standing::From(Offset::ZERO)));
    }

    #[test]
    fn metadata_of_somebody_else_is_not_guessed_at() {
        for metadata in ["to=6", "to=", "to=x", "something"] {
            let committed = Committed { offset: Offset::new(7), metadata: metadata.into() };
            assert!(Standing::parse(PARTITION, Some(committed)).is_err(), "{metadata}");
        }
    }
}
