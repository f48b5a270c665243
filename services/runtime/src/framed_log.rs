//! An append-only file of frames: `[u32 length, LE][u32 CRC-32, LE][payload]`.
//!
//! The CRC-32 (IEEE, as in zlib) covers the four length bytes and the payload: otherwise a run of zeros, which a
//! power cut can leave, would read as empty frames. Opening cuts off a tail that was not written whole; a bad frame
//! with a good one after it is damage, not a tail, and nothing is touched. Knows nothing of what payloads mean, and
//! does not lock: see [`crate::dir_lock`].

mod frames;
mod scan;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub use frames::{FrameError, Frames};
pub(crate) use scan::next_good_frame;

/// The longest payload of a frame. Above the journal's largest record, low enough that a wrong length is seen as such.
pub const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes before each payload.
pub const HEADER_BYTES: u64 = 8;

/// What opening found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Whole frames.
    pub frames: u64,
    /// Bytes of a torn or corrupt tail that were cut off.
    pub dropped_bytes: u64,
}

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system said no.
    #[error("cannot {operation} {path}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A bad frame has a good one after it. The file was left as it is.
    #[error(
        "{path} is damaged at byte {position}: the next good frame begins at byte {next}; nothing was changed"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the bad frame begins. All before it is good.
        position: u64,
        /// Where a good frame begins again.
        next: u64,
    },
}

/// An open log. One owner appends; any number of readers follow with [`read_from`].
#[derive(Debug)]
pub struct FramedLog {
    path: PathBuf,
    file: File,
    /// Bytes of whole frames: the end of the file unless the log is poisoned.
    len: u64,
    /// Why nothing can be appended any more.
    poisoned: Option<String>,
    /// Frames on their way to the file; kept to reuse its memory.
    buffer: Vec<u8>,
}

/// The buffer is given back to the allocator when one append made it larger than this.
const BUFFER_BYTES_KEPT: usize = 1024 * 1024;

impl FramedLog {
    /// Opens or creates a log and cuts off a tail that was not written whole.
    pub fn open(path: &Path) -> Result<(Self, Recovery), Error> {
        Self::open_visiting(path, |_, _| ())
    }

    /// As [`FramedLog::open`]; hands over the position and payload of every frame on the way.
    pub fn open_visiting(path: &Path, visit: impl FnMut(u64, &[u8])) -> Result<(Self, Recovery), Error> {
        let io = |operation| move |source| Error::Io { operation, path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).open(path).map_err(io("open"))?;
        if file.metadata().map_err(io("measure"))?.len() == 0 {
            sync_parent(path).map_err(io("sync the directory of"))?;
        }
        let scanned = scan::scan(path, visit)?;
        if scanned.dropped_bytes > 0 {
            file.set_len(scanned.len).and_then(|()| file.sync_all()).map_err(io("cut the tail off"))?;
        }
        let recovery = Recovery { frames: scanned.frames, dropped_bytes: scanned.dropped_bytes };
        let log = Self { path: path.to_owned(), file, len: scanned.len, poisoned: None, buffer: Vec::new() };
        Ok((log, recovery))
    }

    /// Appends one frame and returns its position. After an error that does not poison, nothing was appended.
    pub fn append(&mut self, payload: &[u8]) -> io::Result<u64> {
        self.append_all([payload])
    }

    /// Appends frames in one write and returns the position of the first. All or none: after an error that does
    /// not poison the log, nothing was appended and the log can be used on.
    pub fn append_all<P: AsRef<[u8]>>(&mut self, payloads: impl IntoIterator<Item = P>) -> io::Result<u64> {
        self.check_usable()?;
        self.buffer.clear();
        for payload in payloads {
            push_frame(&mut self.buffer, payload.as_ref())?;
        }
        let position = self.len;
        if let Err(failure) = self.file.write_all(&self.buffer) {
            self.cut_back(&failure);
            return Err(failure);
        }
        self.len += self.buffer.len() as u64;
        if self.buffer.capacity() > BUFFER_BYTES_KEPT {
            self.buffer = Vec::new();
        }
        Ok(position)
    }

    /// Makes all that was appended survive a power cut. A failure poisons the log: the kernel may have dropped the
    /// pages that it could not write, so what is on disk is unknown until the log is opened again.
    pub fn sync(&mut self) -> io::Result<()> {
        self.check_usable()?;
        self.file.sync_data().inspect_err(|failure| self.poison("a sync failed", failure))
    }

    /// Bytes of whole frames.
    #[expect(clippy::len_without_is_empty, reason = "a size in bytes, not a count of items")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing can be appended until the log is opened again.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned.is_some()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn check_usable(&self) -> io::Result<()> {
        match &self.poisoned {
            None => Ok(()),
            Some(why) => Err(io::Error::other(format!("{} takes no more: {why}", self.path.display()))),
        }
    }

    /// Takes back a write that failed midway, durably: what was refused must not come back after a power cut.
    fn cut_back(&mut self, failure: &io::Error) {
        if self.file.set_len(self.len).and_then(|()| self.file.sync_all()).is_err() {
            self.poison("a failed write could not be taken back", failure);
        }
    }

    fn poison(&mut self, what: &str, failure: &io::Error) {
        self.poisoned = Some(format!("{what}: {failure}"));
    }
}

/// Reads frames from a position (0, or where a frame begins) to the end of the file as it is then.
pub fn read_from(path: &Path, position: u64) -> io::Result<Frames> {
    Frames::open(path, position)
}

/// Makes the existence of a file survive a power cut.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

fn push_frame(buffer: &mut Vec<u8>, payload: &[u8]) -> io::Result<()> {
    let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= FRAME_BYTES_MAX);
    let length = length.ok_or_else(|| {
        let text = format!("a frame of {} bytes is above the limit of {FRAME_BYTES_MAX}", payload.len());
        io::Error::new(io::ErrorKind::InvalidInput, text)
    })?;
    buffer.extend_from_slice(&length.to_le_bytes());
    buffer.extend_from_slice(&checksum(length, payload).to_le_bytes());
    buffer.extend_from_slice(payload);
    Ok(())
}

fn checksum(length: u32, payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&length.to_le_bytes());
    crc.update(payload);
    crc.finalize()
}

#[cfg(test)]
mod tests;
