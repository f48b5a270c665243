//! The files of the log: numbered, the highest is appended to.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir_runtime::framed_log::{self, FramedLog};

const EXTENSION: &str = "wal";

/// The files there are.
#[derive(Debug)]
pub(super) struct Segments {
    dir: PathBuf,
    bytes_max: u64,
    /// Ascending; the last is the active one, once it has begun.
    numbers: VecDeque<u64>,
    active: u64,
}

impl Segments {
    /// Finds the files in a directory.
    pub(super) fn list(dir: &Path, bytes_max: u64) -> io::Result<Self> {
        let mut numbers = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            let is_ours = path.extension().is_some_and(|extension| extension == EXTENSION);
            let number: Option<u64> =
                path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            numbers.extend(number.filter(|_| is_ours));
        }
        numbers.sort_unstable();
        let active = numbers.last().copied().unwrap_or_default();
        Ok(Self { dir: dir.to_owned(), bytes_max, numbers: numbers.into(), active })
    }

    /// Each file and its number, oldest first.
    pub(super) fn paths(&self) -> impl Iterator<Item = (u64, PathBuf)> {
        self.numbers.iter().map(|number| (*number, self.path(*number)))
    }

    /// Begins the next file; the one before is closed. Gives a second handle to sync it by.
    pub(super) fn begin_next(&mut self) -> Result<(FramedLog, Arc<File>), framed_log::Error> {
        let number = self.active + 1;
        let path = self.path(number);
        let (log, _) = FramedLog::open(&path)?;
        let file =
            File::open(&path).map_err(|source| framed_log::Error::Io { operation: "open", path, source })?;
        self.active = number;
        self.numbers.push_back(number);
        Ok((log, Arc::new(file)))
    }

    /// The number of the file that is appended to.
    pub(super) fn active(&self) -> u64 {
        self.active
    }

    /// A file is full at so many bytes.
    pub(super) fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// The oldest file, unless it is the active one.
    pub(super) fn oldest_closed(&self) -> Option<u64> {
        self.numbers.front().copied().filter(|number| *number != self.active)
    }

    /// Deletes the oldest file.
    pub(super) fn delete_oldest(&mut self) -> io::Result<()> {
        let Some(number) = self.oldest_closed() else { return Ok(()) };
        match std::fs::remove_file(self.path(number)) {
            Err(problem) if problem.kind() != io::ErrorKind::NotFound => Err(problem),
            _ => {
                self.numbers.pop_front();
                Ok(())
            }
        }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{number:020}.{EXTENSION}"))
    }
}
