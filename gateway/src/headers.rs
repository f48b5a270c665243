//! Which headers pass, in both directions, and those that are ours.

use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use weir_domain::ids::{AttemptId, RequestId};
use weir_proto::quota::v1::Standing;
use weir_runtime::trace::{TRACEPARENT, TraceContext};

/// On every answer: finds the request's events.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-weir-request-id");
/// Azure's header of a caller key.
pub(crate) const API_KEY: HeaderName = HeaderName::from_static("api-key");

/// Of one connection, not of a message (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHORIZATION,
];

/// What a caller sends that is meant for us, or would speak for our account at the upstream.
const NOT_FORWARDED: [HeaderName; 16] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::AUTHORIZATION,
    header::ACCEPT_ENCODING,
    header::COOKIE,
    header::EXPECT,
    header::FORWARDED,
    API_KEY,
    HeaderName::from_static("ocp-apim-subscription-key"),
    HeaderName::from_static("openai-organization"),
    HeaderName::from_static("openai-project"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-client-request-id"),
    HeaderName::from_static("x-ms-client-request-id"),
];

/// What an upstream sends that is about its connection or host with us, not about the answer.
const NOT_RETURNED: [HeaderName; 4] = [
    header::SET_COOKIE,
    header::ALT_SVC,
    header::STRICT_TRANSPORT_SECURITY,
    HeaderName::from_static("proxy-authenticate"),
];

/// Headers of a call to an upstream, but for its credentials.
pub(crate) fn to_upstream(caller: &HeaderMap, attempt: AttemptId, trace: TraceContext) -> HeaderMap {
    let mut headers = caller.clone();
    remove_hop_by_hop(&mut headers);
    for name in &NOT_FORWARDED {
        headers.remove(name);
    }
    let attempt = value(&attempt.to_string());
    headers.insert("x-client-request-id", attempt.clone());
    headers.insert("x-ms-client-request-id", attempt);
    headers.insert(TRACEPARENT, value(&trace.to_string()));
    // What is metered must be what is forwarded; a compressed stream would have to be unpacked for that.
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers
}

/// Headers of the answer to the caller. The upstream's `x-ratelimit-*` describe the deployment that all share: out.
pub(crate) fn to_caller(upstream: &mut HeaderMap) {
    remove_hop_by_hop(upstream);
    for name in &NOT_RETURNED {
        upstream.remove(name);
    }
    let limits = upstream.keys().filter(|name| name.as_str().starts_with("x-ratelimit-"));
    for name in limits.cloned().collect::<Vec<_>>() {
        upstream.remove(name);
    }
}

/// Puts the request's id on an answer.
pub(crate) fn name_request(headers: &mut HeaderMap, request: RequestId) {
    headers.insert(REQUEST_ID, value(&request.to_string()));
}

/// Where the caller's service stands, in the words of OpenAI's rate limit headers.
///
/// The limit is the guaranteed rate a minute: baseline and active bursts. What remains is what one request could take at once,
/// borrowed tokens included; what is beyond the limit is left out, since a client that reads more remaining than its limit
/// takes one of them for wrong. An allocation that only borrows has no rate to name, and none of these headers.
pub(crate) fn rate_limits(standing: &Standing) -> HeaderMap {
    if standing.rate_per_minute == 0 {
        return HeaderMap::new();
    }
    let full_after =
        standing.full_after.as_ref().map(weir_proto::codec::duration_from_wire).unwrap_or_default();
    let mut headers = HeaderMap::with_capacity(3);
    headers.insert("x-ratelimit-limit-tokens", value(&standing.rate_per_minute.to_string()));
    let remaining = standing.available.min(standing.rate_per_minute);
    headers.insert("x-ratelimit-remaining-tokens", value(&remaining.to_string()));
    headers.insert("x-ratelimit-reset-tokens", value(&duration_text(full_after)));
    headers
}

/// A span as OpenAI writes it (Go's format): `1m30.5s`, `850ms`, `2h0m1s`; rounded up to milliseconds.
fn duration_text(span: Duration) -> String {
    let millis = span.as_nanos().div_ceil(1_000_000);
    if millis < 1_000 {
        return format!("{millis}ms");
    }
    let (hours, minutes, seconds) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1_000 % 60);
    let fraction = format!("{:03}", millis % 1_000);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    match (hours, minutes) {
        (0, 0) => format!("{seconds}{point}{fraction}s"),
        (0, _) => format!("{minutes}m{seconds}{point}{fraction}s"),
        _ => format!("{hours}h{minutes}m{seconds}{point}{fraction}s"),
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("digits, letters and dashes are a header value")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let parsed = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        parsed.collect()
    }

    #[test]
    fn a_callers_credentials_and_connection_stay_here() {
        let caller = headers(&[
            ("authorization", "Bearer weir-key"),
            ("api-key", "weir-key"),
            ("cookie", "a=b"),
            ("connection", "keep-alive, X-Private"),
            ("x-private", "1"),
            ("openai-organization", "org"),
            ("accept-encoding", "gzip"),
            ("x-stainless-lang", "python"),
        ]);
        let attempt = AttemptId::new(7);
        let sent = to_upstream(&caller, attempt, TraceContext::begin());
        assert!(!format!("{sent:?}").contains("weir-key"));
        for gone in ["authorization", "api-key", "cookie", "connection", "x-private", "openai-organization"] {
            assert!(!sent.contains_key(gone), "{gone}");
        }
        assert_eq!(sent["x-stainless-lang"], "python");
        assert_eq!(sent["accept-encoding"], "identity");
        assert_eq!(sent["x-ms-client-request-id"], attempt.to_string());
    }

    #[test]
    fn an_upstreams_limits_and_cookies_stay_with_us() {
        let mut answer = headers(&[
            ("x-ratelimit-remaining-tokens", "1"),
            ("set-cookie", "a"),
            ("transfer-encoding", "chunked"),
            ("x-ms-region", "eu"),
            ("retry-after-ms", "5"),
        ]);
        to_caller(&mut answer);
        assert_eq!(answer, headers(&[("x-ms-region", "eu"), ("retry-after-ms", "5")]));
    }

    #[test]
    fn no_more_remains_than_the_limit() {
        let standing =
            |rate_per_minute, available| Standing { rate_per_minute, available, ..Standing::default() };
        let remaining = |rate, available| {
            let headers = rate_limits(&standing(rate, available));
            let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
            (text("x-ratelimit-limit-tokens"), text("x-ratelimit-remaining-tokens"))
        };
        let pair = |limit: &str, remaining: &str| (Some(limit.to_owned()), Some(remaining.to_owned()));
        assert_eq!(remaining(60_000, 41_000), pair("60000", "41000"));
        assert_eq!(remaining(60_000, 90_000), pair("60000", "60000"));
        assert_eq!(remaining(0, 90_000), (None, None), "borrowed tokens are nobody's rate");
    }

    #[test]
    fn spans_read_as_openai_writes_them() {
        let text = |millis| duration_text(Duration::from_millis(millis));
        assert_eq!(text(0), "0ms");
        assert_eq!(text(850), "850ms");
        assert_eq!(text(1_000), "1s");
        assert_eq!(text(7_660), "7.66s");
        assert_eq!(text(90_500), "1m30.5s");
        assert_eq!(text(7_201_000), "2h0m1s");
        assert_eq!(duration_text(Duration::from_nanos(1)), "1ms");
    }
}
