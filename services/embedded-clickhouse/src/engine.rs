//! The engine as a service: statements go in, results come out piece by piece.
//!
//! Each statement runs on one of a few threads of its own, in a session of its own. A session costs about 1 ms
//! (measured) and leaves nothing behind: no setting, no current database, no temporary table, and none of the output
//! that a failed statement leaves in a session for the next one (measured too). Does not know HTTP.

mod session;

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::exception::{Exception, TOO_MANY_SIMULTANEOUS_QUERIES};
use crate::ffi::{Api, Connection, Counts, OpenError};
use crate::format::Header;

/// Statements that run at once. More would only take turns on the processors of one machine.
const WORKERS: usize = 6;
/// Statements that wait for a thread; past that the answer is "too many", which clients retry.
const WAITING_MAX: usize = 256;
/// Pieces of a result that wait for the client: each is about half a megabyte.
const PIECES_MAX: usize = 4;

/// How a statement is run.
#[derive(Debug)]
pub(crate) enum Run {
    /// As a stream of chunks, each of which begins with this.
    Stream(Header),
    /// In one piece.
    Whole,
    /// With data in a format.
    Insert {
        /// The data's format.
        format: String,
        /// The data, whole.
        data: Bytes,
    },
}

/// A statement and the session it wants.
#[derive(Debug)]
pub(crate) struct Statement {
    /// The text, for an `INSERT` with data without its `FORMAT` clause.
    pub(crate) sql: Bytes,
    /// How it is run.
    pub(crate) run: Run,
    /// The format of the result if the statement names none.
    pub(crate) format: String,
    /// The current database; the default one if `None`.
    pub(crate) database: Option<String>,
    /// Settings, in order.
    pub(crate) settings: Vec<(String, String)>,
    /// Values of `{name:Type}`, in ClickHouse's escaped form.
    pub(crate) params: Vec<(String, String)>,
}

/// A piece of an answer. The last one is `End` or `Failed`.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Bytes of the result, and what was read for the result so far.
    Rows(Bytes, Counts),
    /// There is no more.
    End(Counts),
    /// There is no more, because something went wrong.
    Failed(Exception),
}

enum Job {
    Run {
        statement: Statement,
        answer: mpsc::Sender<Piece>,
    },
    /// The thread that takes this ends.
    Stop,
}

/// What the engine says of itself.
#[derive(Debug, Clone)]
pub(crate) struct About {
    /// ClickHouse's version.
    pub(crate) version: String,
    /// The time zone of times without one.
    pub(crate) timezone: String,
}

/// An open engine.
pub(crate) struct Engine {
    jobs: SyncSender<Job>,
    workers: Vec<JoinHandle<()>>,
    anchor: Connection,
    api: &'static Api,
    about: About,
}

/// Submits statements. Clones share the engine.
#[derive(Clone)]
pub(crate) struct Statements {
    jobs: SyncSender<Job>,
}

impl Engine {
    /// Opens a data path, which no other process may have open.
    pub(crate) fn open(library: &Path, data: &Path) -> Result<Self, OpenError> {
        let api = Api::load(library)?;
        // As long as this session is open the engine stays open.
        let mut anchor = api.connect(data)?;
        let about = session::about(&mut anchor).map_err(|error| {
            tracing::error!(%error, "the engine opened but does not answer");
            OpenError::Refused(data.to_owned())
        })?;
        let (jobs, waiting) = sync_channel(WAITING_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        let workers = (0..WORKERS)
            .map(|number| {
                let (waiting, data) = (Arc::clone(&waiting), data.to_owned());
                std::thread::Builder::new()
                    .name(format!("clickhouse-{number}"))
                    .spawn(move || work(api, &data, &waiting))
                    .expect("the operating system gives a thread at start-up")
            })
            .collect();
        Ok(Self { jobs, workers, anchor, api, about })
    }

    /// What it says of itself.
    pub(crate) fn about(&self) -> About {
        self.about.clone()
    }

    /// Where statements go.
    pub(crate) fn statements(&self) -> Statements {
        Statements { jobs: self.jobs.clone() }
    }

    /// Finishes what was submitted and closes the data path.
    pub(crate) fn close(self) {
        for _ in &self.workers {
            // An error here means that every thread has panicked, which the joins report.
            let _ = self.jobs.send(Job::Stop);
        }
        for worker in self.workers {
            if worker.join().is_err() {
                tracing::error!("a thread of the engine had panicked");
            }
        }
        drop(self.anchor);
        if !self.api.shutdown() {
            // Usual, and without consequence: closing the last session has written everything.
            tracing::debug!("the engine left threads to the end of the process");
        }
    }
}

impl Statements {
    /// Submits a statement. Dropping the receiver cancels it at its next piece.
    pub(crate) fn run(&self, statement: Statement) -> Result<mpsc::Receiver<Piece>, Exception> {
        let (answer, pieces) = mpsc::channel(PIECES_MAX);
        match self.jobs.try_send(Job::Run { statement, answer }) {
            Ok(()) => Ok(pieces),
            Err(TrySendError::Full(_)) => {
                let text = format_args!("Too many simultaneous queries: {WAITING_MAX} are waiting");
                Err(Exception::new(TOO_MANY_SIMULTANEOUS_QUERIES, text))
            }
            Err(TrySendError::Disconnected(_)) => {
                Err(Exception::new(TOO_MANY_SIMULTANEOUS_QUERIES, "the engine is shutting down"))
            }
        }
    }
}

/// One thread's work: job after job until it is told to stop.
fn work(api: &'static Api, data: &Path, waiting: &Mutex<Receiver<Job>>) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job::Run { statement, answer }) = next else { return };
        if answer.is_closed() {
            continue;
        }
        let ended = match api.connect(data) {
            Ok(mut connection) => session::run(&mut connection, &statement, &answer),
            Err(error) => Err(Exception::from_engine(&error.to_string())),
        };
        let last = ended.map_or_else(Piece::Failed, Piece::End);
        // An error here means that the client has left, which needs no answer.
        let _ = answer.blocking_send(last);
    }
}
