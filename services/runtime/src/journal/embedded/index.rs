//! A sparse index of a segment: where some of its records begin.
//!
//! Kept in memory for the segment that is written, and in a file beside each full one. The file is a cache: if it is
//! missing or does not fit its segment, it is made anew.

use std::path::{Path, PathBuf};

use crate::framed_log::{self, FramedLog, HEADER_BYTES, read_from};

/// A record is noted after so many bytes: what a reader that begins anywhere must skip at most.
const INTERVAL_BYTES: u64 = 64 * 1024;
const NUMBER_BYTES: usize = size_of::<u64>();

/// Where some records of a segment begin, and how many there are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Index {
    /// Records.
    pub(super) count: u64,
    /// Bytes of their frames.
    pub(super) bytes: u64,
    /// (record's number in the segment, position), both rising. Not the first record: it is at 0.
    entries: Vec<(u64, u64)>,
}

impl Index {
    /// Notes the next record by the length of its payload.
    pub(super) fn note(&mut self, payload_bytes: usize) {
        let noted = self.entries.last().map_or(0, |(_, position)| *position);
        if self.bytes >= noted + INTERVAL_BYTES {
            self.entries.push((self.count, self.bytes));
        }
        self.count += 1;
        self.bytes += HEADER_BYTES + payload_bytes as u64;
    }

    /// The last noted record at or before one: its number and position.
    pub(super) fn before(&self, number: u64) -> (u64, u64) {
        let after = self.entries.partition_point(|(noted, _)| *noted <= number);
        after.checked_sub(1).map_or((0, 0), |last| self.entries[last])
    }

    /// Keeps the index of a full segment beside it.
    pub(super) fn save(&self, segment: &Path) -> Result<(), framed_log::Error> {
        let path = index_path(segment);
        let failed = |operation| {
            let path = path.clone();
            move |source| framed_log::Error::Io { operation, path, source }
        };
        let unfinished = path.with_extension("index.new");
        let _ = std::fs::remove_file(&unfinished);
        let (mut log, _) = FramedLog::open(&unfinished)?;
        log.append(&self.to_bytes()).and_then(|_| log.sync()).map_err(failed("write"))?;
        std::fs::rename(&unfinished, &path).map_err(failed("rename into"))
    }

    /// The index of a full segment: as it was kept, or made anew.
    pub(super) fn load(segment: &Path) -> Result<Self, framed_log::Error> {
        let failed = |source| framed_log::Error::Io { operation: "index", path: segment.to_owned(), source };
        let bytes = segment.metadata().map_err(failed)?.len();
        let kept = read_from(&index_path(segment), 0).ok().and_then(|mut frames| frames.next()?.ok());
        let kept = kept.and_then(|(_, bytes)| Self::from_bytes(&bytes));
        if let Some(kept) = kept.filter(|kept| kept.bytes == bytes) {
            return Ok(kept);
        }
        let mut index = Self::default();
        index.note_from(segment).map_err(|failure| failed(std::io::Error::other(failure)))?;
        if index.bytes == bytes {
            return Ok(index);
        }
        let reason = format!("damaged at byte {}; nothing was changed", index.bytes);
        Err(failed(std::io::Error::new(std::io::ErrorKind::InvalidData, reason)))
    }

    /// Notes every whole record from where the index ends.
    pub(super) fn note_from(&mut self, segment: &Path) -> Result<(), framed_log::FrameError> {
        let position = self.bytes;
        let frames =
            read_from(segment, position).map_err(|source| framed_log::FrameError::Io { position, source })?;
        for frame in frames {
            self.note(frame?.1.len());
        }
        Ok(())
    }

    fn to_bytes(&self) -> Vec<u8> {
        let pairs = self.entries.iter().flat_map(|(number, position)| [*number, *position]);
        [self.count, self.bytes].into_iter().chain(pairs).flat_map(u64::to_le_bytes).collect()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (numbers, []) = bytes.as_chunks::<NUMBER_BYTES>() else { return None };
        let numbers: Vec<_> = numbers.iter().map(|number| u64::from_le_bytes(*number)).collect();
        let ([count, bytes], pairs) = numbers.split_first_chunk()?;
        let (pairs, []) = pairs.as_chunks::<2>() else { return None };
        let entries = pairs.iter().map(|[number, position]| (*number, *position)).collect();
        Some(Self { count: *count, bytes: *bytes, entries })
    }
}

fn index_path(segment: &Path) -> PathBuf {
    segment.with_extension("index")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_is_lost_or_does_not_fit_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let segment = dir.path().join("0.log");
        let (mut log, _) = FramedLog::open(&segment).unwrap();
        let mut index = Index::default();
        for number in 0..5000_usize {
            let payload = vec![b'x'; number % 100];
            log.append(&payload).unwrap();
            index.note(payload.len());
        }
        assert_eq!(Index::load(&segment).unwrap(), index);
        index.save(&segment).unwrap();
        assert_eq!(Index::load(&segment).unwrap(), index);
        log.append(b"one more").unwrap();
        index.note(8);
        assert_eq!(Index::load(&segment).unwrap(), index);
        let (number, position) = index.before(4000);
        assert!(number <= 4000 && position > 0);
        let skipped = read_from(&segment, position).unwrap().next().unwrap().unwrap();
        assert_eq!(skipped.1.len(), usize::try_from(number).unwrap() % 100);
    }
}
