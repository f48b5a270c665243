//! ClickHouse's exceptions: the code, the text, and the HTTP status that goes with them.
//!
//! The texts come from the engine; the few that this crate raises itself use ClickHouse's own codes and names, so
//! that a client need not know which of the two answered.

use http::StatusCode;

/// Why a request was not served, in the words that ClickHouse uses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Exception {
    /// ClickHouse's number of the error, from its `ErrorCodes.cpp`.
    pub(crate) code: u32,
    /// `Code: N. DB::Exception: … (NAME)`.
    pub(crate) text: String,
}

/// A kind of error that this crate raises itself: ClickHouse's code and name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind(u32, &'static str);

pub(crate) const BAD_ARGUMENTS: Kind = Kind(36, "BAD_ARGUMENTS");
pub(crate) const NOT_IMPLEMENTED: Kind = Kind(48, "NOT_IMPLEMENTED");
pub(crate) const SYNTAX_ERROR: Kind = Kind(62, "SYNTAX_ERROR");
pub(crate) const NO_DATA_TO_INSERT: Kind = Kind(108, "NO_DATA_TO_INSERT");
pub(crate) const UNKNOWN_SETTING: Kind = Kind(115, "UNKNOWN_SETTING");
pub(crate) const TOO_MANY_SIMULTANEOUS_QUERIES: Kind = Kind(202, "TOO_MANY_SIMULTANEOUS_QUERIES");
pub(crate) const SOCKET_TIMEOUT: Kind = Kind(209, "SOCKET_TIMEOUT");
pub(crate) const NETWORK_ERROR: Kind = Kind(210, "NETWORK_ERROR");
pub(crate) const CANNOT_DECOMPRESS: Kind = Kind(271, "CANNOT_DECOMPRESS");
pub(crate) const INTO_OUTFILE_NOT_ALLOWED: Kind = Kind(358, "INTO_OUTFILE_NOT_ALLOWED");
pub(crate) const TOO_MANY_BYTES: Kind = Kind(307, "TOO_MANY_BYTES");
pub(crate) const TOO_MANY_ROWS_OR_BYTES: Kind = Kind(396, "TOO_MANY_ROWS_OR_BYTES");
pub(crate) const UNSUPPORTED_MEDIA_TYPE: Kind = Kind(763, "UNSUPPORTED_MEDIA_TYPE");
pub(crate) const ACCESS_DENIED: Kind = Kind(497, "ACCESS_DENIED");
/// What ClickHouse gives to an error that has no code of its own.
const STD_EXCEPTION: Kind = Kind(1001, "STD_EXCEPTION");

impl Exception {
    /// An error of ours.
    pub(crate) fn new(Kind(code, name): Kind, what: impl std::fmt::Display) -> Self {
        Self { code, text: format!("Code: {code}. DB::Exception: {what}. ({name})") }
    }

    /// An error of the engine, as it words it.
    pub(crate) fn from_engine(text: &str) -> Self {
        match code_of(text) {
            Some(code) => Self { code, text: innermost(text.trim_end()) },
            None => Self::new(STD_EXCEPTION, text.trim_end()),
        }
    }

    /// The text with the engine's version at its end, as ClickHouse's HTTP interface sends it.
    pub(crate) fn with_version(&self, version: &str) -> String {
        if self.text.contains("(version ") {
            format!("{}\n", self.text)
        } else {
            format!("{} (version {version})\n", self.text)
        }
    }

    /// The status that ClickHouse sends with this code (its `exceptionCodeToHTTPStatus.cpp`).
    pub(crate) fn status(&self) -> StatusCode {
        match self.code {
            194 => StatusCode::UNAUTHORIZED,
            192 | 193 | 497 | 512 | 516 => StatusCode::FORBIDDEN,
            // What the statement says is wrong: types, values, columns, syntax.
            6 | 15 | 16 | 25 | 26 | 36 | 38 | 41 | 44 | 53 | 62 | 70 | 71 | 72 | 108 | 117 | 167 | 168
            | 271 | 358 | 427 | 441 | 457 => StatusCode::BAD_REQUEST,
            // What the statement names does not exist.
            46 | 47 | 50 | 56 | 60 | 63 | 73 | 78 | 81 | 106 | 115 | 336 | 511 => StatusCode::NOT_FOUND,
            159 => StatusCode::REQUEST_TIMEOUT,
            202 => StatusCode::TOO_MANY_REQUESTS,
            209 | 76 | 439 => StatusCode::SERVICE_UNAVAILABLE,
            307 => StatusCode::PAYLOAD_TOO_LARGE,
            48 => StatusCode::NOT_IMPLEMENTED,
            763 => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// The engine wraps some errors in themselves, up to three times: takes the innermost.
fn innermost(text: &str) -> String {
    const MARK: &str = ". DB::Exception: ";
    let Some(end) = text.find(MARK) else { return text.to_owned() };
    let (head, mut rest) = text.split_at(end + MARK.len());
    let mut nested = false;
    while let Some(inner) = rest.strip_prefix(head) {
        (rest, nested) = (inner, true);
    }
    let name = rest.rfind(". (").map(|at| &rest[at..]);
    let end = name.and_then(|name| Some(rest.find(name)? + name.len())).filter(|_| nested);
    format!("{head}{}", &rest[..end.unwrap_or(rest.len())])
}

/// The number in `Code: N. `, if the text begins with one.
fn code_of(text: &str) -> Option<u32> {
    let rest = text.strip_prefix("Code: ")?;
    rest.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engines_error_keeps_its_code_and_text() {
        let exception =
            Exception::from_engine("Code: 60. DB::Exception: Table t does not exist. (UNKNOWN_TABLE)\n");
        assert_eq!((exception.code, exception.status()), (60, StatusCode::NOT_FOUND));
        assert_eq!(
            exception.with_version("26.7"),
            "Code: 60. DB::Exception: Table t does not exist. (UNKNOWN_TABLE) (version 26.7)\n"
        );
    }

    #[test]
    fn an_error_that_is_wrapped_in_itself_is_told_once() {
        let once = "Code: 73. DB::Exception: Unknown format X. (UNKNOWN_FORMAT)";
        let twice = format!("Code: 73. DB::Exception: {once} (version 26.7.2.1). (UNKNOWN_FORMAT)");
        assert_eq!(Exception::from_engine(&twice).text, once);
        assert_eq!(Exception::from_engine(once).text, once);
        let other = "Code: 49. DB::Exception: a. (b) c";
        assert_eq!(Exception::from_engine(other).text, other);
    }

    #[test]
    fn an_error_without_a_code_gets_the_general_one() {
        let exception = Exception::from_engine("Connection failed: x");
        assert_eq!(exception.text, "Code: 1001. DB::Exception: Connection failed: x. (STD_EXCEPTION)");
        assert_eq!(exception.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
