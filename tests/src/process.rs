//! Weir as child processes that can be killed, run from the test's own executable.

use std::ffi::OsString;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::sync::Mutex;

use rand::Rng;

/// The first argument that makes a test executable behave as `weir`.
pub(crate) const AS_WEIR: &str = "as-weir";

/// If this executable was started to be `weir`, runs it and says how it ended. First thing in a test's `main`.
pub fn maybe_run_as_weir() -> Option<ExitCode> {
    let mut arguments = std::env::args_os();
    let own = arguments.next().unwrap_or_default();
    let first = arguments.next()?;
    (first == AS_WEIR).then(|| weir::run_from(std::iter::once(own).chain(arguments), &[AS_WEIR]))
}

/// A running `weir`, or another program. Killed when dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
}

/// How to start one: the folder it runs in, and its arguments.
pub struct Launch<'a> {
    /// Its working directory.
    pub dir: &'a Path,
    /// Its name in the log's file name.
    pub name: &'a str,
    /// What follows `weir`.
    pub arguments: Vec<OsString>,
    /// Variables that it sees besides ours.
    pub environment: Vec<(String, String)>,
}

impl Launch<'_> {
    fn command(&self) -> Command {
        let own = std::env::current_exe().expect("a running program has a path");
        let mut command = Command::new(own);
        command.arg(AS_WEIR).args(&self.arguments).current_dir(self.dir).stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts it; what it prints goes to a log beside its data.
    pub fn start(&self) -> std::io::Result<Process> {
        Process::start(&mut self.command(), self.dir.join(format!("{}.log", self.name)))
    }

    /// Runs it to its end.
    pub fn run(&self) -> std::io::Result<Output> {
        self.command().output()
    }
}

impl Process {
    /// Starts a command, whatever it is; what it prints goes to a log.
    pub fn start(command: &mut Command, log: PathBuf) -> std::io::Result<Self> {
        let out = File::options().create(true).append(true).open(&log)?;
        let err = out.try_clone()?;
        let child = command.stdout(out).stderr(err).spawn()?;
        Ok(Self { child, log })
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        // An error means that it is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// SIGTERM, and waits for its own end.
    pub fn terminate(&mut self) -> std::io::Result<std::process::ExitStatus> {
        let status = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status()?;
        assert!(status.success(), "kill -TERM works on our own child");
        self.child.wait()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The processes that it has started.
    pub fn children(&self) -> Vec<u32> {
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        ids.filter(|id| parent_of(*id) == Some(self.id())).collect()
    }

    /// What it has printed, for the message of a failed test.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The last lines of it.
    pub fn log_tail(&self) -> String {
        const LINES: usize = 40;
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The fourth field of `/proc/ID/stat`; the second is a name in parentheses that may hold anything.
fn parent_of(id: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// SIGKILL to a process that a process of ours has started.
///
/// Id 0 is nobody: to `kill` it would mean this very group of processes.
pub fn kill(id: u32) {
    if id == 0 {
        return;
    }
    // An error means that it is gone already.
    drop(Command::new("kill").arg("-KILL").arg(id.to_string()).status());
}

/// A port of this machine that is this process's alone, for as long as it lives and whether or not anything listens there.
///
/// What a scenario kills must come back at the same port. So ports are not taken from those that the kernel hands to
/// whoever asks for any, and a number is reserved by holding it where Weir never listens: over UDP.
pub fn free_port() -> u16 {
    static RESERVED: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());
    /// Kernels hand out ports from 16,384 or 32,768 on.
    const PORTS: Range<u16> = 10_000..16_000;
    let mut random = rand::rng();
    loop {
        let port = random.random_range(PORTS);
        let Ok(reservation) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)) else { continue };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            RESERVED.lock().expect("a push does not panic").push(reservation);
            return port;
        }
    }
}
