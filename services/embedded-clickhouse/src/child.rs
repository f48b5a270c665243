//! What the child process does: open the engine at a data path and serve it until it is told to stop.
//!
//! Tells its parent on stdout when it is ready or why it is not; logs go to stderr.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::data_dir::{DataDirError, DataLock};
use crate::engine::Engine;
use crate::ffi::OpenError;
use crate::{dedup, http};

/// What the child writes before the address when it is ready.
pub(crate) const READY: &str = "ready ";
/// What the child writes before the reason when it is not.
pub(crate) const FAILED: &str = "failed ";

/// What the child is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildArgs {
    /// libchdb.
    pub library: PathBuf,
    /// The data path.
    pub data_dir: PathBuf,
    /// Where to listen: a loopback address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The process to die with.
    pub parent: Option<u32>,
}

/// Why the child ended.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The command line is not what it should be.
    #[error(
        "embedded-clickhouse: {0}; usage: --library FILE --data DIR --listen ADDRESS:PORT [--parent PID]"
    )]
    Usage(String),
    /// The address can be reached from other machines.
    #[error(
        "will not listen on {0}: the embedded ClickHouse has no access control, so only loopback addresses do"
    )]
    NotLoopback(SocketAddr),
    /// The address cannot be had.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The data path cannot be had.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The engine does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The records of insert tokens cannot be checked.
    #[error("cannot check the records of insert tokens in {}", data_dir.display())]
    Repair {
        /// The data path.
        data_dir: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The operating system refused something that every process may do.
    #[error("cannot {what}")]
    Os {
        /// What.
        what: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl ChildArgs {
    /// Reads the arguments that [`ChildArgs::to_args`] writes.
    pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Self, ChildError> {
        let usage = |text: String| ChildError::Usage(text);
        let (mut library, mut data_dir, mut listen, mut parent) = (None, None, None, None);
        let mut args = args.into_iter();
        while let Some(name) = args.next() {
            let value = args.next().ok_or_else(|| usage(format!("{} has no value", name.display())))?;
            match name.to_str() {
                Some("--library") => library = Some(PathBuf::from(value)),
                Some("--data") => data_dir = Some(PathBuf::from(value)),
                Some("--listen") => listen = Some(parse(&value)?),
                Some("--parent") => parent = Some(parse(&value)?),
                _ => return Err(usage(format!("{} is not an option", name.display()))),
            }
        }
        let missing = |name: &'static str| move || usage(format!("{name} is missing"));
        Ok(Self {
            library: library.ok_or_else(missing("--library"))?,
            data_dir: data_dir.ok_or_else(missing("--data"))?,
            listen: listen.ok_or_else(missing("--listen"))?,
            parent,
        })
    }

    /// The arguments as a command line has them.
    pub fn to_args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec!["--library".into(), self.library.clone().into(), "--data".into()];
        args.push(self.data_dir.clone().into());
        args.extend(["--listen".into(), self.listen.to_string().into()]);
        if let Some(parent) = self.parent {
            args.extend(["--parent".into(), parent.to_string().into()]);
        }
        args
    }
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(value: &OsStr) -> Result<T, ChildError> {
    let text = value.to_string_lossy();
    text.parse().map_err(|error| ChildError::Usage(format!("{text:?}: {error}")))
}

/// Serves until `shutdown` or a signal to end, then closes the engine. Says on stdout how the start went.
pub async fn run_child(args: ChildArgs, shutdown: CancellationToken) -> Result<(), ChildError> {
    let served = serve(&args, shutdown).await;
    if let Err(error) = &served {
        tell(&format!("{FAILED}{}", with_causes(error)));
    }
    served
}

async fn serve(args: &ChildArgs, shutdown: CancellationToken) -> Result<(), ChildError> {
    if !args.listen.ip().is_loopback() {
        return Err(ChildError::NotLoopback(args.listen));
    }
    if let Some(parent) = args.parent {
        die_with(parent)?;
    }
    let listen = |source| ChildError::Listen { address: args.listen, source };
    let lock = DataLock::take(&args.data_dir).await?;
    let repair = |source| ChildError::Repair { data_dir: args.data_dir.clone(), source };
    dedup::repair(&args.data_dir).map_err(repair)?;
    let listener = TcpListener::bind(args.listen).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let engine = Engine::open(&args.library, &args.data_dir)?;
    let about = engine.about();
    tracing::info!(%address, version = about.version, data = %args.data_dir.display(), "embedded ClickHouse is ready");
    tell(&format!("{READY}http://{address}"));
    let stop = shutdown.child_token();
    let signalled = cancel_on_signal(stop.clone())?;
    let serving = async {
        let served = http::serve(listener, engine.statements(), about, stop.clone()).await;
        stop.cancel();
        served
    };
    let (served, ()) = tokio::join!(serving, signalled);
    let closed = tokio::task::spawn_blocking(move || engine.close()).await;
    if closed.is_err() {
        tracing::error!("closing the engine panicked");
    }
    drop(lock);
    tracing::info!("embedded ClickHouse is closed");
    served.map_err(listen)
}

/// Asks the kernel to kill this process when its parent dies, and makes sure that it has not died already.
fn die_with(parent: u32) -> Result<(), ChildError> {
    let failed = |source| ChildError::Os { what: "ask to die with the parent process", source };
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| failed(error.into()))?;
    let actual = getppid().map(Pid::as_raw_nonzero).map_or(0, |pid| pid.get().unsigned_abs());
    if actual == parent {
        return Ok(());
    }
    Err(failed(io::Error::other("it is gone")))
}

/// Cancels at the first SIGINT or SIGTERM; ends when somebody else has cancelled.
fn cancel_on_signal(stop: CancellationToken) -> Result<impl Future<Output = ()>, ChildError> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |source| ChildError::Os { what: "listen for signals", source };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = stop.cancelled() => {}
        }
        stop.cancel();
    })
}

/// Writes a line for the parent. If it no longer listens it is dead, and this process soon too.
fn tell(line: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{}", line.replace('\n', " ")).and_then(|()| stdout.flush());
}

/// An error and what caused it, on one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_come_back_as_they_were() {
        let args = ChildArgs {
            library: "/a b/libchdb.so".into(),
            data_dir: "/data".into(),
            listen: "127.0.0.1:0".parse().unwrap(),
            parent: Some(7),
        };
        assert_eq!(ChildArgs::parse(args.to_args()).unwrap(), args);
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        let error =
            |args: &[&str]| ChildArgs::parse(args.iter().map(OsString::from)).unwrap_err().to_string();
        assert!(error(&["--library", "x", "--data", "y"]).contains("--listen is missing"));
        assert!(error(&["--verbose", "1"]).contains("--verbose is not an option"));
        assert!(error(&["--listen", "here"]).contains("\"here\""));
    }
}
