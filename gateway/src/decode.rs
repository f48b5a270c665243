//! Unpacks answers that an upstream compresses although it was asked not to: what is metered is what is forwarded.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// How an answer's body is packed.
pub(crate) enum Decoder {
    /// Not at all.
    Identity,
    /// As gzip.
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    /// In a way we cannot read: it is passed on as it is.
    Unreadable,
}

impl Decoder {
    /// The decoder that an answer's headers call for.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let Some(encoding) = headers.get(CONTENT_ENCODING) else { return Self::Identity };
        match encoding.as_bytes().trim_ascii() {
            encoding if encoding.eq_ignore_ascii_case(b"identity") || encoding.is_empty() => Self::Identity,
            encoding
                if encoding.eq_ignore_ascii_case(b"gzip") || encoding.eq_ignore_ascii_case(b"x-gzip") =>
            {
                Self::Gzip(Box::new(MultiGzDecoder::new(Vec::new())))
            }
            _ => Self::Unreadable,
        }
    }

    /// Whether bytes that go in are those that come out.
    pub(crate) fn is_transparent(&self) -> bool {
        !matches!(self, Self::Gzip(_))
    }

    /// Takes bytes; gives back all that can be unpacked of them now.
    pub(crate) fn push(&mut self, chunk: Bytes) -> io::Result<Bytes> {
        let Self::Gzip(gzip) = self else { return Ok(chunk) };
        gzip.write_all(&chunk)?;
        gzip.flush()?;
        Ok(std::mem::take(gzip.get_mut()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http::HeaderValue;

    fn decoder(encoding: &'static str) -> Decoder {
        Decoder::of(&[(CONTENT_ENCODING, HeaderValue::from_static(encoding))].into_iter().collect())
    }

    #[test]
    fn what_was_flushed_comes_out_at_once_in_any_chunking() {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(b"data: one\n\n").unwrap();
        packed.flush().unwrap();
        let first = packed.get_ref().len();
        packed.write_all(b"data: two\n\n").unwrap();
        let packed = Bytes::from(packed.finish().unwrap());

        let mut whole = decoder("GZIP");
        assert_eq!(whole.push(packed.slice(..first)).unwrap(), "data: one\n\n");
        assert_eq!(whole.push(packed.slice(first..)).unwrap(), "data: two\n\n");
        let mut bytewise = decoder("gzip");
        let out: Vec<u8> =
            (0..packed.len()).flat_map(|at| bytewise.push(packed.slice(at..=at)).unwrap()).collect();
        assert_eq!(out, b"data: one\n\ndata: two\n\n");
    }

    #[test]
    fn other_encodings_pass_as_they_are() {
        assert!(matches!(decoder("br"), Decoder::Unreadable));
        assert!(matches!(decoder("identity"), Decoder::Identity));
        assert_eq!(decoder("br").push(Bytes::from_static(b"x")).unwrap(), "x");
    }

    #[test]
    fn damage_is_an_error() {
        assert!(decoder("gzip").push(Bytes::from_static(b"not gzip at all, not at all")).is_err());
    }
}
