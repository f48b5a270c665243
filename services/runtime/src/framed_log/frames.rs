//! Reads frames forward.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::{FRAME_BYTES_MAX, HEADER_BYTES, checksum};

const READ_BUFFER_BYTES: usize = 64 * 1024;

/// Why a frame could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The file could not be read.
    #[error("cannot read the frame at byte {position}")]
    Io {
        /// Where the frame begins.
        position: u64,
        /// Why not.
        source: io::Error,
    },
    /// The length or the checksum is wrong.
    #[error("the frame at byte {position} is damaged")]
    Damaged {
        /// Where the frame begins.
        position: u64,
    },
}

/// Frames in order, each with its position. Ends at the end of the file, and before a frame that is not whole yet.
#[derive(Debug)]
pub struct Frames {
    file: BufReader<File>,
    position: u64,
    ended: bool,
}

impl Frames {
    pub(super) fn open(path: &Path, position: u64) -> io::Result<Self> {
        let mut file = BufReader::with_capacity(READ_BUFFER_BYTES, File::open(path)?);
        file.seek(SeekFrom::Start(position))?;
        Ok(Self { file, position, ended: false })
    }

    /// Where the next frame begins: a new reader can go on from here.
    pub fn position(&self) -> u64 {
        self.position
    }

    fn read(&mut self) -> Result<Option<(u64, Vec<u8>)>, FrameError> {
        let position = self.position;
        let io = |source| FrameError::Io { position, source };
        let mut header = Header::default();
        if !fill(&mut self.file, &mut header).map_err(io)? {
            return Ok(None);
        }
        let (length, crc) = split_header(header);
        if length as usize > FRAME_BYTES_MAX {
            return Err(FrameError::Damaged { position });
        }
        let mut payload = vec![0; length as usize];
        if !fill(&mut self.file, &mut payload).map_err(io)? {
            return Ok(None);
        }
        if checksum(length, &payload) != crc {
            return Err(FrameError::Damaged { position });
        }
        self.position += HEADER_BYTES + u64::from(length);
        Ok(Some((position, payload)))
    }
}

impl Iterator for Frames {
    type Item = Result<(u64, Vec<u8>), FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let frame = self.read().transpose();
        self.ended = !matches!(frame, Some(Ok(_)));
        frame
    }
}

/// Length and checksum as they stand before a payload.
pub(super) type Header = [u8; 8];

/// Length and checksum.
pub(super) fn split_header(header: Header) -> (u32, u32) {
    let header = u64::from_le_bytes(header);
    let low = u32::try_from(header & u64::from(u32::MAX)).expect("masked to 32 bits");
    let high = u32::try_from(header >> 32).expect("32 bits are left");
    (low, high)
}

/// Fills the buffer. False if the file ended before.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(failure) if failure.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(failure) => Err(failure),
    }
}
