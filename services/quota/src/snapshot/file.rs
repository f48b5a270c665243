//! The file that a snapshot is kept in: frames with checksums, the first of which says how long the rest is and which
//! records the snapshot has seen last. Written beside the old one and put in its place when it is whole and on disk.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::{Buf, BufMut, Bytes};
use weir_domain::ids::EventId;
use weir_proto::codec::{DecodeError, snapshot_from_bytes, snapshot_to_bytes};
use weir_runtime::framed_log::{self, FramedLog};
use weir_runtime::journal::Offset;

use crate::rebuild::Folded;

/// Bytes of the snapshot in one frame: well below the most that a frame takes.
const CHUNK_BYTES: usize = 4 * 1024 * 1024;
/// The longest snapshot that is read: 100 pools as large as a pool may get. More is damage.
const SNAPSHOT_BYTES_MAX: usize = 8 * 1024 * 1024 * 1024;
/// Partition, offset and id.
const LAST_BYTES: usize = 4 + 8 + 16;

/// Why a snapshot could not be written or read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("cannot {operation} {path}")]
    Io {
        operation: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot write {path}")]
    Log {
        path: PathBuf,
        #[source]
        source: framed_log::Error,
    },
    #[error("{path} is not a whole snapshot: {problem}")]
    NotWhole { path: PathBuf, problem: String },
    #[error("{path} cannot be understood")]
    Content {
        path: PathBuf,
        #[source]
        source: DecodeError,
    },
    #[error("the task that works on the file was stopped")]
    Stopped,
}

/// Works on a file where nobody waits for it.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Error::Stopped))
}

/// A snapshot's file.
pub(super) struct SnapshotFile {
    path: PathBuf,
}

impl SnapshotFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Puts a snapshot in the place of the one before. How many bytes it has.
    pub(super) fn write(&self, folded: &Folded) -> Result<usize, Error> {
        let content = snapshot_to_bytes(&folded.snapshot());
        let draft = self.path.with_extension("draft");
        if let Some(dir) = self.path.parent() {
            fs::create_dir_all(dir).map_err(|source| io_error("create", dir, source))?;
        }
        write_draft(&draft, &head(folded, content.len()), &content)?;
        fs::rename(&draft, &self.path).map_err(|source| io_error("rename", &draft, source))?;
        self.sync_dir()?;
        Ok(content.len())
    }

    /// Makes the rename survive a power cut.
    fn sync_dir(&self) -> Result<(), Error> {
        let dir = self.path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(|source| io_error("sync", dir, source))
    }

    /// The snapshot that is there; none if there is none.
    pub(super) fn read(&self) -> Result<Option<Folded>, Error> {
        let mut frames = match framed_log::read_from(&self.path, 0) {
            Ok(frames) => frames,
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(io_error("read", &self.path, source)),
        };
        let mut next = || match frames.next() {
            Some(Ok((_, frame))) => Ok(frame),
            Some(Err(problem)) => Err(self.not_whole(problem.to_string())),
            None => Err(self.not_whole("it ends too soon".to_owned())),
        };
        let (length, last) =
            read_head(&next()?).ok_or_else(|| self.not_whole("its head is too short".to_owned()))?;
        let mut content = Vec::with_capacity(length.min(CHUNK_BYTES));
        while content.len() < length {
            content.extend(next()?);
        }
        if content.len() != length || length > SNAPSHOT_BYTES_MAX {
            return Err(self.not_whole(format!("it has {} bytes instead of {length}", content.len())));
        }
        let snapshot = snapshot_from_bytes(Bytes::from(content));
        let snapshot = snapshot.map_err(|source| Error::Content { path: self.path.clone(), source })?;
        Ok(Some(Folded::from_snapshot(snapshot, &last)))
    }

    fn not_whole(&self, problem: String) -> Error {
        Error::NotWhole { path: self.path.clone(), problem }
    }
}

fn write_draft(draft: &Path, head: &[u8], content: &[u8]) -> Result<(), Error> {
    match fs::remove_file(draft) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            return Err(io_error("remove", draft, source));
        }
        _ => {}
    }
    let log = FramedLog::open(draft).map_err(|source| Error::Log { path: draft.to_owned(), source });
    let (mut log, _) = log?;
    let frames = std::iter::once(head).chain(content.chunks(CHUNK_BYTES));
    let written = frames.into_iter().try_for_each(|frame| log.append(frame).map(drop));
    written.and_then(|()| log.sync()).map_err(|source| io_error("write", draft, source))
}

fn io_error(operation: &'static str, path: &Path, source: io::Error) -> Error {
    Error::Io { operation, path: path.to_owned(), source }
}

/// The last record of each partition that a snapshot has seen.
type Last = BTreeMap<u32, (Offset, EventId)>;

/// How many bytes follow, and the last record of each partition that is in them.
fn head(folded: &Folded, length: usize) -> Vec<u8> {
    let mut head = Vec::new();
    head.put_u64(length as u64);
    for (partition, reached) in folded.reached() {
        if let Some((offset, id)) = reached.last {
            head.put_u32(*partition);
            head.put_u64(offset.get());
            head.put_u128(id.as_u128());
        }
    }
    head
}

fn read_head(mut head: &[u8]) -> Option<(usize, Last)> {
    if head.len() < 8 || !(head.len() - 8).is_multiple_of(LAST_BYTES) {
        return None;
    }
    let length = usize::try_from(head.get_u64()).ok()?;
    let mut last = Last::new();
    while head.has_remaining() {
        let partition = head.get_u32();
        last.insert(partition, (Offset::new(head.get_u64()), EventId::new(head.get_u128())));
    }
    Some((length, last))
}
