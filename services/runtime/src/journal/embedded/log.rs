//! A partition as readers see it: its segments, and how far they may be read.
//!
//! Beside a writer in this process, the writer publishes what may be read. Beside a writer in another process,
//! [`PartitionLog::refresh`] looks at the disk.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::super::{Error, Offset, Partition, StoredRecord};
use super::index::Index;
use super::{layout, stored};
use crate::framed_log::{self, FrameError, FramedLog, read_from};

/// A batch of records ends when it has so many bytes, however many records were asked for.
const READ_BYTES_MAX: usize = 8 * 1024 * 1024;

/// One partition.
#[derive(Debug)]
pub(super) struct PartitionLog {
    pub(super) partition: Partition,
    dir: PathBuf,
    segments: Mutex<Segments>,
    /// The offset after the last record that may be read.
    end: watch::Sender<u64>,
}

#[derive(Debug)]
struct Segments {
    /// Base offsets, rising. The last is the active segment.
    bases: Vec<u64>,
    active: Index,
    /// Indexes of full segments, as far as they were needed.
    full: HashMap<u64, Arc<Index>>,
}

/// Where a reader stands.
#[derive(Debug, Clone)]
pub(super) struct Cursor {
    /// The offset of the next record.
    pub(super) next: u64,
    /// Its segment and position there, if known.
    place: Option<(u64, u64)>,
}

impl Cursor {
    pub(super) fn at(offset: Offset) -> Self {
        Self { next: offset.get(), place: None }
    }
}

/// The part of a segment that a cursor may read.
struct Span {
    path: PathBuf,
    base: u64,
    /// The offset after its last record.
    end: u64,
    /// A record at or before the cursor, and its position.
    from: (u64, u64),
    next_base: Option<u64>,
}

impl PartitionLog {
    /// A partition whose active segment is known.
    pub(super) fn new(partition: Partition, dir: PathBuf, bases: Vec<u64>, active: Index) -> Arc<Self> {
        let end = bases.last().map_or(0, |base| base + active.count);
        let segments = Mutex::new(Segments { bases, active, full: HashMap::new() });
        Arc::new(Self { partition, dir, segments, end: watch::Sender::new(end) })
    }

    pub(super) fn end(&self) -> u64 {
        *self.end.borrow()
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.end.subscribe()
    }

    /// Lets readers have records that were appended to the active segment.
    pub(super) fn publish(&self, payload_lengths: impl Iterator<Item = usize>) {
        let end = {
            let mut segments = self.segments();
            payload_lengths.for_each(|length| segments.active.note(length));
            segments.end()
        };
        self.end.send_replace(end);
    }

    /// Closes the active segment and opens the next, which begins at the end or later.
    pub(super) fn roll(&self, base: u64) -> Result<FramedLog, framed_log::Error> {
        let mut segments = self.segments();
        if let Some(last) = segments.bases.last() {
            segments.active.save(&layout::segment_path(&self.dir, *last))?;
        }
        let (log, _) = FramedLog::open(&layout::segment_path(&self.dir, base))?;
        let full = std::mem::take(&mut segments.active);
        if let Some(last) = segments.bases.last().copied() {
            segments.full.insert(last, Arc::new(full));
        }
        segments.bases.push(base);
        Ok(log)
    }

    /// Looks at what another process has appended.
    pub(super) fn refresh(&self) -> Result<(), Error> {
        let failed = |reason: String| Error { operation: format!("look at {}", self.partition), reason };
        let bases = layout::segment_bases(&self.dir).map_err(|failure| failed(failure.to_string()))?;
        let mut segments = self.segments();
        let Some(last) = bases.last().copied() else { return Ok(()) };
        if segments.bases.last() != Some(&last) {
            segments.active = Index::default();
        }
        segments.bases = bases;
        let path = layout::segment_path(&self.dir, last);
        match segments.active.note_from(&path) {
            Ok(()) => {}
            Err(FrameError::Damaged { position }) if is_tail(&path, position) => {}
            Err(failure) => return Err(failed(format!("{}: {failure}", path.display()))),
        }
        self.end.send_replace(segments.end());
        Ok(())
    }

    /// Reads on from the cursor: at most `max` records and [`READ_BYTES_MAX`], at least one if there is one.
    pub(super) fn read(&self, cursor: &mut Cursor, max: usize) -> Result<Vec<StoredRecord>, Error> {
        let mut batch = Batch { log: self, records: Vec::new(), bytes_left: READ_BYTES_MAX, max };
        let end = self.end();
        while cursor.next < end && batch.has_room() {
            let before = cursor.next;
            let span = self.span(cursor.next).map_err(|damage| self.unreadable(cursor.next, &damage))?;
            match span.next_base {
                Some(next_base) if cursor.next >= span.end => {
                    *cursor = Cursor { next: next_base, place: Some((next_base, 0)) };
                }
                _ => batch.read(&span, cursor, end)?,
            }
            if cursor.next == before {
                // Another reader's look at the disk failed midway; the next look tells why.
                break;
            }
        }
        Ok(batch.records)
    }

    fn span(&self, offset: u64) -> Result<Span, framed_log::Error> {
        let mut segments = self.segments();
        let at = segments.bases.partition_point(|base| *base <= offset).saturating_sub(1);
        let (base, next_base) = (segments.bases[at], segments.bases.get(at + 1).copied());
        let path = layout::segment_path(&self.dir, base);
        let number = offset.saturating_sub(base);
        let (count, (noted, position)) = if next_base.is_none() {
            (segments.active.count, segments.active.before(number))
        } else {
            let index = segments.full_index(base, &path)?;
            (index.count, index.before(number))
        };
        Ok(Span { path, base, end: base + count, from: (base + noted, position), next_base })
    }

    fn unreadable(&self, offset: u64, reason: &dyn std::fmt::Display) -> Error {
        Error { operation: format!("read {} from {offset}", self.partition), reason: reason.to_string() }
    }

    fn segments(&self) -> MutexGuard<'_, Segments> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Segments {
    fn end(&self) -> u64 {
        self.bases.last().map_or(0, |base| base + self.active.count)
    }

    fn full_index(&mut self, base: u64, path: &Path) -> Result<Arc<Index>, framed_log::Error> {
        if let Some(index) = self.full.get(&base) {
            return Ok(Arc::clone(index));
        }
        let index = Arc::new(Index::load(path)?);
        self.full.insert(base, Arc::clone(&index));
        Ok(index)
    }
}

/// Records on their way to a reader.
struct Batch<'a> {
    log: &'a PartitionLog,
    records: Vec<StoredRecord>,
    bytes_left: usize,
    max: usize,
}

impl Batch<'_> {
    fn has_room(&self) -> bool {
        self.records.len() < self.max && self.bytes_left > 0
    }

    // The file is opened for every batch, and read no further than was published before: a buffer that was filled
    // beyond that could hold a write that was taken back since.
    fn read(&mut self, span: &Span, cursor: &mut Cursor, end: u64) -> Result<(), Error> {
        let end = span.end.min(end);
        let (mut offset, position) = match cursor.place {
            Some((base, position)) if base == span.base => (cursor.next, position),
            _ => span.from,
        };
        // Before the first segment there is nothing: go on with what there is.
        cursor.next = cursor.next.max(span.base);
        let unreadable = |offset, reason: &dyn std::fmt::Display| {
            self.log.unreadable(offset, &format!("{}: {reason}", span.path.display()))
        };
        let mut frames = read_from(&span.path, position).map_err(|failure| unreadable(offset, &failure))?;
        while offset < end && self.has_room() {
            let frame = frames.next().ok_or_else(|| unreadable(offset, &"the file ends too early"))?;
            let (_, payload) = frame.map_err(|damage| unreadable(offset, &damage))?;
            if offset >= cursor.next {
                self.bytes_left = self.bytes_left.saturating_sub(payload.len().max(1));
                let record = stored::decode(payload).map_err(|damage| unreadable(offset, &damage))?;
                let (partition, offset) = (self.log.partition, Offset::new(offset));
                self.records.push(StoredRecord { partition, offset, record });
            }
            offset += 1;
        }
        *cursor = Cursor { next: offset, place: Some((span.base, frames.position())) };
        Ok(())
    }
}

/// Whether a bad frame is what a writer that died has left, and not damage with good frames after it.
fn is_tail(path: &Path, position: u64) -> bool {
    matches!(framed_log::next_good_frame(path, position), Ok(None))
}
