//! Tells a tail that was not written whole from damage in the middle.
//!
//! The rule: a bad frame is a tail if no good frame begins anywhere after it. A power cut that kept a later page of
//! an unfinished write and lost an earlier one looks like damage too; nobody can tell the two apart from the file,
//! and refusing loses nothing.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::frames::split_header;
use super::{Error, FRAME_BYTES_MAX, FrameError, Frames, checksum};

/// What a file holds.
pub(super) struct Scanned {
    pub(super) frames: u64,
    /// Bytes of whole frames.
    pub(super) len: u64,
    /// Bytes after them.
    pub(super) dropped_bytes: u64,
}

/// How many bytes the search for a good frame may check. Bytes that look like lengths could make it quadratic;
/// past this bound the rest counts as damage, which loses nothing.
const SEARCH_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// Visits every frame of a file up to its tail.
pub(super) fn scan(path: &Path, mut visit: impl FnMut(u64, &[u8])) -> Result<Scanned, Error> {
    let io = |operation| move |source| Error::Io { operation, path: path.to_owned(), source };
    let size = path.metadata().map_err(io("measure"))?.len();
    let mut frames = Frames::open(path, 0).map_err(io("read"))?;
    let mut count = 0;
    while frames.position() < size {
        match frames.next() {
            Some(Ok((position, payload))) => {
                visit(position, &payload);
                count += 1;
            }
            None | Some(Err(FrameError::Damaged { .. })) => break,
            Some(Err(FrameError::Io { source, .. })) => return Err(io("read")(source)),
        }
    }
    let len = frames.position();
    if len < size
        && let Some(next) = next_good_frame(path, len).map_err(io("read"))?
    {
        return Err(Error::Damaged { path: path.to_owned(), position: len, next });
    }
    Ok(Scanned { frames: count, len, dropped_bytes: size - len })
}

/// Where a good frame begins after the bad one at `position`. Reads the rest of the file into memory: logs are cut
/// into segments of tens of megabytes.
pub(crate) fn next_good_frame(path: &Path, position: u64) -> std::io::Result<Option<u64>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(position))?;
    let mut rest = Vec::new();
    file.read_to_end(&mut rest)?;
    let mut checked_bytes = 0;
    for at in 1..rest.len() {
        let Some((header, after)) = rest[at..].split_first_chunk() else { break };
        let (length, crc) = split_header(*header);
        let Some(payload) = after.get(..length as usize).filter(|it| it.len() <= FRAME_BYTES_MAX) else {
            continue;
        };
        checked_bytes += u64::from(length);
        if checked_bytes > SEARCH_BYTES_MAX || checksum(length, payload) == crc {
            return Ok(Some(position + at as u64));
        }
    }
    Ok(None)
}
