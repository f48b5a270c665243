//! The two ways in which ClickHouse compresses over HTTP.
//!
//! Native blocks (`compress=1`, `decompress=1`): a CityHash128 of version 1.0.2, a method, two lengths, the data.
//! LZ4 frames: `Accept-Encoding: lz4`, answered with `Content-Encoding: lz4`. Other codecs are refused by name.

use bytes::{BufMut, Bytes, BytesMut};
use lz4_flex::block;
use lz4_flex::frame::{BlockMode, FrameEncoder, FrameInfo};
use std::io::Write;

use crate::exception::{CANNOT_DECOMPRESS, Exception, TOO_MANY_BYTES};

/// Bytes of the checksum that begins a block.
const CHECKSUM_BYTES: usize = 16;
/// Bytes of the method and the two lengths.
const HEADER_BYTES: usize = 9;
const METHOD_LZ4: u8 = 0x82;
const METHOD_NONE: u8 = 0x02;
/// The most a block holds before compression: ClickHouse's `max_compress_block_size`.
const BLOCK_BYTES: usize = 1 << 20;

/// How a response is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Encoding {
    /// As it is.
    #[default]
    Plain,
    /// In ClickHouse's own blocks.
    Blocks,
    /// As an LZ4 frame.
    Lz4,
}

/// Encodes a response piece by piece; each piece can be decoded as soon as it arrives.
pub(crate) enum Encoder {
    /// See [`Encoding::Plain`].
    Plain,
    /// See [`Encoding::Blocks`].
    Blocks,
    /// See [`Encoding::Lz4`].
    Lz4(Box<FrameEncoder<Vec<u8>>>),
}

impl Encoder {
    pub(crate) fn new(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Plain => Self::Plain,
            Encoding::Blocks => Self::Blocks,
            Encoding::Lz4 => {
                let info = FrameInfo::new().block_mode(BlockMode::Independent);
                Self::Lz4(Box::new(FrameEncoder::with_frame_info(info, Vec::new())))
            }
        }
    }

    /// Encodes a piece.
    pub(crate) fn push(&mut self, piece: Bytes) -> std::io::Result<Bytes> {
        match self {
            Self::Plain => Ok(piece),
            Self::Blocks => {
                let mut out = BytesMut::new();
                piece.chunks(BLOCK_BYTES).for_each(|part| write_block(part, &mut out));
                Ok(out.freeze())
            }
            Self::Lz4(frame) => {
                frame.write_all(&piece)?;
                frame.flush()?;
                Ok(Bytes::from(std::mem::take(frame.get_mut())))
            }
        }
    }

    /// What ends the response.
    pub(crate) fn finish(&mut self) -> std::io::Result<Bytes> {
        match self {
            Self::Plain | Self::Blocks => Ok(Bytes::new()),
            Self::Lz4(frame) => {
                frame.try_finish()?;
                Ok(Bytes::from(std::mem::take(frame.get_mut())))
            }
        }
    }
}

/// ClickHouse stores the two halves of the hash the other way round.
fn checksum(data: &[u8]) -> u128 {
    cityhash_rs::cityhash_102_128(data).rotate_right(64)
}

/// Appends one block. The part is at most [`BLOCK_BYTES`] long, so that both lengths fit.
fn write_block(part: &[u8], out: &mut BytesMut) {
    let compressed = block::compress(part);
    let length = |bytes: usize| u32::try_from(bytes).expect("a block is bounded far below 4 GiB");
    let mut body = BytesMut::with_capacity(HEADER_BYTES + compressed.len());
    body.put_u8(METHOD_LZ4);
    body.put_u32_le(length(HEADER_BYTES + compressed.len()));
    body.put_u32_le(length(part.len()));
    body.put_slice(&compressed);
    out.put_u128_le(checksum(&body));
    out.put_slice(&body);
}

/// Decodes a body of native blocks, all of which must be whole; at most `bytes_max` in the end.
pub(crate) fn decode_blocks(mut body: &[u8], bytes_max: usize) -> Result<Bytes, Exception> {
    let mut out = BytesMut::new();
    while !body.is_empty() {
        let (block, rest) = split_block(body)?;
        let size = u32::from_le_bytes(*block[5..].first_chunk().expect("the header is whole")) as usize;
        if size > bytes_max.saturating_sub(out.len()) {
            let text = format_args!("a request may have {bytes_max} bytes of data once decompressed");
            return Err(Exception::new(TOO_MANY_BYTES, text));
        }
        let start = out.len();
        out.resize(start + size, 0);
        decode_block(block, &mut out[start..])?;
        body = rest;
    }
    Ok(out.freeze())
}

/// Takes a block off the body, its checksum compared.
fn split_block(body: &[u8]) -> Result<(&[u8], &[u8]), Exception> {
    let short = || Exception::new(CANNOT_DECOMPRESS, "Cannot decompress: a block is cut short");
    let (expected, rest) = body.split_first_chunk::<CHECKSUM_BYTES>().ok_or_else(short)?;
    let length = rest.get(1..5).and_then(|bytes| bytes.first_chunk()).ok_or_else(short)?;
    let length = u32::from_le_bytes(*length) as usize;
    if length < HEADER_BYTES || length > rest.len() {
        return Err(short());
    }
    let (block, rest) = rest.split_at(length);
    if checksum(block) != u128::from_le_bytes(*expected) {
        return Err(Exception::new(CANNOT_DECOMPRESS, "Checksum doesn't match: corrupted data"));
    }
    Ok((block, rest))
}

fn decode_block(block: &[u8], out: &mut [u8]) -> Result<(), Exception> {
    let data = &block[HEADER_BYTES..];
    match block[0] {
        METHOD_LZ4 => match block::decompress_into(data, out) {
            Ok(written) if written == out.len() => Ok(()),
            _ => Err(Exception::new(CANNOT_DECOMPRESS, "Cannot decompress: a block is not LZ4")),
        },
        METHOD_NONE if data.len() == out.len() => {
            out.copy_from_slice(data);
            Ok(())
        }
        method => Err(Exception::new(
            CANNOT_DECOMPRESS,
            format_args!(
                "Cannot decompress: method {method:#04x} is not served, LZ4 (0x82) and none (0x02) are"
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn blocks(data: &[u8]) -> Bytes {
        Encoder::new(Encoding::Blocks).push(Bytes::copy_from_slice(data)).unwrap()
    }

    #[test]
    fn blocks_come_back_as_they_were() {
        for size in [0, 1, 1000, BLOCK_BYTES, 3 * BLOCK_BYTES + 7] {
            let data: Vec<u8> = (0..=250).cycle().take(size).collect();
            assert_eq!(decode_blocks(&blocks(&data), 1 << 30).unwrap(), data, "{size}");
        }
    }

    #[test]
    fn a_block_made_by_the_official_client_is_read() {
        let block = [
            245_u8, 5, 222, 235, 225, 158, 59, 108, 225, 31, 65, 215, 66, 66, 36, 92, 130, 34, 0, 0, 0, 23,
            0, 0, 0, 240, 8, 1, 0, 2, 255, 255, 255, 255, 0, 1, 1, 1, 115, 6, 83, 116, 114, 105, 110, 103, 3,
            97, 98, 99,
        ];
        let expected =
            [1_u8, 0, 2, 255, 255, 255, 255, 0, 1, 1, 1, 115, 6, 83, 116, 114, 105, 110, 103, 3, 97, 98, 99];
        assert_eq!(decode_blocks(&block, 100).unwrap(), &expected[..]);
    }

    #[test]
    fn damage_at_any_byte_is_noticed() {
        let good = blocks(b"some data that is long enough to be compressed compressed compressed compressed");
        for at in 0..good.len() {
            let mut bad = good.to_vec();
            bad[at] ^= 1;
            assert!(decode_blocks(&bad, 1 << 20).is_err(), "byte {at}");
            assert!(at == 0 || decode_blocks(&good[..at], 1 << 20).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_small_body_cannot_grow_past_the_bound() {
        let error = decode_blocks(&blocks(&vec![0; 1 << 20]), 1 << 10).unwrap_err();
        assert_eq!(error.code, 307);
    }

    #[test]
    fn every_piece_of_an_lz4_frame_is_decodable_when_it_arrives() {
        let mut encoder = Encoder::new(Encoding::Lz4);
        let first = encoder.push(Bytes::from_static(b"first")).unwrap();
        let mut seen = vec![0; 5];
        lz4_flex::frame::FrameDecoder::new(&first[..]).read_exact(&mut seen).unwrap();
        assert_eq!(seen, b"first");
        let rest =
            [encoder.push(Bytes::from_static(b" second")).unwrap(), encoder.finish().unwrap()].concat();
        let mut whole = String::new();
        lz4_flex::frame::FrameDecoder::new(&[&first[..], &rest].concat()[..])
            .read_to_string(&mut whole)
            .unwrap();
        assert_eq!(whole, "first second");
    }
}
