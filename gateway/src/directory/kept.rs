//! The last directory, on disk: what a gateway goes by that starts while quota cannot be asked.
//!
//! A file behind its SHA-256, readable by its owner only. It holds what quota sent: hashes of keys and policies, no secret.
//! When it was last modified is when quota last stood by it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use weir_domain::calendar::Utc;
use weir_domain::directory::Directory;
use weir_domain::time::Timestamp;
use weir_proto::codec::{DecodeError, directory_from_bytes, directory_to_bytes};

/// The file's name in the gateway's folder.
const FILE: &str = "directory";
/// The longest that is kept or received: some 100,000 keys and allocations.
pub(super) const DIRECTORY_BYTES_MAX: usize = 32 * 1024 * 1024;
const DIGEST_BYTES: usize = 32;

/// Where the last directory is kept.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    path: PathBuf,
    age_max: Duration,
}

/// A directory that quota stands by.
#[derive(Debug, Clone)]
pub(super) struct StoodBy {
    pub(super) directory: Arc<Directory>,
    pub(super) at: Timestamp,
}

/// A directory that was kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) directory: Directory,
    /// When quota last stood by it.
    pub(super) from: Timestamp,
}

/// Why no directory that was kept is used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("none was kept")]
    None,
    #[error(
        "the one that was kept is of {}, longer ago than the {} h of gateway.kept_directory_hours_max",
        Utc(*.from),
        .age_max.as_secs() / 3_600
    )]
    TooOld { from: Timestamp, age_max: Duration },
    #[error("{path} cannot be read")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} is damaged")]
    Damaged { path: PathBuf },
    #[error("{path} is no directory that this version knows")]
    Unknown {
        path: PathBuf,
        #[source]
        source: DecodeError,
    },
}

impl Kept {
    /// In the gateway's folder; used if it is not older than that.
    pub(crate) fn new(dir: &Path, age_max: Duration) -> Self {
        Self { path: dir.join(FILE), age_max }
    }

    /// What was kept, if it may be used now.
    pub(super) fn read(&self, now: Timestamp) -> Result<Found, Unusable> {
        let (bytes, from) = self.read_file().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Unusable::None,
            _ => Unusable::Io { path: self.path.clone(), source },
        })?;
        if self.age_max.is_zero() || now.since(from) > self.age_max {
            return Err(Unusable::TooOld { from, age_max: self.age_max });
        }
        let split = bytes.split_at_checked(DIGEST_BYTES);
        let whole = split.filter(|(digest, content)| Sha256::digest(content).as_slice() == *digest);
        let (_, content) = whole.ok_or_else(|| Unusable::Damaged { path: self.path.clone() })?;
        let directory = directory_from_bytes(content)
            .map_err(|source| Unusable::Unknown { path: self.path.clone(), source })?;
        Ok(Found { directory, from })
    }

    fn read_file(&self) -> io::Result<(Vec<u8>, Timestamp)> {
        let metadata = std::fs::metadata(&self.path)?;
        let since = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok((std::fs::read(&self.path)?, Timestamp::EPOCH.plus(since)))
    }

    /// Keeps the latest directory that there is, until nobody has another. A slow disk delays nobody who follows it. A gateway
    /// that keeps none works on, and could only not start while quota is away.
    pub(super) async fn keep(self, mut latest: watch::Receiver<Option<StoodBy>>) {
        let mut written: Option<Arc<Directory>> = None;
        while latest.changed().await.is_ok() {
            let Some(StoodBy { directory, at }) = latest.borrow_and_update().clone() else { continue };
            let is_same = written.as_ref().is_some_and(|written| Arc::ptr_eq(written, &directory));
            let (kept, given) = (self.clone(), Arc::clone(&directory));
            let keeping = move || if is_same { kept.confirm(at) } else { kept.write(&given, at) };
            match spawn_blocking(keeping).await {
                Ok(Ok(())) => written = Some(directory),
                Ok(Err(problem)) => {
                    tracing::warn!(%problem, "the directory cannot be kept for a start without quota");
                }
                // The process ends.
                Err(_) => return,
            }
        }
    }

    /// Keeps a directory that quota stands by now, in place of the one before, whole or not at all.
    fn write(&self, directory: &Directory, now: Timestamp) -> io::Result<()> {
        let content = directory_to_bytes(directory);
        if content.len() > DIRECTORY_BYTES_MAX {
            let (found, most) = (content.len(), DIRECTORY_BYTES_MAX);
            return Err(io::Error::other(format!("it has {found} bytes, and no more than {most} are kept")));
        }
        let draft = self.path.with_extension("draft");
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(&Sha256::digest(&content))?;
        file.write_all(&content)?;
        file.set_modified(system_time(now))?;
        file.sync_all()?;
        std::fs::rename(&draft, &self.path)
    }

    /// Quota stands by what is kept, now.
    fn confirm(&self, now: Timestamp) -> io::Result<()> {
        File::open(&self.path)?.set_modified(system_time(now))
    }
}

fn system_time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + at.since(Timestamp::EPOCH)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    const DAY: Duration = Duration::from_hours(24);

    fn directory() -> Directory {
        Directory { version: 7, ..Directory::default() }
    }

    #[test]
    fn what_is_kept_is_found_until_it_is_too_old() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::new(dir.path(), DAY);
        assert!(matches!(kept.read(NOW), Err(Unusable::None)));
        kept.write(&Directory::default(), NOW).unwrap();
        kept.write(&directory(), NOW).unwrap();
        assert_eq!(kept.read(NOW.plus(DAY)).unwrap(), Found { directory: directory(), from: NOW });
        let late = NOW.plus(DAY + Duration::from_secs(1));
        let told = kept.read(late).unwrap_err().to_string();
        assert!(told.contains("is of 2027-01-15T08:00:00Z, longer ago than the 24 h"), "{told}");
        kept.confirm(late).unwrap();
        assert_eq!(kept.read(late).unwrap().from, late);
    }

    #[test]
    fn none_is_used_where_none_may_be_however_young() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::new(dir.path(), Duration::ZERO);
        kept.write(&directory(), NOW).unwrap();
        assert!(matches!(kept.read(NOW), Err(Unusable::TooOld { .. })));
    }

    #[tokio::test]
    async fn the_latest_is_kept_although_whoever_follows_has_ended() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::new(dir.path(), DAY);
        let (latest, keeper) = watch::channel(None);
        let stood_by =
            |directory: &Arc<Directory>, at| Some(StoodBy { directory: Arc::clone(directory), at });
        latest.send_replace(stood_by(&Arc::default(), NOW));
        let last = Arc::new(directory());
        latest.send_replace(stood_by(&last, NOW));
        drop(latest);
        kept.clone().keep(keeper).await;
        assert_eq!(kept.read(NOW).unwrap(), Found { directory: directory(), from: NOW });
    }

    #[test]
    fn only_its_owner_can_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::new(dir.path(), DAY);
        kept.write(&directory(), NOW).unwrap();
        let mode = std::fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "and no draft stays");
    }

    #[test]
    fn what_is_not_whole_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::new(dir.path(), DAY);
        kept.write(&directory(), NOW).unwrap();
        let path = dir.path().join(FILE);
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            kept.confirm(NOW).unwrap();
            assert!(matches!(kept.read(NOW), Err(Unusable::Damaged { .. })), "{length}");
        }
        let mut changed = whole.clone();
        *changed.last_mut().unwrap() ^= 1;
        std::fs::write(&path, changed).unwrap();
        kept.confirm(NOW).unwrap();
        assert!(matches!(kept.read(NOW), Err(Unusable::Damaged { .. })));
    }
}
