//! The world outside a worker: one partition, its commits, dead letters and tables, with a fault at a chosen step.
//!
//! Every call of a port is a step. The tables deduplicate as ClickHouse does: a token is remembered for each monthly
//! part of an insert by itself.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use weir_proto::record::{Record, Topic};
use weir_runtime::journal::{
    self, AppendError, CommitError, Committed, Journal, Member, Offset, Partition, Position, Reader,
    StoredRecord,
};

use crate::batch::{Identity, identity};
use crate::intent::Range;
use crate::warehouse::{self, DuplicateSearch, Rows, Span, Table, Warehouse};
use crate::worker::Commits;
use weir_domain::time::Timestamp;
use weir_domain::usage::UsageEvent;

pub(super) const PARTITION: Partition = Partition { topic: Topic::Usage, index: 0 };

/// What happens at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The process dies before the call has any effect.
    CrashBefore,
    /// It dies after.
    CrashAfter,
    /// The process dies, and an insert that it sent takes effect some steps later.
    CrashAndApplyLate(usize),
    /// An insert writes its first month's part only, then the process dies.
    CrashAfterFirstPart,
    /// ClickHouse is killed between remembering the token and keeping the rows; so is the process.
    CrashAndForgetRows,
    /// The call fails without effect.
    FailBefore,
    /// The call takes effect, and its answer is lost.
    FailAfter,
}

impl Fault {
    pub(super) const ALL: [Self; 9] = [
        Self::CrashBefore,
        Self::CrashAfter,
        Self::CrashAndApplyLate(0),
        Self::CrashAndApplyLate(5),
        Self::CrashAndApplyLate(7),
        Self::CrashAfterFirstPart,
        Self::CrashAndForgetRows,
        Self::FailBefore,
        Self::FailAfter,
    ];

    const fn fails(self) -> bool {
        matches!(self, Self::FailBefore | Self::FailAfter)
    }
}

#[derive(Clone, Default)]
pub(super) struct World {
    state: Arc<Mutex<State>>,
    /// The process is dead: its worker will not go on.
    pub(super) crashed: Arc<Notify>,
    /// Everything in the journal is committed.
    pub(super) caught_up: Arc<Notify>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) records: Vec<Record>,
    pub(super) committed: Option<Committed>,
    pub(super) letters: Vec<Record>,
    pub(super) tables: BTreeMap<Table, Vec<Row>>,
    pub(super) inserts: Vec<usize>,
    tokens: HashSet<(Table, String, i64)>,
    late: Option<(usize, Table, String, Vec<Row>)>,
    step: usize,
    fault: Option<(usize, Fault)>,
}

/// A row: where it stands, its identity, its own time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) offset: Offset,
    pub(super) fact: String,
    at: Timestamp,
    identity: Option<Identity>,
}

#[derive(Debug)]
pub(super) struct Failed;

impl World {
    pub(super) fn of(records: Vec<Record>) -> Self {
        let world = Self::default();
        world.state().records = records;
        world
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// From now on steps count from 0, and one of them is faulty.
    pub(super) fn plan(&self, fault: Option<(usize, Fault)>) {
        let mut state = self.state();
        state.step = 0;
        state.fault = fault;
    }

    /// Whether the planned fault has not happened.
    pub(super) fn is_fault_ahead(&self) -> bool {
        let state = self.state();
        state.fault.is_some_and(|(step, _)| step >= state.step)
    }

    /// Whether nothing is left to do.
    pub(super) fn is_caught_up(&self) -> bool {
        let state = self.state();
        state.committed.as_ref().is_some_and(|at| at.offset == state.end() && at.metadata.is_empty())
    }

    /// Applies an insert that is still on its way.
    pub(super) fn let_everything_arrive(&self) {
        let mut state = self.state();
        while state.late.is_some() {
            state.arrive_late();
        }
    }

    async fn step<T>(&self, call: impl FnOnce(&mut State, Option<Fault>) -> T) -> Result<T, Failed> {
        let (fault, result) = {
            let mut state = self.state();
            let fault = state.fault.filter(|(step, _)| *step == state.step).map(|(_, fault)| fault);
            state.step += 1;
            state.arrive_late();
            match fault {
                Some(Fault::CrashBefore | Fault::FailBefore) => (fault, None),
                _ => (fault, Some(call(&mut state, fault))),
            }
        };
        match fault {
            Some(fault) if fault.fails() => Err(Failed),
            Some(_) => {
                self.crashed.notify_one();
                std::future::pending().await
            }
            None => Ok(result.expect("the call was made")),
        }
    }
}

impl State {
    pub(super) fn end(&self) -> Offset {
        Offset::new(self.records.len() as u64)
    }

    fn arrive_late(&mut self) {
        match self.late.take() {
            Some((0, table, token, rows)) => self.apply(table, &token, rows),
            Some((steps, table, token, rows)) => self.late = Some((steps - 1, table, token, rows)),
            None => {}
        }
    }

    fn insert(&mut self, table: Table, token: &str, mut rows: Vec<Row>, fault: Option<Fault>) {
        self.inserts.push(rows.len());
        match fault {
            Some(Fault::CrashAndApplyLate(steps)) => {
                self.late = Some((steps, table, token.to_owned(), rows));
            }
            Some(Fault::CrashAfterFirstPart) => {
                let first = rows.first().map(|row| month(row.at));
                rows.retain(|row| Some(month(row.at)) == first);
                self.apply(table, token, rows);
            }
            Some(Fault::CrashAndForgetRows) => {
                let months = rows.iter().map(|row| (table, token.to_owned(), month(row.at)));
                self.tokens.extend(months.collect::<Vec<_>>());
            }
            _ => self.apply(table, token, rows),
        }
    }

    fn apply(&mut self, table: Table, token: &str, rows: Vec<Row>) {
        let months: BTreeSet<i64> = rows.iter().map(|row| month(row.at)).collect();
        let fresh: BTreeSet<i64> = months
            .into_iter()
            .filter(|month| self.tokens.insert((table, token.to_owned(), *month)))
            .collect();
        let kept = rows.into_iter().filter(|row| fresh.contains(&month(row.at)));
        self.tables.entry(table).or_default().extend(kept);
    }
}

/// Good enough to tell the months of the samples apart.
fn month(at: Timestamp) -> i64 {
    (at.as_secs() - super::samples::DECEMBER_SECS).div_euclid(31 * 86_400)
}

fn journal_failed(operation: &str) -> impl FnOnce(Failed) -> journal::Error {
    move |Failed| journal::Error { operation: operation.to_owned(), reason: "planned".into() }
}

fn warehouse_failed(operation: &str) -> impl FnOnce(Failed) -> warehouse::Error {
    move |Failed| warehouse::Error { operation: operation.to_owned(), reason: "planned".into() }
}

#[async_trait]
impl Commits for World {
    async fn commit(&self, committed: Committed) -> Result<(), CommitError> {
        let caught_up = self.caught_up.clone();
        let call = |state: &mut State, fault: Option<Fault>| {
            if committed.metadata.is_empty() && committed.offset == state.end() && fault.is_none() {
                caught_up.notify_one();
            }
            state.committed = Some(committed);
        };
        self.step(call).await.map_err(|failed| journal_failed("commit")(failed).into())
    }
}

#[async_trait]
impl Warehouse for World {
    async fn insert(&self, token: &str, _: &Range, rows: &Rows) -> Result<(), warehouse::Error> {
        let (table, rows) = (rows.table(), table_rows(rows));
        let call = |state: &mut State, fault: Option<Fault>| state.insert(table, token, rows, fault);
        self.step(call).await.map_err(warehouse_failed("insert"))
    }

    async fn known(&self, search: &DuplicateSearch<'_>) -> Result<HashSet<Identity>, warehouse::Error> {
        let is_searched = |row: &&Row| {
            let in_spans = search.spans.iter().any(|(first, last)| *first <= row.at && row.at <= *last);
            in_spans && row.offset < search.before
        };
        let call = |state: &mut State, _: Option<Fault>| {
            let rows = state.tables.get(&search.table).into_iter().flatten().filter(is_searched);
            rows.filter_map(|row| row.identity.clone())
                .filter(|identity| search.candidates.contains(identity))
                .collect()
        };
        self.step(call).await.map_err(warehouse_failed("find duplicates"))
    }

    async fn present(
        &self,
        table: Table,
        range: &Range,
        (first, last): Span,
    ) -> Result<BTreeSet<Offset>, warehouse::Error> {
        let is_searched = |row: &&Row| {
            range.from <= row.offset && row.offset <= range.to && first <= row.at && row.at <= last
        };
        let call = |state: &mut State, _: Option<Fault>| {
            let rows = state.tables.get(&table).into_iter().flatten();
            rows.filter(is_searched).map(|row| row.offset).collect()
        };
        self.step(call).await.map_err(warehouse_failed("look for rows"))
    }

    async fn high_water(&self, _: Partition) -> Result<Option<Offset>, warehouse::Error> {
        let call =
            |state: &mut State, _: Option<Fault>| state.tables.values().flatten().map(|row| row.offset).max();
        self.step(call).await.map_err(warehouse_failed("read the high water"))
    }
}

fn table_rows(rows: &Rows) -> Vec<Row> {
    let row = |offset, at, event: &UsageEvent| {
        let identity = identity(event);
        Row { offset, at, fact: identity.1.as_u128().to_string(), identity: Some(identity) }
    };
    match rows {
        Rows::UsageEvents(rows) => rows
            .iter()
            .map(|placed| row(placed.offset, placed.fact.ended, &UsageEvent::Recorded(placed.fact.clone())))
            .collect(),
        Rows::Refusals(rows) => rows
            .iter()
            .map(|placed| row(placed.offset, placed.fact.to, &UsageEvent::Refused(placed.fact.clone())))
            .collect(),
        Rows::Prices(rows) => rows
            .iter()
            .map(|placed| Row {
                offset: placed.offset,
                at: placed.fact.valid_from,
                fact: placed.fact.model.to_string(),
                identity: None,
            })
            .collect(),
    }
}

#[async_trait]
impl Journal for World {
    async fn partitions(&self, _: Topic) -> Result<u32, journal::Error> {
        Ok(1)
    }

    async fn append(&self, topic: Topic, records: Vec<Record>) -> Result<Vec<Position>, AppendError> {
        assert_eq!(topic, Topic::DeadLetter, "a worker appends nothing else");
        let count = records.len();
        let call = |state: &mut State, _: Option<Fault>| state.letters.extend(records);
        let failed =
            |Failed| AppendError::Unknown { topic: topic.name(), records: count, reason: "planned".into() };
        self.step(call).await.map(|()| Vec::new()).map_err(failed)
    }

    async fn end(&self, _: Partition) -> Result<Offset, journal::Error> {
        self.step(|state, _| state.end()).await.map_err(journal_failed("read the end"))
    }

    async fn read(&self, _: Partition, from: Offset) -> Result<Box<dyn Reader>, journal::Error> {
        let reader = WorldReader { world: self.clone(), next: from };
        self.step(|_, _| Box::new(reader) as Box<dyn Reader>).await.map_err(journal_failed("read"))
    }

    async fn committed(&self, _: &str, _: Partition) -> Result<Option<Committed>, journal::Error> {
        Ok(self.state().committed.clone())
    }

    async fn join(&self, _: &str, _: Topic) -> Result<Box<dyn Member>, journal::Error> {
        unreachable!("a worker joins nothing")
    }
}

struct WorldReader {
    world: World,
    next: Offset,
}

#[async_trait]
impl Reader for WorldReader {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Vec<StoredRecord>, journal::Error> {
        let from = self.next;
        let call = |state: &mut State, _: Option<Fault>| {
            let offsets = (from.get()..state.end().get()).take(max);
            let stored = |offset: u64| {
                let record = state.records[usize::try_from(offset).unwrap()].clone();
                StoredRecord { partition: PARTITION, offset: Offset::new(offset), record }
            };
            offsets.map(stored).collect::<Vec<_>>()
        };
        let records = self.world.step(call).await.map_err(journal_failed("read"))?;
        match records.last() {
            Some(last) => self.next = last.offset.next(),
            None => tokio::time::sleep(wait).await,
        }
        Ok(records)
    }
}
