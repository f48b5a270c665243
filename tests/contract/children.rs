//! What this program does as a child of itself: appends that its parent interrupts.
//!
//! Each acknowledged append is one line on standard output: partition, offset, key, payload.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use weir_proto::record::{Record, Topic};
use weir_runtime::journal::config::{EmbeddedConfig, Fsync};
use weir_runtime::journal::{AppendError, Journal, Position};

use crate::engines::open;

const APPEND_FOR_EVER: &str = "--child-append-for-ever";
const FILL: &str = "--child-fill";
/// Appenders at once, each with its own key.
pub(crate) const APPENDERS: usize = 8;

/// A child that appends until it is killed.
pub(crate) fn append_for_ever(dir: &Path, fsync: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(APPEND_FOR_EVER).arg(dir).arg(fsync);
    Ok(command)
}

/// A child whose files may not grow above so many kibibytes, which appends until it may not, then goes on smaller.
pub(crate) fn fill(dir: &Path, kibibytes: u32) -> anyhow::Result<Command> {
    // Without the signal, a write above the limit fails as on a full disk: a part of it is written, then none.
    let script = format!("trap '' XFSZ; ulimit -f {kibibytes}; exec \"$0\" {FILL} \"$1\"");
    let mut command = Command::new("bash");
    command.arg("-c").arg(script).arg(std::env::current_exe()?).arg(dir);
    Ok(command)
}

/// Does a child's work, if this process was started as one.
pub(crate) fn run_if_asked() -> Option<ExitCode> {
    let arguments: Vec<_> = std::env::args().collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        [_, APPEND_FOR_EVER, dir, fsync] => block_on(run_append_for_ever(dir.into(), fsync)),
        [_, FILL, dir] => block_on(run_fill(dir.into())),
        _ => return None,
    };
    Some(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "child: {failure:?}");
            ExitCode::FAILURE
        }
    })
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(work)
}

/// The settings of a named policy; small segments, so that a kill meets the change of one too.
pub(crate) fn config(fsync: &str) -> anyhow::Result<EmbeddedConfig> {
    let fsync = match fsync {
        "always" => Fsync::Always,
        "interval" => Fsync::IntervalMs(50),
        "never" => Fsync::Never,
        other => anyhow::bail!("no such policy: {other}"),
    };
    Ok(EmbeddedConfig { fsync, segment_bytes: 16 * 1024, ..EmbeddedConfig::default() })
}

async fn run_append_for_ever(dir: PathBuf, fsync: &str) -> anyhow::Result<()> {
    let journal = Arc::new(open(&dir, &config(fsync)?)?);
    let appender = |task: usize| {
        let journal = Arc::clone(&journal);
        async move {
            for number in 0_u64.. {
                let record = plain(&format!("key-{task}"), &format!("{number}"));
                let position = journal.append(Topic::Usage, vec![record.clone()]).await?[0];
                acknowledge(position, &record)?;
            }
            anyhow::Ok(())
        }
    };
    futures_util::future::try_join_all((0..APPENDERS).map(appender)).await?;
    Ok(())
}

async fn run_fill(dir: PathBuf) -> anyhow::Result<()> {
    let journal = open(&dir, &EmbeddedConfig::default())?;
    let mut rejections = 0;
    // From large to small: what a large record left free, a smaller one may use.
    for payload_bytes in [1000, 200, 1] {
        loop {
            let record = plain("key", &"x".repeat(payload_bytes));
            match journal.append(Topic::Usage, vec![record.clone()]).await {
                Ok(positions) => acknowledge(positions[0], &record)?,
                Err(AppendError::Rejected { .. }) => break rejections += 1,
                Err(unknown) => return Err(unknown).context("a full disk must not leave doubt"),
            }
        }
    }
    anyhow::ensure!(rejections == 3, "the limit did not bind");
    Ok(())
}

fn plain(key: &str, payload: &str) -> Record {
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    Record { key: bytes(key), headers: Vec::new(), payload: bytes(payload) }
}

fn acknowledge(position: Position, record: &Record) -> anyhow::Result<()> {
    let (key, payload) = (String::from_utf8_lossy(&record.key), String::from_utf8_lossy(&record.payload));
    let line = format!("{} {} {key} {payload}\n", position.partition.index, position.offset);
    Ok(std::io::stdout().write_all(line.as_bytes())?)
}
