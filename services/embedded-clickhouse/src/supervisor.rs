//! Keeps the child running: starts it, waits until it answers, starts it again when it dies, ends it.
//!
//! A thread of its own does this, for two reasons: the kernel ties "die with the parent" to the thread that started
//! the child, and dropping the handle must end the child without a runtime.

mod process;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::child::{ChildArgs, ChildError};
use crate::data_dir::{url_file, write_url};
use crate::metrics::{RESTARTS, UP};
use process::{Event, Process};

/// The first pause before the child is started again; it doubles up to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// Events that wait for the thread: the child says two things, the handle one.
const EVENTS_MAX: usize = 8;

/// What to run and on what.
#[derive(Debug, Clone)]
pub struct SupervisorConfig {
    /// The program that can be the child: usually this very one.
    pub executable: PathBuf,
    /// What makes it the child: `["embedded-clickhouse"]`. The arguments of [`ChildArgs`] follow.
    pub args_prefix: Vec<OsString>,
    /// libchdb, as [`crate::fetch::ensure`] gives it.
    pub library: PathBuf,
    /// The data path; `clickhouse.url` is written beside it.
    pub data_dir: PathBuf,
    /// Where to listen: a loopback address. Port 0 takes a free one, which is kept when the child starts again.
    pub listen: SocketAddr,
}

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ChildError),
    /// The program could not be started.
    #[error("cannot start {}", executable.display())]
    Spawn {
        /// The program.
        executable: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The child says why it cannot serve.
    #[error("the embedded ClickHouse did not start: {0}")]
    Refused(String),
    /// The child ended or hung without a word.
    #[error("the embedded ClickHouse did not start: it {0}")]
    Silent(&'static str),
}

/// A child that is kept running. Dropping it ends the child, which takes up to 10 s if it is busy.
#[derive(Debug)]
pub struct Supervisor {
    address: SocketAddr,
    pid: watch::Receiver<u32>,
    events: SyncSender<Event>,
    thread: Option<JoinHandle<()>>,
}

impl Supervisor {
    /// Starts the child and waits until it answers, usually well below a second. What keeps the very first start from
    /// succeeding is an error; later ones are retried for ever.
    pub async fn start(config: SupervisorConfig) -> Result<Self, StartError> {
        if !config.listen.ip().is_loopback() {
            return Err(ChildError::NotLoopback(config.listen).into());
        }
        let (events, inbox) = sync_channel(EVENTS_MAX);
        let (started, start) = oneshot::channel();
        let (pid_sender, pid) = watch::channel(0);
        let keeper = Keeper { config, events: events.clone(), inbox, pid: pid_sender };
        let thread = std::thread::Builder::new()
            .name("clickhouse-keeper".to_owned())
            .spawn(move || keeper.run(started))
            .expect("the operating system gives a thread at start-up");
        let address = start.await.unwrap_or(Err(StartError::Silent("was given up")))?;
        Ok(Self { address, pid, events, thread: Some(thread) })
    }

    /// Where the engine is reached: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The number of the child's process while it answers, 0 while there is none; and a way to wait for its change.
    pub fn pid(&self) -> watch::Receiver<u32> {
        self.pid.clone()
    }

    /// Ends the child: asks it to close, and kills it if it takes longer than 10 s.
    pub async fn shutdown(self) {
        if tokio::task::spawn_blocking(move || drop(self)).await.is_err() {
            tracing::error!("ending the embedded ClickHouse panicked");
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // An error here means that the thread has ended.
        let _ = self.events.send(Event::Stop);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that keeps the embedded ClickHouse had panicked");
        }
    }
}

/// How a child's life went.
enum Life {
    /// It was told to end.
    Stopped,
    /// It died, after it had answered or before.
    Died { had_answered: bool },
}

/// The thread's state.
struct Keeper {
    config: SupervisorConfig,
    events: SyncSender<Event>,
    inbox: Receiver<Event>,
    pid: watch::Sender<u32>,
}

impl Keeper {
    fn run(mut self, started: oneshot::Sender<Result<SocketAddr, StartError>>) {
        let mut process = match self.first_start() {
            Ok(process) => process,
            Err(error) => {
                let _ = started.send(Err(error));
                return;
            }
        };
        if started.send(Ok(self.config.listen)).is_err() {
            process.end(&self.inbox);
            self.forget();
            return;
        }
        let mut pause = PAUSE_FIRST;
        let mut next = Some(process);
        loop {
            let life = next.take().map_or(Life::Died { had_answered: false }, |process| self.watch(process));
            let Life::Died { had_answered } = life else { break };
            pause = if had_answered { PAUSE_FIRST } else { (pause * 2).min(PAUSE_MAX) };
            if self.stop_within(pause) {
                break;
            }
            metrics::counter!(RESTARTS).increment(1);
            match self.launch() {
                Ok(process) => next = Some(process),
                Err(error) => tracing::warn!(%error, "the embedded ClickHouse did not start again"),
            }
        }
        self.forget();
    }

    fn first_start(&mut self) -> Result<Process, StartError> {
        let process = self.launch()?;
        // From now on the port is this one.
        self.config.listen = process.address();
        Ok(process)
    }

    /// Starts a child, waits until it answers and writes down where.
    fn launch(&self) -> Result<Process, StartError> {
        let config = &self.config;
        let args = ChildArgs {
            library: config.library.clone(),
            data_dir: config.data_dir.clone(),
            listen: config.listen,
            parent: Some(std::process::id()),
        };
        let process = Process::launch(config, &args, (&self.events, &self.inbox))?;
        if let Err(error) = write_url(&config.data_dir, process.address()) {
            tracing::warn!(%error, "other commands will not find the embedded ClickHouse");
        }
        self.pid.send_replace(process.id());
        metrics::gauge!(UP).set(1.0);
        Ok(process)
    }

    /// Waits until the child dies or is to end.
    fn watch(&self, mut process: Process) -> Life {
        loop {
            match self.inbox.recv() {
                Ok(Event::Stop) | Err(_) => {
                    process.end(&self.inbox);
                    return Life::Stopped;
                }
                Ok(Event::Closed(id)) if id == process.id() => break,
                Ok(_) => {}
            }
        }
        let status = process.wait();
        self.gone();
        tracing::warn!(%status, "the embedded ClickHouse died and is started again");
        Life::Died { had_answered: true }
    }

    /// Whether the child is to end, asked for this long.
    fn stop_within(&self, pause: Duration) -> bool {
        loop {
            match self.inbox.recv_timeout(pause) {
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => return true,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }

    fn gone(&self) {
        self.pid.send_replace(0);
        metrics::gauge!(UP).set(0.0);
    }

    /// Takes back what was written down.
    fn forget(&self) {
        self.gone();
        let file = url_file(&self.config.data_dir);
        if let Err(error) = std::fs::remove_file(&file) {
            tracing::debug!(%error, file = %file.display(), "the file was gone already");
        }
    }
}
