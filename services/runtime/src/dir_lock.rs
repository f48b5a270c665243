//! One process at a time in a data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file that is locked; it holds the process id of the holder.
const LOCK_FILE: &str = "lock";
/// How long a new holder waits for one that was killed. Its lock falls with it, but a process that it was just starting
/// has inherited the lock until it is what it is to be.
const HANDOVER_MAX: Duration = Duration::from_secs(1);
const HANDOVER_STEP: Duration = Duration::from_millis(20);

/// Why a directory could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process writes there.
    #[error(
        "{dir} is in use by process {holder}: stop that process, or give this one another directory \
         (reading beside it works: `weir events`, `weir verify`)"
    )]
    Held {
        /// The directory.
        dir: PathBuf,
        /// The other process's id, or `unknown`.
        holder: String,
    },
    /// The file system said no.
    #[error("cannot lock {dir}")]
    Io {
        /// The directory.
        dir: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Holds a directory until it is dropped. The kernel lets go of it when the process dies, however it dies.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

impl DirLock {
    /// Locks a directory, and creates it if it is not there. Waits a moment for a holder that is just dying.
    pub fn acquire(dir: &Path) -> Result<Self, LockError> {
        let io = |source| LockError::Io { dir: dir.to_owned(), source };
        std::fs::create_dir_all(dir).map_err(io)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(dir.join(LOCK_FILE)).map_err(io)?;
        let mut waited = Duration::ZERO;
        while let Err(refused) = file.try_lock() {
            match refused {
                TryLockError::WouldBlock if waited < HANDOVER_MAX => {
                    std::thread::sleep(HANDOVER_STEP);
                    waited += HANDOVER_STEP;
                }
                TryLockError::WouldBlock => {
                    return Err(LockError::Held { dir: dir.to_owned(), holder: holder(&mut file) });
                }
                TryLockError::Error(source) => return Err(io(source)),
            }
        }
        write_holder(&mut file).map_err(io)?;
        Ok(Self { _file: file })
    }
}

fn write_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.read_to_string(&mut text);
    let known = read.is_ok() && !text.trim().is_empty();
    if known { text.trim().to_owned() } else { "unknown".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_who_the_first_is() {
        let dir = tempfile::tempdir().unwrap();
        let first = DirLock::acquire(dir.path()).unwrap();
        let refused = DirLock::acquire(dir.path()).unwrap_err();
        assert!(
            matches!(&refused, LockError::Held { holder, .. } if *holder == std::process::id().to_string()),
            "{refused}"
        );
        drop(first);
        DirLock::acquire(dir.path()).unwrap();
    }

    #[test]
    fn a_holder_that_is_just_dying_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let first = DirLock::acquire(dir.path()).unwrap();
        let dying = std::thread::spawn(move || {
            std::thread::sleep(2 * HANDOVER_STEP);
            drop(first);
        });
        DirLock::acquire(dir.path()).unwrap();
        dying.join().unwrap();
    }
}
