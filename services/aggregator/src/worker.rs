//! The worker of one partition: takes its records to the tables, batch by batch, so that each takes effect once.
//!
//! Commit the intent, insert exactly its range, commit the end of it; after an assignment finish a pending intent
//! first. It may be dropped at any await: what is then half done is an intent that the next worker finishes.

use std::convert::Infallible;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use weir_runtime::clock::Clock;
use weir_runtime::journal::{CommitError, Committed, Offset, Partition, SharedJournal, StoredRecord};

use crate::batch::Batch;
use crate::config::Limits;
use crate::insertion::{Doubt, Insertion};
use crate::intake::Intake;
use crate::intent::{Range, Standing};
use crate::trouble::{Backoff, Stopped};
use crate::warehouse::{Rows, Warehouse};
use crate::{dead_letter, duplicates, metrics};
use weir_proto::record::Topic;

/// So many rejected records of a batch are logged; dead letters and the metric tell of all.
const REJECTED_LOGGED_MAX: usize = 10;

/// The group's commits for one partition, as long as it is ours.
#[async_trait]
pub(crate) trait Commits: Send + Sync + 'static {
    /// Commits. Durable when it returns.
    async fn commit(&self, committed: Committed) -> Result<(), CommitError>;
}

/// Why a worker ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// The partition is somebody else's now.
    Lost,
    /// Shutdown.
    Stopped,
    /// Going on would make the tables wrong; a person has to look.
    Stuck(String),
}

impl From<Stopped> for End {
    fn from(Stopped: Stopped) -> Self {
        Self::Stopped
    }
}

/// What a worker works with.
pub(crate) struct Worker {
    pub(crate) partition: Partition,
    pub(crate) journal: SharedJournal,
    pub(crate) warehouse: Arc<dyn Warehouse>,
    pub(crate) commits: Box<dyn Commits>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Bounds how many workers hold a batch at a time.
    pub(crate) turns: Arc<Semaphore>,
    pub(crate) limits: Limits,
    pub(crate) backoff: Backoff,
    pub(crate) stop: CancellationToken,
}

impl Worker {
    /// Works until the partition is lost or shutdown begins.
    pub(crate) async fn run(mut self, committed: Option<Committed>) -> End {
        match self.work(committed).await {
            Err(end) => end,
            Ok(never) => match never {},
        }
    }

    async fn work(&mut self, committed: Option<Committed>) -> Result<Infallible, End> {
        let standing =
            Standing::parse(self.partition, committed).map_err(|problem| End::Stuck(problem.to_string()))?;
        let high_water = self.high_water().await?;
        let mut position = match standing {
            Standing::From(offset) => offset,
            Standing::Pending(range) => self.finish(range).await?,
        };
        loop {
            position = self.follow(position, high_water).await?;
        }
    }

    /// The largest offset in the tables. They must not be ahead of the journal: then they are another journal's.
    async fn high_water(&mut self) -> Result<Option<Offset>, End> {
        let high_water = loop {
            match self.warehouse.high_water(self.partition).await {
                Ok(high_water) => break high_water,
                Err(problem) => self.backoff.failed("read_high_water", &problem).await?,
            }
        };
        let end = loop {
            match self.journal.end(self.partition).await {
                Ok(end) => break end,
                Err(problem) => self.backoff.failed("read_end", &problem).await?,
            }
        };
        self.backoff.succeeded();
        match high_water.filter(|offset| *offset >= end) {
            Some(offset) => Err(End::Stuck(format!(
                "the tables hold offset {offset}, the journal ends before {end}: they belong to another journal, \
                 or the journal has lost records; use another database, or rebuild the tables"
            ))),
            None => Ok(high_water),
        }
    }

    /// Finishes what somebody began, with exactly the same range.
    async fn finish(&mut self, range: Range) -> Result<Offset, End> {
        tracing::info!(%range, "finishing a batch that was begun before");
        let records = self.records_of(&range).await?;
        let _turn = self.turn().await?;
        self.store(&range, Batch::decode(records), Doubt::ThisRange).await?;
        self.commit(&range.done()).await?;
        metrics::batch_resumed();
        Ok(range.to.next())
    }

    async fn records_of(&mut self, range: &Range) -> Result<Vec<StoredRecord>, End> {
        loop {
            let mut intake = self.open(range.from).await?;
            match intake.exactly(range).await {
                Ok(Some(records)) => return Ok(records),
                Ok(None) => {
                    let problem = format!("the journal does not have all records of {range}");
                    self.backoff.failed("read", &problem).await?;
                }
                Err(problem) => self.backoff.failed("read", &problem).await?,
            }
        }
    }

    async fn open(&mut self, at: Offset) -> Result<Intake, End> {
        loop {
            match Intake::open(self.journal.as_ref(), self.partition, at).await {
                Ok(intake) => return Ok(intake),
                Err(problem) => self.backoff.failed("read", &problem).await?,
            }
        }
    }

    /// Takes batch after batch from an offset on, until reading fails. Returns where to go on.
    async fn follow(&mut self, from: Offset, high_water: Option<Offset>) -> Result<Offset, End> {
        let mut intake = self.open(from).await?;
        loop {
            let from = intake.position();
            let doubt = match high_water {
                Some(offset) if offset >= from => Doubt::OtherRanges,
                _ => Doubt::Nothing,
            };
            if let Err(problem) = self.take(&mut intake, doubt).await? {
                self.backoff.failed("read", &problem).await?;
                return Ok(from);
            }
            if self.stop.is_cancelled() {
                return Err(End::Stopped);
            }
        }
    }

    /// Takes one batch, if there is any; the inner error is one of reading, before anything was begun.
    async fn take(
        &mut self,
        intake: &mut Intake,
        doubt: Doubt,
    ) -> Result<Result<(), weir_runtime::journal::Error>, End> {
        match intake.has_records().await {
            Ok(true) => {}
            Ok(false) => return Ok(Ok(())),
            Err(problem) => return Ok(Err(problem)),
        }
        let _turn = self.turn().await?;
        let from = intake.position();
        let records = match intake.cut(self.limits).await {
            Ok(records) => records,
            Err(problem) => return Ok(Err(problem)),
        };
        self.backoff.succeeded();
        if let Some(range) = intake.range(from, &records) {
            self.put(&range, records, doubt).await?;
        }
        Ok(Ok(()))
    }

    async fn put(&mut self, range: &Range, records: Vec<StoredRecord>, doubt: Doubt) -> Result<(), End> {
        let began = self.clock.now();
        let batch = Batch::decode(records);
        if !batch.is_empty() {
            self.commit(&range.intent()).await?;
            self.store(range, batch, doubt).await?;
        }
        self.commit(&range.done()).await?;
        metrics::batch_done(self.clock.now().since(began));
        Ok(())
    }

    async fn turn(&self) -> Result<tokio::sync::OwnedSemaphorePermit, End> {
        tokio::select! {
            () = self.stop.cancelled() => Err(End::Stopped),
            turn = self.turns.clone().acquire_owned() => Ok(turn.expect("the semaphore is never closed")),
        }
    }

    /// Writes a range whose intent is committed.
    async fn store(&mut self, range: &Range, mut batch: Batch, doubt: Doubt) -> Result<(), End> {
        self.set_aside(&batch).await?;
        while let Err(problem) = duplicates::remove(self.warehouse.as_ref(), range, &mut batch).await {
            self.backoff.failed("find_duplicates", &problem).await?;
        }
        self.backoff.succeeded();
        metrics::left_out(batch.duplicates, batch.rejected.len());
        tracing::debug!(%range, offsets = range.span(), duplicates = batch.duplicates, "storing a batch");
        for rows in batch.into_rows() {
            self.insert(range, &rows, doubt).await?;
        }
        Ok(())
    }

    async fn insert(&mut self, range: &Range, rows: &Rows, doubt: Doubt) -> Result<(), End> {
        let mut insertion = Insertion::new(range, rows, doubt);
        while let Err(problem) = insertion.complete(self.warehouse.as_ref()).await {
            self.backoff.failed("insert", &problem).await?;
        }
        self.backoff.succeeded();
        metrics::rows_inserted(rows.table(), rows.len());
        Ok(())
    }

    async fn set_aside(&mut self, batch: &Batch) -> Result<(), End> {
        for rejected in batch.rejected.iter().take(REJECTED_LOGGED_MAX) {
            let (offset, problem) = (rejected.stored.offset, dead_letter::problem(rejected));
            tracing::warn!(partition = %self.partition, %offset, problem, "record cannot be read, set aside");
        }
        let now = self.clock.now();
        let letters = batch.rejected.iter().map(|rejected| dead_letter::letter(rejected, now)).collect();
        for append in dead_letter::appends(letters) {
            while let Err(problem) = self.journal.append(Topic::DeadLetter, append.clone()).await {
                self.backoff.failed("append_dead_letters", &problem).await?;
            }
            self.backoff.succeeded();
        }
        Ok(())
    }

    async fn commit(&mut self, committed: &Committed) -> Result<(), End> {
        loop {
            match self.commits.commit(committed.clone()).await {
                Ok(()) => break,
                Err(CommitError::Lost { .. }) => return Err(End::Lost),
                Err(CommitError::Failed(problem)) => self.backoff.failed("commit", &problem).await?,
            }
        }
        self.backoff.succeeded();
        Ok(())
    }
}
