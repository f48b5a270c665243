//! What was decided, by whom, when and why: read from the journal when somebody asks, the newest first.
//!
//! Nothing is read before anybody asks. Then the quota topic is read from its beginning, once, and afterwards only what has
//! come since. A bounded number of decisions is kept, the newest; movements of tokens are passed over.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use tokio::sync::Mutex;
use weir_domain::fact::{QuotaFact, QuotaRecorded};
use weir_domain::ids::TeamId;
use weir_domain::org::{Chronicle, Entry};
use weir_domain::time::Timestamp;
use weir_proto::record::Topic;
use weir_runtime::journal::{Offset, Partition, Position, SharedJournal};

use crate::rebuild::{self, RebuildError, RecentIds};

/// Decisions that are kept: a year of 50 a day, most of them some hundred bytes.
const DECISIONS_MAX: usize = 20_000;
/// Bytes of their texts that are kept, where reasons and definitions are long.
const BYTES_MAX: usize = 32 * 1024 * 1024;

/// Decisions, as far as they were read. One call reads at a time.
pub(crate) struct History {
    journal: SharedJournal,
    kept: Mutex<Kept>,
}

/// Where a decision stands among all: by its time, and at equal times by its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cursor {
    at: Timestamp,
    partition: u32,
    offset: Offset,
}

/// Decisions in order, the newest first.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) decisions: Vec<Entry>,
    /// The cursor of the last of them, if there are more before it.
    pub(crate) next: Option<Cursor>,
    /// Up to when decisions are no longer known; none: all are.
    pub(crate) forgotten: Option<Timestamp>,
}

impl History {
    pub(crate) fn new(journal: SharedJournal) -> Self {
        Self { journal, kept: Mutex::new(Kept::new(DECISIONS_MAX, BYTES_MAX)) }
    }

    /// The newest decisions that are wanted, at most so many, of those before a cursor if one is given. What is wanted is asked
    /// with the team that a decision is about, or whose service it was then.
    pub(crate) async fn page(
        &self,
        before: Option<Cursor>,
        count: usize,
        wanted: impl Fn(&Entry, Option<&TeamId>) -> bool,
    ) -> Result<Page, RebuildError> {
        let mut kept = self.kept.lock().await;
        for index in 0..self.journal.partitions(Topic::Quota).await? {
            let partition = Partition { topic: Topic::Quota, index };
            let from = kept.next.get(&index).copied().unwrap_or(Offset::ZERO);
            let take = |offset, recorded| kept.take(Position { partition, offset }, &recorded);
            rebuild::each_from(&self.journal, partition, from, take).await?;
        }
        Ok(kept.page(before, count, wanted))
    }
}

/// What is kept of what was read.
struct Kept {
    chronicle: Chronicle,
    /// What is read next, by partition.
    next: BTreeMap<u32, Offset>,
    decisions: BTreeMap<Cursor, Entry>,
    /// By partition the decisions told last: a journal may hold one twice, kept here or not.
    told: BTreeMap<u32, RecentIds>,
    bytes: usize,
    /// The last that is no longer kept.
    forgotten: Option<Cursor>,
    decisions_max: usize,
    bytes_max: usize,
}

impl Kept {
    fn new(decisions_max: usize, bytes_max: usize) -> Self {
        Self {
            chronicle: Chronicle::default(),
            next: BTreeMap::new(),
            decisions: BTreeMap::new(),
            told: BTreeMap::new(),
            bytes: 0,
            forgotten: None,
            decisions_max,
            bytes_max,
        }
    }

    fn take(&mut self, position: Position, recorded: &QuotaRecorded) {
        let Position { partition, offset } = position;
        self.next.insert(partition.index, offset.next());
        if !matches!(recorded.fact, QuotaFact::Org(_) | QuotaFact::Governed { .. }) {
            return;
        }
        if !self.told.entry(partition.index).or_default().is_new(recorded.id) {
            return;
        }
        for entry in self.chronicle.tell(&recorded.fact) {
            let cursor = Cursor { at: entry.at, partition: partition.index, offset };
            if self.forgotten.is_none_or(|forgotten| forgotten < cursor) {
                self.bytes += bytes_of(&entry);
                self.decisions.insert(cursor, entry);
            }
        }
        self.forget_what_is_too_much();
    }

    fn forget_what_is_too_much(&mut self) {
        while self.decisions.len() > self.decisions_max || self.bytes > self.bytes_max {
            let Some((cursor, entry)) = self.decisions.pop_first() else { return };
            self.bytes -= bytes_of(&entry);
            self.forgotten = self.forgotten.max(Some(cursor));
        }
    }

    fn page(
        &self,
        before: Option<Cursor>,
        count: usize,
        wanted: impl Fn(&Entry, Option<&TeamId>) -> bool,
    ) -> Page {
        let older = self.decisions.iter().rev();
        let older = older.filter(|(cursor, _)| before.is_none_or(|before| **cursor < before));
        let mut found = older.filter(|(_, entry)| wanted(entry, self.chronicle.team_of(entry)));
        let mut page = Page { forgotten: self.forgotten.map(|cursor| cursor.at), ..Page::default() };
        let mut last = None;
        for (cursor, entry) in found.by_ref().take(count) {
            page.decisions.push(entry.clone());
            last = Some(*cursor);
        }
        page.next = last.filter(|_| found.next().is_some());
        page
    }
}

fn bytes_of(entry: &Entry) -> usize {
    let by = entry.by.as_ref().map_or(0, |by| by.author.len() + by.reason.len());
    size_of::<Entry>() + entry.what.len() + entry.of_access.len() + by
}

/// As `time.partition.offset`, for whoever asks for the next page.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.at.as_nanos(), self.partition, self.offset.get())
    }
}

/// A text is no cursor.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not one that this service gave; leave it out to begin with the newest")]
pub(crate) struct InvalidCursor;

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let mut parts = text.split('.');
        let mut part = || parts.next().ok_or(InvalidCursor);
        let (at, partition, offset) = (part()?, part()?, part()?);
        let cursor = Self {
            at: Timestamp::from_nanos(at.parse().map_err(|_| InvalidCursor)?),
            partition: partition.parse().map_err(|_| InvalidCursor)?,
            offset: Offset::new(offset.parse().map_err(|_| InvalidCursor)?),
        };
        if parts.next().is_some() { Err(InvalidCursor) } else { Ok(cursor) }
    }
}
