//! Answers that are not the upstream's: OpenAI's error shape, so that every SDK understands them.
//!
//! `{"error": {"message", "type", "param", "code"}}`, and `weir` where quota has refused. No message carries a secret or anything a caller sent but names.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

/// How long a client should wait where nobody can know: as short as does no harm.
const RETRY_SOON: Duration = Duration::from_secs(1);

/// An answer of our own that says no.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    status: StatusCode,
    kind: &'static str,
    code: &'static str,
    param: Option<&'static str>,
    message: String,
    /// What explains it to a program.
    explained: Option<Box<Value>>,
    headers: Box<HeaderMap>,
}

const INVALID: &str = "invalid_request_error";
pub(crate) const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
pub(crate) const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

impl Problem {
    fn new(status: StatusCode, kind: &'static str, code: &'static str, message: String) -> Self {
        Self { status, kind, code, param: None, message, explained: None, headers: Box::default() }
    }

    /// 400: the body is not what the endpoint takes.
    pub(crate) fn bad_body(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, INVALID, "invalid_body", message.into())
    }

    /// 400: one member of the body is not what it should be.
    pub(crate) fn bad_member(name: &'static str, message: impl Into<String>) -> Self {
        Self {
            param: Some(name),
            ..Self::new(StatusCode::BAD_REQUEST, INVALID, "invalid_value", message.into())
        }
    }

    /// 408: the body did not arrive in time.
    pub(crate) fn body_timeout() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            INVALID,
            "request_timeout",
            "The body did not arrive in time.".into(),
        )
    }

    /// 413.
    pub(crate) fn body_too_large(limit: usize) -> Self {
        let message = format!("The body is larger than the {limit} bytes that this gateway takes.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, INVALID, "body_too_large", message)
    }

    /// 415.
    pub(crate) fn compressed_body() -> Self {
        let message = "The body is compressed; send it without content-encoding.".to_owned();
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, INVALID, "unsupported_content_encoding", message)
    }

    /// 401: no key, a wrong one, or one that has expired.
    pub(crate) fn unauthenticated(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, INVALID, "invalid_api_key", message.to_owned())
    }

    /// 429: too many wrong keys from one address.
    pub(crate) fn too_many_failures(retry_after: Duration) -> Self {
        let message = "Too many requests with a wrong key came from your address.".to_owned();
        Self::new(StatusCode::TOO_MANY_REQUESTS, "requests", "too_many_failed_authentications", message)
            .retry_after(retry_after)
    }

    /// 404: no such endpoint.
    pub(crate) fn unknown_endpoint(method: &http::Method, path: &str, served: &str) -> Self {
        let message = format!("{method} {path} is not served here. Served are: {served}.");
        Self::new(StatusCode::NOT_FOUND, INVALID, "unknown_url", message)
    }

    /// 404: no such model.
    pub(crate) fn unknown_model(name: &str) -> Self {
        let message = format!(
            "The model or deployment `{name}` does not exist; GET /v1/models lists those you may use."
        );
        Self { param: Some("model"), ..Self::new(StatusCode::NOT_FOUND, INVALID, "model_not_found", message) }
    }

    /// 403: the model exists, and the service has no allocation in its pool.
    pub(crate) fn not_allocated(service: &str, model: &str, pool: &str) -> Self {
        let message = format!(
            "Service {service} has no allocation in pool {pool}, which serves model {model}. Ask the platform team for one."
        );
        Self {
            param: Some("model"),
            ..Self::new(StatusCode::FORBIDDEN, INVALID, "model_not_allocated", message)
        }
    }

    /// 429: refused for now. The same request passes after `retry_after` if nothing else arrives.
    pub(crate) fn refused_for_now(message: String, retry_after: Duration) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "tokens", "rate_limit_exceeded", message)
            .retry_after(retry_after)
    }

    /// 429: the requests of this minute are used. The next passes after `retry_after` if nothing else arrives.
    pub(crate) fn requests_used(message: String, retry_after: Duration) -> Self {
        Self { kind: "requests", ..Self::refused_for_now(message, retry_after) }
    }

    /// 429: refused until somebody else's request ends. Waiting may help, and nobody knows how long.
    pub(crate) fn refused_for_others(message: String) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "requests", "rate_limit_exceeded", message)
            .retry_after(RETRY_SOON)
            .header(SHOULD_RETRY, HeaderValue::from_static("true"))
    }

    /// 429: refused for good. Waiting does not help.
    pub(crate) fn refused_for_good(message: String) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "insufficient_quota", "insufficient_quota", message)
            .header(SHOULD_RETRY, HeaderValue::from_static("false"))
    }

    /// 429, not 503 (clients hammer a 503): nobody could decide whether the request may pass.
    pub(crate) fn quota_unavailable() -> Self {
        let message =
            "Whether this request may pass could not be decided: the quota service does not answer."
                .to_owned();
        Self::new(StatusCode::TOO_MANY_REQUESTS, "tokens", "quota_unavailable", message)
            .retry_after(RETRY_SOON)
    }

    /// 429: what is used could not be recorded, so nothing is let through.
    pub(crate) fn metering_unavailable(why: &str) -> Self {
        let message = format!("This request cannot be metered now, so it is not let through: {why}.");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "tokens", "metering_unavailable", message)
            .retry_after(RETRY_SOON)
    }

    /// 502: no configured upstream serves the model.
    pub(crate) fn no_upstream(model: &str) -> Self {
        let message = format!("No upstream that this gateway is configured for serves model {model}.");
        Self::new(StatusCode::BAD_GATEWAY, "upstream_error", "upstream_not_configured", message)
    }

    /// 502: the upstream could not be reached, or broke off before it answered.
    pub(crate) fn upstream_broke(message: String) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "upstream_error", "upstream_unreachable", message)
    }

    /// 504: the upstream did not answer in time.
    pub(crate) fn upstream_timeout(after: Duration) -> Self {
        let message = format!("The upstream did not begin to answer within {} s.", after.as_secs());
        Self::new(StatusCode::GATEWAY_TIMEOUT, "upstream_error", "upstream_timeout", message)
    }

    /// 500: a defect of ours.
    pub(crate) fn internal() -> Self {
        let message = "The gateway failed on this request.".to_owned();
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "internal_error", message)
    }

    /// Adds what a program can read of it, as the error's member `weir`.
    #[must_use]
    pub(crate) fn explained(self, explained: Value) -> Self {
        Self { explained: Some(Box::new(explained)), ..self }
    }

    /// Adds a header.
    #[must_use]
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Adds headers.
    #[must_use]
    pub(crate) fn headers(mut self, more: HeaderMap) -> Self {
        self.headers.extend(more);
        self
    }

    /// What went wrong, in one word.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// The answer.
    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let mut error =
            json!({"message": self.message, "type": self.kind, "param": self.param, "code": self.code});
        if let Some(explained) = self.explained {
            error["weir"] = *explained;
        }
        let mut response = json_response(&json!({ "error": error }));
        *response.status_mut() = self.status;
        response.headers_mut().extend(*self.headers);
        response
    }

    /// Both headers that SDKs read; rounded up, so that a client that waits as told is admitted.
    fn retry_after(self, span: Duration) -> Self {
        let millis = span.as_nanos().div_ceil(1_000_000);
        self.header(RETRY_AFTER_MS, number(millis))
            .header(http::header::RETRY_AFTER, number(millis.div_ceil(1_000)))
    }
}

/// A JSON answer with status 200.
pub(crate) fn json_response(body: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body.to_string()));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}

fn number(value: u128) -> HeaderValue {
    HeaderValue::from_str(&value.to_string()).expect("digits are a header value")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn body_of(problem: Problem) -> serde_json::Value {
        let body = problem.into_response().into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&body).unwrap()
    }

    #[tokio::test]
    async fn an_error_has_the_shape_that_sdks_expect() {
        let body = body_of(Problem::unknown_model("gpt-9")).await;
        assert_eq!(body["error"]["type"], "invalid_request_error");
        assert_eq!(body["error"]["code"], "model_not_found");
        assert_eq!(body["error"]["param"], "model");
        assert!(body["error"]["message"].as_str().unwrap().contains("gpt-9"));
    }

    #[test]
    fn a_retry_time_is_rounded_up_and_never_down() {
        let response = Problem::refused_for_now("m".into(), Duration::from_micros(1_200_001)).into_response();
        assert_eq!(response.headers()["retry-after-ms"], "1201");
        assert_eq!(response.headers()["retry-after"], "2");
        assert!(!response.headers().contains_key("x-should-retry"));
    }

    #[test]
    fn a_refusal_that_ends_with_somebody_elses_request_tells_clients_to_try_soon() {
        let response = Problem::refused_for_others("m".into()).into_response();
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(response.headers()["x-should-retry"], "true");
    }

    #[tokio::test]
    async fn a_refusal_for_good_tells_clients_to_stop() {
        let problem = Problem::refused_for_good("m".into());
        let response = problem.clone().into_response();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["x-should-retry"], "false");
        assert!(!response.headers().contains_key("retry-after"));
        assert_eq!(body_of(problem).await["error"]["type"], "insufficient_quota");
    }
}
