//! Servers as child processes of the benchmark: its own executable, started again in a role.
//!
//! A child says on its standard output when it is ready, and ends when its standard input does: so none outlives the
//! benchmark, however that ends. What it prints to standard error goes to a file beside its data.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::future::LocalBoxFuture;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::cpu::CpuClock;

/// The first argument that makes a benchmark's executable one of its servers.
const SERVE: &str = "serve";
/// Lines to a role that it has not heard yet; more wait in the pipe.
const LINES_MAX: usize = 1;
/// How often it is looked whether a server has ended, and how long it may take: longer than any role drains.
const STOP_LOOK: Duration = Duration::from_millis(10);
const STOP_MAX: Duration = Duration::from_secs(40);

/// A role: its name, and what it does until it is told to stop.
pub type Role = (&'static str, fn(Serving) -> LocalBoxFuture<'static, anyhow::Result<()>>);

/// What a role is given.
pub struct Serving {
    /// What the benchmark said to it.
    pub arguments: Vec<String>,
    /// Cancelled when it should end.
    pub stop: CancellationToken,
    heard: mpsc::Receiver<String>,
}

impl Serving {
    /// One of its arguments.
    pub fn argument(&self, index: usize) -> anyhow::Result<&str> {
        self.arguments.get(index).map(String::as_str).with_context(|| format!("argument {index} is missing"))
    }

    /// Waits for a line from the benchmark.
    pub async fn hear(&mut self) -> anyhow::Result<String> {
        self.heard.recv().await.context("the benchmark said nothing more")
    }

    /// Says a line to the benchmark. The first one means: ready.
    pub fn say(&self, line: &str) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}")?;
        out.flush()
    }
}

/// If this process was started as a server, is one until it is told to stop.
pub fn serve_if_asked(roles: &[Role]) -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next()? != SERVE {
        return None;
    }
    let name = arguments.next().unwrap_or_default();
    let served = roles
        .iter()
        .find(|(role, _)| *role == name)
        .with_context(|| format!("there is no role {name:?}"))
        .and_then(|(_, work)| serve(*work, arguments.collect()));
    Some(match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            // Nobody is left to tell if this fails.
            drop(writeln!(std::io::stderr(), "{name}: {problem:?}"));
            ExitCode::FAILURE
        }
    })
}

fn serve(
    work: fn(Serving) -> LocalBoxFuture<'static, anyhow::Result<()>>,
    arguments: Vec<String>,
) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let (said, heard) = mpsc::channel(LINES_MAX);
    let told = stop.clone();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            // A role that does not listen is told nothing.
            drop(said.blocking_send(line));
        }
        // The end of the input, or its failure, are the same news.
        told.cancel();
    });
    // The runtime that `weir` has; pinned, that is one worker.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(work(Serving { arguments, stop, heard }))
}

/// A running server. Killed when dropped.
pub struct Server {
    child: Child,
    input: Option<ChildStdin>,
    lines: BufReader<ChildStdout>,
    role: String,
    ready: String,
}

impl Server {
    /// Starts a role and waits until it is ready. Its log is `ROLE.log` in the folder.
    pub fn start(dir: &Path, role: &str, arguments: &[&str]) -> anyhow::Result<Self> {
        let log = File::options().create(true).append(true).open(dir.join(format!("{role}.log")))?;
        let mut child = Command::new(std::env::current_exe()?)
            .args([SERVE, role])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let input = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut server = Self { child, input, lines, role: role.to_owned(), ready: String::new() };
        server.ready = server.line()?;
        Ok(server)
    }

    /// What it said when it was ready: most say where they listen.
    pub fn ready(&self) -> &str {
        &self.ready
    }

    /// Says a line to it.
    pub fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        let input = self.input.as_mut().context("it was told to end")?;
        Ok(writeln!(input, "{line}")?)
    }

    /// Waits for the next line that it says.
    pub fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line)?;
        ensure!(read > 0, "server {:?} ended without a word", self.role);
        Ok(line.trim_end().to_owned())
    }

    /// Its processor time.
    pub fn clock(&self) -> CpuClock {
        CpuClock::of(self.child.id())
    }

    /// Tells it to end and waits until it has. Connections to it must be served meanwhile, so that they can end.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.input = None;
        let ended = async {
            loop {
                if let Some(status) = self.child.try_wait()? {
                    return anyhow::Ok(status);
                }
                tokio::time::sleep(STOP_LOOK).await;
            }
        };
        let status = tokio::time::timeout(STOP_MAX, ended).await;
        let status = status.with_context(|| format!("server {:?} does not end", self.role))??;
        ensure!(status.success(), "server {:?} ended with {status}", self.role);
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Errors mean that it is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
