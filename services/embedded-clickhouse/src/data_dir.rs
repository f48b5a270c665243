//! A data path has one owner at a time, and others on the machine can find it.
//!
//! The owner holds an advisory lock on a file in the path: it falls with the process, however that ends. Where the
//! owner listens stands in a file beside the path, which is believed only while the lock is held.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file that is locked, inside the data path.
const LOCK_FILE: &str = "weir.lock";
/// The file that says where the owner listens, beside the data path.
const URL_FILE: &str = "clickhouse.url";
/// How long a new owner waits for one whose parent was killed and which is about to die with it.
const HANDOVER_MAX: Duration = Duration::from_secs(3);
const HANDOVER_STEP: Duration = Duration::from_millis(20);

/// Why a data path cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process has it open.
    #[error("{} is in use by process {owner}; one process at a time can have it open", path.display())]
    InUse {
        /// The data path.
        path: PathBuf,
        /// The process's number, as it wrote it down.
        owner: String,
    },
    /// It cannot be made or locked.
    #[error("{} cannot be used as a data path", path.display())]
    Io {
        /// The data path.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// The right to open a data path, held until it is dropped.
#[derive(Debug)]
pub(crate) struct DataLock {
    _file: File,
}

impl DataLock {
    /// Takes the lock, making the path if there is none; waits a moment for an owner that is just dying.
    pub(crate) async fn take(path: &Path) -> Result<Self, DataDirError> {
        let failed = |source| DataDirError::Io { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(failed)?;
        let mut file = open(path).map_err(failed)?;
        let mut waited = Duration::ZERO;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(source)) => return Err(failed(source)),
                Err(TryLockError::WouldBlock) if waited >= HANDOVER_MAX => {
                    let mut owner = String::new();
                    file.read_to_string(&mut owner).map_err(failed)?;
                    return Err(DataDirError::InUse {
                        path: path.to_owned(),
                        owner: owner.trim().to_owned(),
                    });
                }
                Err(TryLockError::WouldBlock) => {
                    tokio::time::sleep(HANDOVER_STEP).await;
                    waited += HANDOVER_STEP;
                }
            }
        }
        let note = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        note.map_err(failed)?;
        Ok(Self { _file: file })
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path.join(LOCK_FILE))
}

/// The file beside a data path that says where its owner listens.
pub(crate) fn url_file(data_dir: &Path) -> PathBuf {
    data_dir.parent().unwrap_or(data_dir).join(URL_FILE)
}

/// Writes that file, in one step: whoever reads it finds a whole address.
pub(crate) fn write_url(data_dir: &Path, address: SocketAddr) -> io::Result<()> {
    let file = url_file(data_dir);
    let mut new = tempfile::NamedTempFile::new_in(file.parent().unwrap_or(data_dir))?;
    writeln!(new, "http://{address}")?;
    new.persist(&file).map_err(|error| error.error)?;
    Ok(())
}

/// Where the process that has a data path open listens; `None` if none has. Reads two files and asks nobody.
pub fn running_url(data_dir: &Path) -> Option<String> {
    let lock = OpenOptions::new().read(true).open(data_dir.join(LOCK_FILE)).ok()?;
    if !matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)) {
        return None;
    }
    let url = std::fs::read_to_string(url_file(data_dir)).ok()?;
    Some(url.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_data_path_has_one_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let first = DataLock::take(&path).await.unwrap();
        let refused = DataLock::take(&path).await.unwrap_err();
        let owner = std::process::id().to_string();
        assert!(matches!(&refused, DataDirError::InUse { owner: named, .. } if *named == owner), "{refused}");
        drop(first);
        DataLock::take(&path).await.unwrap();
    }

    #[tokio::test]
    async fn a_url_is_believed_only_while_the_owner_lives() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        write_url(&path, "127.0.0.1:1".parse().unwrap()).unwrap();
        assert_eq!(running_url(&path), None);
        let lock = DataLock::take(&path).await.unwrap();
        assert_eq!(running_url(&path).as_deref(), Some("http://127.0.0.1:1"));
        drop(lock);
        assert_eq!(running_url(&path), None);
    }
}
