//! One child process, from its start to its end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{StartError, SupervisorConfig};
use crate::child::{ChildArgs, FAILED, READY};

/// How long a start may take: opening a large data path reads the names of all parts.
const START_MAX: Duration = Duration::from_mins(1);
/// How long a child that was asked to end may take before it is killed. The engine is safe against that.
const END_MAX: Duration = Duration::from_secs(10);
/// A line of the child's stderr is cut here.
const LINE_BYTES_MAX: u64 = 4096;
/// How long `/ping` may take.
const PING_MAX: Duration = Duration::from_secs(5);

/// What the keeper's thread reacts to.
#[derive(Debug)]
pub(super) enum Event {
    /// The child with this number wrote a line.
    Said(u32, String),
    /// The child with this number closed its stdout, which it does only by dying.
    Closed(u32),
    /// The handle was dropped.
    Stop,
}

/// Keeps what the child says on stderr, for whoever asks for it with `log_filter`.
fn pass_on(stderr: ChildStderr) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    while stderr.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        tracing::debug!(said = %String::from_utf8_lossy(&line).trim_end(), "the embedded ClickHouse");
        line.clear();
    }
}

/// A child that answers.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    /// Starts a child and waits until it answers. A child that does not is killed.
    pub(super) fn launch(
        config: &SupervisorConfig,
        args: &ChildArgs,
        (events, inbox): (&SyncSender<Event>, &Receiver<Event>),
    ) -> Result<Self, StartError> {
        let failed = |source| StartError::Spawn { executable: config.executable.clone(), source };
        let mut child = Command::new(&config.executable)
            .args(&config.args_prefix)
            .args(args.to_args())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // The engine complains on stderr of things that harm nothing; on a terminal it would draw over everything.
            .stderr(Stdio::piped())
            // Ctrl-C in a terminal goes to a whole group: the child must outlive what still writes to it.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let stdout = child.stdout.take().expect("stdout was asked to be a pipe");
        if let Some(stderr) = child.stderr.take() {
            let writer = std::thread::Builder::new().name("clickhouse-stderr".to_owned());
            writer.spawn(move || pass_on(stderr)).map_err(failed)?;
        }
        let (sender, id) = (events.clone(), child.id());
        let reader = std::thread::Builder::new().name("clickhouse-stdout".to_owned());
        let spawned = reader.spawn(move || listen(id, stdout, &sender));
        let answer = spawned.map_err(failed).and_then(|_| first_word(id, events, inbox)).and_then(ping);
        match answer {
            Ok(address) => Ok(Self { child, address }),
            Err(error) => {
                kill(&mut child);
                Err(error)
            }
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a child whose stdout is closed, and says how it ended.
    pub(super) fn wait(&mut self) -> String {
        self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string())
    }

    /// Asks the child to end; kills it if it does not within its bound.
    pub(super) fn end(&mut self, inbox: &Receiver<Event>) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let asked = pid.is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok());
        let id = self.id();
        let mut closed = !asked;
        while !closed {
            match inbox.recv_timeout(END_MAX) {
                Ok(Event::Closed(closing)) if closing == id => closed = true,
                Ok(_) => {}
                Err(_) => {
                    tracing::warn!(
                        "the embedded ClickHouse did not end within {} s and is killed",
                        END_MAX.as_secs()
                    );
                    break;
                }
            }
        }
        if closed && asked {
            let status = self.wait();
            tracing::debug!(%status, "the embedded ClickHouse has ended");
        } else {
            kill(&mut self.child);
        }
    }
}

fn kill(child: &mut Child) {
    if let Err(error) = child.kill().and_then(|()| child.wait()) {
        tracing::warn!(%error, "the embedded ClickHouse could not be killed");
    }
}

/// Hands on what the child writes, line by line, and that it has ended.
fn listen(id: u32, stdout: ChildStdout, events: &SyncSender<Event>) {
    for line in BufReader::new(stdout).lines() {
        let Ok(line) = line else { break };
        if events.send(Event::Said(id, line)).is_err() {
            return;
        }
    }
    // An error here means that nobody is interested any more.
    let _ = events.send(Event::Closed(id));
}

/// Waits for the child to say where it listens, or why it does not.
fn first_word(
    id: u32,
    events: &SyncSender<Event>,
    inbox: &Receiver<Event>,
) -> Result<SocketAddr, StartError> {
    loop {
        let event =
            inbox.recv_timeout(START_MAX).map_err(|_| StartError::Silent("said nothing for a minute"))?;
        let line = match event {
            Event::Said(speaker, line) if speaker == id => line,
            Event::Closed(closing) if closing == id => {
                return Err(StartError::Silent("ended at once; its log may say why"));
            }
            Event::Said(..) | Event::Closed(_) => continue,
            Event::Stop => {
                // Left for the keeper. An error here means that the queue is full of what it then sees first.
                let _ = events.try_send(Event::Stop);
                return Err(StartError::Silent("was told to end"));
            }
        };
        if let Some(reason) = line.strip_prefix(FAILED) {
            return Err(StartError::Refused(reason.to_owned()));
        }
        if let Some(url) = line.strip_prefix(READY) {
            let address = url.strip_prefix("http://").and_then(|address| address.parse().ok());
            return address.ok_or_else(|| StartError::Refused(format!("{url:?} is no address")));
        }
    }
}

/// Makes sure that the child answers.
fn ping(address: SocketAddr) -> Result<SocketAddr, StartError> {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, PING_MAX)?;
        stream.set_read_timeout(Some(PING_MAX))?;
        write!(stream, "GET /ping HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    match ask() {
        Ok(answer) if answer.ends_with("Ok.\n") => Ok(address),
        Ok(answer) => Err(StartError::Refused(format!("it answers {answer:?}"))),
        Err(error) => Err(StartError::Refused(format!("it does not answer: {error}"))),
    }
}
