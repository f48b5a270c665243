//! ClickHouse's output formats, as far as HTTP and streaming depend on them.
//!
//! The engine ends each chunk of a streamed result as if it were the whole: a format without frame can simply be
//! joined, one with a header is joined after the header is cut from all chunks but the first, and one with a frame
//! (JSON, Pretty, Parquet) must be made in one piece.

use crate::exception::{BAD_ARGUMENTS, Exception};

/// The format of a result if nobody names one.
pub(crate) const DEFAULT: &str = "TabSeparated";

/// The format of an `INSERT`'s data if nobody names one.
pub(crate) const DEFAULT_INPUT: &str = "Values";

/// What stands at the beginning of each chunk of a streamed result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    /// Nothing.
    None,
    /// This many lines; quotes may hold line ends if it is CSV.
    Lines {
        /// How many.
        count: usize,
        /// Whether a line end can stand in quotes.
        quoted: bool,
    },
    /// A count of columns as a varint and this many lists of that many strings.
    Strings {
        /// How many lists.
        lists: usize,
    },
}

/// What stands before the rows in a format that can be streamed; `None` if it cannot.
pub(crate) fn header(format: &str) -> Option<Header> {
    let lines = |count| Header::Lines { count, quoted: false };
    Some(match format.to_ascii_lowercase().as_str() {
        "csv"
        | "tabseparated"
        | "tabseparatedraw"
        | "tsv"
        | "tsvraw"
        | "raw"
        | "tskv"
        | "jsoneachrow"
        | "jsonlines"
        | "ndjson"
        | "jsonstringseachrow"
        | "jsoncompacteachrow"
        | "jsoncompactstringseachrow"
        | "rowbinary"
        | "native"
        | "lineasstring"
        | "null" => Header::None,
        "csvwithnames" => Header::Lines { count: 1, quoted: true },
        "csvwithnamesandtypes" => Header::Lines { count: 2, quoted: true },
        "tabseparatedwithnames" | "tsvwithnames" | "jsoncompacteachrowwithnames" => lines(1),
        "tabseparatedwithnamesandtypes" | "tsvwithnamesandtypes" | "jsoncompacteachrowwithnamesandtypes" => {
            lines(2)
        }
        "rowbinarywithnames" => Header::Strings { lists: 1 },
        "rowbinarywithnamesandtypes" => Header::Strings { lists: 2 },
        _ => return None,
    })
}

impl Header {
    /// How long it is in this chunk; the whole chunk if it is cut short.
    pub(crate) fn length(self, chunk: &[u8]) -> usize {
        match self {
            Self::None => 0,
            Self::Lines { count, quoted } => lines_length(chunk, count, quoted),
            Self::Strings { lists } => strings_length(chunk, lists).unwrap_or(chunk.len()),
        }
    }
}

fn lines_length(chunk: &[u8], count: usize, quoted: bool) -> usize {
    let (mut inside, mut lines) = (false, 0);
    for (at, &byte) in chunk.iter().enumerate() {
        inside ^= quoted && byte == b'"';
        lines += usize::from(byte == b'\n' && !inside);
        if lines == count {
            return at + 1;
        }
    }
    chunk.len()
}

fn strings_length(chunk: &[u8], lists: usize) -> Option<usize> {
    let mut at = 0;
    let columns = varint(chunk, &mut at)?;
    for _ in 0..columns.checked_mul(lists)? {
        let length = varint(chunk, &mut at)?;
        at = at.checked_add(length)?;
    }
    (at <= chunk.len()).then_some(at)
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<usize> {
    let mut value = 0_usize;
    for shift in (0..usize::BITS).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= usize::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The `Content-Type` that ClickHouse gives a format.
pub(crate) fn content_type(format: &str) -> &'static str {
    let name = format.to_ascii_lowercase();
    let with = |part: &str| name.contains(part);
    if with("eachrow") || with("jsonlines") || with("ndjson") {
        "application/x-ndjson; charset=UTF-8"
    } else if with("json") {
        "application/json; charset=UTF-8"
    } else if with("csvwithnames") {
        "text/csv; charset=UTF-8; header=present"
    } else if with("csv") {
        "text/csv; charset=UTF-8; header=absent"
    } else if with("tabseparated") || with("tsv") || with("tskv") {
        "text/tab-separated-values; charset=UTF-8"
    } else if with("xml") {
        "application/xml; charset=UTF-8"
    } else if ["binary", "native", "parquet", "arrow", "orc", "avro", "protobuf", "msgpack"]
        .into_iter()
        .any(with)
    {
        "application/octet-stream"
    } else {
        "text/plain; charset=UTF-8"
    }
}

/// Takes a format's name from a client: letters, digits and `_` only, since it becomes part of a statement.
pub(crate) fn checked(name: &str) -> Result<String, Exception> {
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        Ok(name.to_owned())
    } else {
        Err(Exception::new(BAD_ARGUMENTS, format_args!("{name:?} is not a format's name")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut<'a>(format: &str, chunk: &'a [u8]) -> &'a [u8] {
        &chunk[header(format).expect("it streams").length(chunk)..]
    }

    #[test]
    fn the_header_of_each_format_is_cut_where_its_rows_begin() {
        assert_eq!(cut("RowBinaryWithNamesAndTypes", b"\x01\x01n\x05UInt8\x07"), b"\x07");
        assert_eq!(cut("RowBinaryWithNames", b"\x02\x01a\x01b\x07\x08"), b"\x07\x08");
        assert_eq!(cut("CSVWithNames", b"\"a\n\"\"b\",\"c\"\n1,2\n"), b"1,2\n");
        assert_eq!(cut("TSVWithNamesAndTypes", b"a\"\nUInt8\n1\n"), b"1\n");
        assert_eq!(cut("csv", b"1,2\n"), b"1,2\n");
    }

    #[test]
    fn a_header_that_is_cut_short_leaves_nothing() {
        assert_eq!(cut("RowBinaryWithNamesAndTypes", b"\x01\x01n\x05UIn"), b"");
        assert_eq!(cut("RowBinaryWithNamesAndTypes", b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"), b"");
    }

    #[test]
    fn a_format_with_a_frame_does_not_stream() {
        for name in ["JSON", "JSONCompact", "PrettyCompact", "Parquet", "XML", "Values"] {
            assert_eq!(header(name), None, "{name}");
        }
    }

    #[test]
    fn a_format_cannot_smuggle_sql() {
        assert!(checked("CSV").is_ok());
        assert!(checked("CSV SETTINGS readonly=0").is_err());
    }
}
