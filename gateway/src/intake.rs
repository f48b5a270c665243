//! Takes in a request's body, within bounds of size and time.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

use crate::config::Config;
use crate::errors::Problem;

/// The whole body, or what to answer.
pub(crate) async fn collect(headers: &HeaderMap, body: Incoming, config: &Config) -> Result<Bytes, Problem> {
    let is_packed = headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity");
    if is_packed {
        return Err(Problem::compressed_body());
    }
    let limit = config.body_bytes_max;
    if body.size_hint().lower() > limit as u64 {
        return Err(Problem::body_too_large(limit));
    }
    let collected = Limited::new(body, limit).collect();
    match tokio::time::timeout(Duration::from_millis(config.body_timeout_ms), collected).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(problem)) if problem.is::<LengthLimitError>() => Err(Problem::body_too_large(limit)),
        Ok(Err(_)) => Err(Problem::bad_body("The body broke off.")),
        Err(_) => Err(Problem::body_timeout()),
    }
}
