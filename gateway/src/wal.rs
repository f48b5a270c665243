//! The write-ahead log: what was started, how it ended, what of it is in the journal and settled.
//!
//! Written before an upstream is called, so that every attempt has its usage event in the end, whatever dies. A record
//! is with the kernel when a call returns: a killed process loses nothing. What a power cut can take is set by
//! [`Fsync`]. A file is deleted when every attempt that began in it, or in one before it, is published and settled.

mod recovery;
mod segments;
mod sync;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};
use weir_domain::ids::AttemptId;
use weir_proto::codec::{AttemptEnded, AttemptStarted, DecodeError, WalRecord, wal_to_bytes};
use weir_runtime::dir_lock::{DirLock, LockError};
use weir_runtime::framed_log::{self, FramedLog};
use weir_runtime::journal::config::Fsync;

pub(crate) use recovery::Unfinished;
use segments::Segments;

/// So many full files may wait for their sync, which is done off the threads that serve. Beyond it the disk is far behind,
/// and whoever fills the next one waits for it.
const UNSYNCED_FILES_MAX: usize = 8;

/// Why the log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum WalError {
    /// Another process has it.
    #[error("write-ahead log is not available")]
    Locked(#[from] LockError),
    /// A file of it cannot be read.
    #[error("write-ahead log cannot be read")]
    Log(#[from] framed_log::Error),
    /// A whole frame holds something else: written by a newer version, or by something else.
    #[error("write-ahead log holds a record that this version does not know")]
    Record(#[from] DecodeError),
    /// The file system said no.
    #[error("write-ahead log in {dir} cannot be listed")]
    Io {
        /// Where it is.
        dir: std::path::PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// An open log. Appends are single writes to the kernel, made where they are asked for; [`Wal::keep_synced`] does the rest.
pub(crate) struct Wal {
    state: Mutex<State>,
    fsync: Fsync,
    /// Something waits for a sync (`always` only).
    sync_wanted: Notify,
    _lock: DirLock,
}

struct State {
    segments: Segments,
    active: FramedLog,
    /// The same file, to sync it while others append.
    active_file: Arc<File>,
    /// Attempts that are not done, by the segment in which they began.
    undone: BTreeMap<u64, usize>,
    attempts: HashMap<AttemptId, Progress>,
    /// Nothing more may be appended to the active segment: a sync of it failed.
    abandoned: bool,
    /// Something was appended since the last sync.
    unsynced: bool,
    waiting: Waiting,
    /// Files that are full and not synced yet, oldest first.
    closed: Vec<Closed>,
}

/// Those that wait for a sync.
type Waiting = Vec<oneshot::Sender<io::Result<()>>>;

/// A file that nothing is appended to any more.
struct Closed {
    file: Arc<File>,
    waiting: Waiting,
}

struct Progress {
    segment: u64,
    published: bool,
    settled: bool,
}

/// A step that an attempt has behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Its event is in the journal.
    Published,
    /// Its settle was acknowledged.
    Settled,
}

impl Wal {
    /// Opens or creates a log; gives back the attempts that a process before this one did not finish.
    pub(crate) fn open(
        dir: &Path,
        fsync: Fsync,
        segment_bytes: u64,
    ) -> Result<(Self, Vec<Unfinished>), WalError> {
        let lock = DirLock::acquire(dir)?;
        let mut segments = Segments::list(dir, segment_bytes)
            .map_err(|source| WalError::Io { dir: dir.to_owned(), source })?;
        let unfinished = recovery::read(&segments)?;
        let (active, active_file) = segments.begin_next()?;
        let mut state = State {
            segments,
            active,
            active_file,
            undone: BTreeMap::new(),
            attempts: HashMap::new(),
            abandoned: false,
            unsynced: false,
            waiting: Vec::new(),
            closed: Vec::new(),
        };
        for attempt in &unfinished {
            let Unfinished { segment, published, settled, .. } = *attempt;
            state.register(attempt.started.attempt, Progress { segment, published, settled });
        }
        state.drop_done_segments();
        let wal = Self { state: Mutex::new(state), fsync, sync_wanted: Notify::new(), _lock: lock };
        Ok((wal, unfinished))
    }

    /// Records that an attempt starts. After an error nothing was recorded; wait for [`Started::durable`] before the call.
    pub(crate) fn start(&self, started: &AttemptStarted) -> io::Result<Started> {
        let record = wal_to_bytes(&WalRecord::Started(Box::new(started.clone())));
        let mut state = self.lock();
        state.append(&record, self.fsync)?;
        let segment = state.segments.active();
        state.register(started.attempt, Progress { segment, published: false, settled: false });
        if self.fsync != Fsync::Always {
            return Ok(Started(None));
        }
        let (answer, synced) = oneshot::channel();
        state.waiting.push(answer);
        drop(state);
        self.sync_wanted.notify_one();
        Ok(Started(Some(synced)))
    }

    /// Records how an attempt ended.
    pub(crate) fn end(&self, ended: &AttemptEnded) -> io::Result<()> {
        let record = wal_to_bytes(&WalRecord::Ended(Box::new(ended.clone())));
        self.lock().append(&record, self.fsync)
    }

    /// Records a step of attempts, and forgets those that have both behind them. A mark that is lost makes the step be
    /// repeated after a restart, which changes nothing.
    pub(crate) fn mark(&self, step: Step, attempts: &[AttemptId]) -> io::Result<()> {
        let record = match step {
            Step::Published => WalRecord::Published(attempts.to_vec()),
            Step::Settled => WalRecord::Settled(attempts.to_vec()),
        };
        let mut state = self.lock();
        let appended = state.append(&wal_to_bytes(&record), self.fsync);
        for attempt in attempts {
            state.advance(*attempt, step);
        }
        state.drop_done_segments();
        appended
    }

    /// How many attempts are not done.
    pub(crate) fn undone(&self) -> usize {
        self.lock().attempts.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An attempt that is recorded as started.
#[must_use]
pub(crate) struct Started(Option<oneshot::Receiver<io::Result<()>>>);

impl Started {
    /// Returns when the record is as durable as the settings say.
    pub(crate) async fn durable(self) -> io::Result<()> {
        match self.0 {
            None => Ok(()),
            Some(synced) => {
                synced.await.unwrap_or_else(|_| Err(io::Error::other("the write-ahead log was closed")))
            }
        }
    }
}

impl State {
    fn append(&mut self, record: &[u8], fsync: Fsync) -> io::Result<()> {
        let is_broken = self.abandoned || self.active.is_poisoned();
        if is_broken || self.active.len() >= self.segments.bytes_max() {
            if is_broken {
                let lost = Err(io::Error::other("the write-ahead log could not be synced"));
                sync::answer(std::mem::take(&mut self.waiting), &lost);
            }
            let (active, file) = self.segments.begin_next().map_err(io::Error::other)?;
            let mut full = std::mem::replace(&mut self.active, active);
            let file = std::mem::replace(&mut self.active_file, file);
            // Those that wait, wait for the file that is closed.
            let waiting = std::mem::take(&mut self.waiting);
            match fsync {
                _ if is_broken => {}
                Fsync::Never => sync::answer(waiting, &Ok(())),
                _ if self.closed.len() < UNSYNCED_FILES_MAX => self.closed.push(Closed { file, waiting }),
                Fsync::Always | Fsync::IntervalMs(_) => sync::answer(waiting, &full.sync()),
            }
            self.abandoned = false;
        }
        self.active.append(record)?;
        self.unsynced = true;
        Ok(())
    }

    fn register(&mut self, attempt: AttemptId, progress: Progress) {
        *self.undone.entry(progress.segment).or_default() += 1;
        self.attempts.insert(attempt, progress);
    }

    fn advance(&mut self, attempt: AttemptId, step: Step) {
        let Some(progress) = self.attempts.get_mut(&attempt) else { return };
        match step {
            Step::Published => progress.published = true,
            Step::Settled => progress.settled = true,
        }
        if !(progress.published && progress.settled) {
            return;
        }
        if let Some(count) = self.undone.get_mut(&progress.segment) {
            *count -= 1;
        }
        self.attempts.remove(&attempt);
    }

    /// Deletes from the oldest on: what stands in a later segment may be the end of an attempt in an earlier one.
    fn drop_done_segments(&mut self) {
        while let Some(oldest) = self.segments.oldest_closed() {
            if self.undone.get(&oldest).is_some_and(|count| *count > 0) {
                return;
            }
            self.undone.remove(&oldest);
            if let Err(problem) = self.segments.delete_oldest() {
                tracing::warn!(%problem, "a file of the write-ahead log cannot be deleted");
                return;
            }
        }
    }
}

#[cfg(test)]
#[path = "wal_tests.rs"]
pub(crate) mod tests;
