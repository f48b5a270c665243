//! The tables, as a port: what the aggregator needs of ClickHouse, so that its protocol can be tested without one.

mod clickhouse;
mod rows;

use std::collections::{BTreeSet, HashSet};

use async_trait::async_trait;
use weir_domain::ids::ServiceId;
use weir_domain::time::Timestamp;
use weir_domain::usage::{RefusalsCounted, UsageRecorded};
use weir_runtime::journal::{Offset, Partition};

pub(crate) use self::clickhouse::ClickHouse;
use crate::batch::Identity;
use crate::intent::Range;
use crate::price::PriceDecision;

/// A table that facts go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Table {
    UsageEvents,
    Refusals,
    Prices,
}

impl Table {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::UsageEvents => "usage_events",
            Self::Refusals => "refusals",
            Self::Prices => "prices",
        }
    }

    /// The column with a fact's own time, which decides the table's own (monthly) partition.
    pub(crate) const fn time_column(self) -> &'static str {
        match self {
            Self::UsageEvents | Self::Refusals => "ended",
            Self::Prices => "valid_from",
        }
    }
}

/// A fact and its place in the journal's partition. The place is what makes a row unique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed<T> {
    pub(crate) offset: Offset,
    pub(crate) fact: T,
}

/// Facts for one table, in order of their offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rows {
    UsageEvents(Vec<Placed<Box<UsageRecorded>>>),
    Refusals(Vec<Placed<RefusalsCounted>>),
    Prices(Vec<Placed<PriceDecision>>),
}

impl Rows {
    pub(crate) const fn table(&self) -> Table {
        match self {
            Self::UsageEvents(_) => Table::UsageEvents,
            Self::Refusals(_) => Table::Refusals,
            Self::Prices(_) => Table::Prices,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        match self {
            Self::UsageEvents(rows) => rows.len(),
            Self::Refusals(rows) => rows.len(),
            Self::Prices(rows) => rows.len(),
        }
    }

    /// Where each row stands and what its own time is.
    pub(crate) fn places(&self) -> Vec<(Offset, Timestamp)> {
        match self {
            Self::UsageEvents(rows) => rows.iter().map(|row| (row.offset, row.fact.ended)).collect(),
            Self::Refusals(rows) => rows.iter().map(|row| (row.offset, row.fact.to)).collect(),
            Self::Prices(rows) => rows.iter().map(|row| (row.offset, row.fact.valid_from)).collect(),
        }
    }

    /// The rows that are not at these places.
    pub(crate) fn without(&self, present: &BTreeSet<Offset>) -> Self {
        let mut left = self.clone();
        match &mut left {
            Self::UsageEvents(rows) => rows.retain(|row| !present.contains(&row.offset)),
            Self::Refusals(rows) => rows.retain(|row| !present.contains(&row.offset)),
            Self::Prices(rows) => rows.retain(|row| !present.contains(&row.offset)),
        }
        left
    }
}

/// A span of time, both ends included.
pub(crate) type Span = (Timestamp, Timestamp);

/// Which facts to look for in a table: they stand before an offset of the partition, and repeat one of the candidates.
#[derive(Debug)]
pub(crate) struct DuplicateSearch<'a> {
    pub(crate) table: Table,
    pub(crate) partition: Partition,
    pub(crate) before: Offset,
    /// The candidates' services. A repeated fact has the same one.
    pub(crate) services: &'a BTreeSet<ServiceId>,
    /// What the own times of the candidates' earlier records lie in, which need not be the candidates' own.
    pub(crate) spans: &'a [Span],
    pub(crate) candidates: &'a HashSet<Identity>,
}

/// Why the tables could not be asked or written.
#[derive(Debug, thiserror::Error)]
#[error("clickhouse cannot {operation}: {reason}")]
pub(crate) struct Error {
    /// What was tried, for instance `insert weir.usage.v1/0/0-99/usage_events`.
    pub(crate) operation: String,
    /// Why it failed. Of an insert nobody knows whether it was applied.
    pub(crate) reason: String,
}

/// The tables.
#[async_trait]
pub(crate) trait Warehouse: Send + Sync + 'static {
    /// Inserts the rows of a range at once. A token that was used before, within the table's window, inserts nothing.
    async fn insert(&self, token: &str, range: &Range, rows: &Rows) -> Result<(), Error>;

    /// Which of the candidates the table has at a smaller offset of the partition.
    async fn known(&self, search: &DuplicateSearch<'_>) -> Result<HashSet<Identity>, Error>;

    /// Which offsets of the range the table has, looking only at rows whose own time is within the span.
    async fn present(&self, table: Table, range: &Range, span: Span) -> Result<BTreeSet<Offset>, Error>;

    /// The largest offset of the partition that any table has.
    async fn high_water(&self, partition: Partition) -> Result<Option<Offset>, Error>;
}
