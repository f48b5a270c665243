//! Answers: headers, status, and the body piece by piece as the engine makes it.
//!
//! The status is decided by the first piece. An error after it is appended to the body, marked with the tag that the
//! headers announced, as ClickHouse does since 25.11.

use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderName, HeaderValue, StatusCode, header};
use tokio::sync::mpsc::Receiver;

use crate::compression::{Encoder, Encoding};
use crate::engine::{About, Piece};
use crate::exception::{Exception, TOO_MANY_ROWS_OR_BYTES};
use crate::ffi::Counts;
use crate::format::content_type;

/// The most bytes of a result that are held back for `wait_end_of_query=1`.
const HELD_BYTES_MAX: usize = 64 << 20;

/// What an answer is like, but for its content.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) format: String,
    pub(super) encoding: Encoding,
    pub(super) query_id: String,
    pub(super) wait_end: bool,
}

/// Answers with what the engine sends.
pub(super) async fn answer(mut pieces: Receiver<Piece>, form: Form, about: &About) -> Response {
    let first = if form.wait_end { hold(&mut pieces).await } else { next(&mut pieces).await };
    let (bytes, counts) = match first {
        Piece::Failed(exception) => return error(&exception, &form.query_id, about),
        Piece::End(counts) => (None, counts),
        Piece::Rows(bytes, counts) => (Some(bytes), counts),
    };
    let tag = uuid::Uuid::new_v4().simple().to_string()[..16].to_owned();
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(&form.format)));
    let mut put = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    put("x-clickhouse-format", &form.format);
    put("x-clickhouse-query-id", &form.query_id);
    put("x-clickhouse-timezone", &about.timezone);
    put("x-clickhouse-server-display-name", "weir-embedded");
    put("x-clickhouse-exception-tag", &tag);
    put("x-clickhouse-summary", &summary(counts));
    if let Some(bytes) = bytes {
        if form.encoding == Encoding::Lz4 {
            put("content-encoding", "lz4");
        }
        let rest = (!form.wait_end).then_some(pieces);
        *response.body_mut() = stream_body(bytes, rest, &form, (tag, about.version.clone()));
    }
    response
}

/// Answers with an error, which is never compressed.
pub(super) fn error(exception: &Exception, query_id: &str, about: &About) -> Response {
    let mut response = Response::new(Body::from(exception.with_version(&about.version)));
    *response.status_mut() = exception.status();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8"));
    headers.insert("x-clickhouse-exception-code", HeaderValue::from(exception.code));
    if let Ok(query_id) = HeaderValue::from_str(query_id) {
        headers.insert("x-clickhouse-query-id", query_id);
    }
    response
}

/// Answers with a line of text.
pub(super) fn text(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=UTF-8"));
    response
}

async fn next(pieces: &mut Receiver<Piece>) -> Piece {
    let gone = || Piece::Failed(Exception::from_engine("the engine ended before the statement"));
    pieces.recv().await.unwrap_or_else(gone)
}

/// Waits for the end and makes one piece of all.
async fn hold(pieces: &mut Receiver<Piece>) -> Piece {
    let mut held = BytesMut::new();
    loop {
        match next(pieces).await {
            Piece::Rows(bytes, _) if held.len() + bytes.len() > HELD_BYTES_MAX => {
                let text = format_args!("wait_end_of_query holds back at most {HELD_BYTES_MAX} bytes");
                return Piece::Failed(Exception::new(TOO_MANY_ROWS_OR_BYTES, text));
            }
            Piece::Rows(bytes, _) => held.extend_from_slice(&bytes),
            Piece::End(counts) if held.is_empty() => return Piece::End(counts),
            Piece::End(counts) => return Piece::Rows(held.freeze(), counts),
            failed @ Piece::Failed(_) => return failed,
        }
    }
}

/// `X-ClickHouse-Summary`: what was done when the headers were sent. Numbers are strings there.
fn summary(counts: Counts) -> String {
    serde_json::json!({
        "read_rows": counts.read_rows.to_string(),
        "read_bytes": counts.read_bytes.to_string(),
        "written_rows": counts.written_rows.to_string(),
        "written_bytes": counts.written_bytes.to_string(),
        "total_rows_to_read": "0",
        "result_rows": counts.result_rows.to_string(),
        "result_bytes": counts.result_bytes.to_string(),
    })
    .to_string()
}

/// How an error looks at the end of a body (`WriteBufferFromHTTPServerResponse.cpp`).
fn tail(exception: &Exception, tag: &str, version: &str) -> Bytes {
    let text = exception.with_version(version);
    Bytes::from(format!("\r\n__exception__\r\n{tag}\r\n{text}{} {tag}\r\n__exception__\r\n", text.len()))
}

/// A body that begins with a piece and goes on with what comes, if anything is to come.
fn stream_body(first: Bytes, rest: Option<Receiver<Piece>>, form: &Form, marks: (String, String)) -> Body {
    let encoder = Encoder::new(form.encoding);
    let state = Some((encoder, rest, Some(first), marks));
    Body::from_stream(stream::unfold(state, |state| async move {
        let (mut encoder, mut rest, first, marks) = state?;
        let piece = match (first, &mut rest) {
            (Some(first), _) => Piece::Rows(first, Counts::default()),
            (None, Some(pieces)) => next(pieces).await,
            (None, None) => Piece::End(Counts::default()),
        };
        let (encoded, over) = match piece {
            Piece::Rows(bytes, _) => (encoder.push(bytes), false),
            Piece::End(_) => (encoder.finish(), true),
            Piece::Failed(exception) => (push_last(&mut encoder, tail(&exception, &marks.0, &marks.1)), true),
        };
        let state = (!over).then_some((encoder, rest, None, marks));
        Some((encoded, state))
    }))
}

fn push_last(encoder: &mut Encoder, bytes: Bytes) -> std::io::Result<Bytes> {
    let last = encoder.push(bytes)?;
    Ok(Bytes::from([last, encoder.finish()?].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_at_the_end_says_how_long_it_is() {
        let exception = Exception::from_engine("Code: 1. DB::Exception: x. (Y)");
        let expected = "\r\n__exception__\r\nTAG\r\nCode: 1. DB::Exception: x. (Y) (version 2)\n43 TAG\r\n__exception__\r\n";
        assert_eq!(tail(&exception, "TAG", "2"), expected);
    }
}
