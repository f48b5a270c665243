//! What the caller behind a filter reads: the headers and the error object that OpenAI's SDKs understand.
//!
//! Envoy adds the headers to its answer, and makes the body that of a refusal.

use std::time::Duration;

use serde_json::json;
use weir_domain::desk::Standing;
use weir_domain::ledger::{Refusal, Retry};
use weir_proto::envoy::config::core::v3::HeaderValue;

use super::answer::{Decided, remaining};

/// How long a caller should wait where nobody can know: as short as does no harm.
const RETRY_SOON: Duration = Duration::from_secs(1);

/// Where the service stands of which the least is left.
pub(super) fn rate_limits(decided: &[&Decided]) -> Vec<HeaderValue> {
    let rated = decided.iter().filter_map(|decided| decided.rated());
    let Some(least) = rated.min_by_key(|standing| remaining(standing)) else { return Vec::new() };
    let Standing { rate, full_after, .. } = least;
    vec![
        header("x-ratelimit-limit-tokens", rate.get()),
        header("x-ratelimit-remaining-tokens", remaining(least)),
        header("x-ratelimit-reset-tokens", duration_text(full_after.unwrap_or_default())),
    ]
}

/// The headers and the body of a refusal. Of several the one that lasts longest is told.
pub(super) fn refusal(decided: &[&Decided]) -> (Vec<HeaderValue>, String) {
    let refusals = decided.iter().filter_map(|decided| decided.refusal());
    let hints = refusals.map(|refusal| (Hint::of(refusal), refusal));
    match hints.max_by_key(|(hint, _)| *hint) {
        Some((hint, refusal @ Refusal::RequestsUsed { .. })) => told(hint, "requests", &refusal.to_string()),
        Some((hint, refusal)) => told(hint, "tokens", &refusal.to_string()),
        None => misfit(),
    }
}

/// The headers and the body where a descriptor fits no rule, and may not.
pub(super) fn misfit() -> (Vec<HeaderValue>, String) {
    told(Hint::Never, "", "the request fits no rule that gives it quota")
}

fn told(hint: Hint, short_of: &str, message: &str) -> (Vec<HeaderValue>, String) {
    let mut headers = vec![header("content-type", "application/json")];
    let (kind, code) = match hint {
        Hint::Soon => {
            headers.extend(retry_after(RETRY_SOON));
            headers.push(header("x-should-retry", "true"));
            ("requests", "rate_limit_exceeded")
        }
        Hint::After(span) => {
            headers.extend(retry_after(span));
            (short_of, "rate_limit_exceeded")
        }
        Hint::Never => {
            headers.push(header("x-should-retry", "false"));
            ("insufficient_quota", "insufficient_quota")
        }
    };
    let error = json!({"message": message, "type": kind, "param": null, "code": code});
    (headers, json!({ "error": error }).to_string())
}

/// When to ask again, the shortest wait first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hint {
    /// As soon as somebody else's request ends, for instance; nobody knows when.
    Soon,
    /// After this span.
    After(Duration),
    /// Waiting does not help.
    Never,
}

impl Hint {
    fn of(refusal: &Refusal) -> Self {
        match refusal.retry() {
            Retry::At { after, .. } => Self::After(after),
            Retry::Never => Self::Never,
            Retry::Unknown => Self::Soon,
        }
    }
}

/// Both headers that SDKs read; rounded up, so that whoever waits as told is admitted.
fn retry_after(span: Duration) -> [HeaderValue; 2] {
    [header("retry-after-ms", millis(span)), header("retry-after", whole_seconds(span).as_secs())]
}

/// A span rounded up to seconds.
pub(super) fn whole_seconds(span: Duration) -> Duration {
    Duration::from_secs(span.as_secs() + u64::from(span.subsec_nanos() > 0))
}

fn millis(span: Duration) -> u128 {
    span.as_nanos().div_ceil(1_000_000)
}

/// A span as OpenAI writes it (Go's format): `1m30.5s`, `850ms`, `2h0m1s`; rounded up to milliseconds.
fn duration_text(span: Duration) -> String {
    let millis = millis(span);
    if millis < 1_000 {
        return format!("{millis}ms");
    }
    let (hours, minutes, seconds) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1_000 % 60);
    let fraction = format!(".{:03}", millis % 1_000);
    let seconds = format!("{seconds}{}s", fraction.trim_end_matches('0').trim_end_matches('.'));
    match (hours, minutes) {
        (0, 0) => seconds,
        (0, _) => format!("{minutes}m{seconds}"),
        _ => format!("{hours}h{minutes}m{seconds}"),
    }
}

fn header(key: &str, value: impl std::fmt::Display) -> HeaderValue {
    HeaderValue { key: key.to_owned(), value: value.to_string() }
}

#[cfg(test)]
mod tests {
    use weir_domain::amount::RequestsPerMinute;
    use weir_domain::time::Timestamp;

    use super::*;

    fn refused(said: &[Refusal]) -> (Vec<(String, String)>, serde_json::Value) {
        let decided: Vec<_> = said
            .iter()
            .map(|said| Decided {
                name: "chat/gpt".into(),
                said: Err(said.clone()),
                standing: None,
                shadow: false,
            })
            .collect();
        let (headers, body) = refusal(&decided.iter().collect::<Vec<_>>());
        let headers = headers.into_iter().map(|header| (header.key, header.value)).collect();
        (headers, serde_json::from_str::<serde_json::Value>(&body).unwrap()["error"].clone())
    }

    fn requests_used(after_ms: u64) -> Refusal {
        let (at, after) = (Timestamp::EPOCH, Duration::from_millis(after_ms));
        Refusal::RequestsUsed { limit: RequestsPerMinute::new(6), retry: Retry::At { at, after } }
    }

    fn value<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
        headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn a_retry_time_is_rounded_up_and_never_down() {
        let (headers, error) = refused(&[requests_used(1_201)]);
        assert_eq!(value(&headers, "retry-after-ms"), Some("1201"));
        assert_eq!(value(&headers, "retry-after"), Some("2"));
        assert_eq!(value(&headers, "x-should-retry"), None);
        assert_eq!(value(&headers, "content-type"), Some("application/json"));
        assert_eq!((&error["type"], &error["code"]), (&json!("requests"), &json!("rate_limit_exceeded")));
    }

    #[test]
    fn of_several_refusals_the_one_that_lasts_longest_is_told() {
        let (headers, _) = refused(&[requests_used(10), Refusal::InFlight { max: 1 }, requests_used(2_000)]);
        assert_eq!(value(&headers, "retry-after-ms"), Some("2000"));
        let (headers, error) = refused(&[requests_used(10), Refusal::NoAllocation]);
        assert_eq!(value(&headers, "x-should-retry"), Some("false"));
        assert_eq!(value(&headers, "retry-after"), None);
        assert_eq!(error["type"], "insufficient_quota");
        let (headers, error) = refused(&[Refusal::InFlight { max: 1 }]);
        assert_eq!(
            (value(&headers, "retry-after"), value(&headers, "x-should-retry")),
            (Some("1"), Some("true"))
        );
        assert_eq!(error["message"], Refusal::InFlight { max: 1 }.to_string());
    }

    #[test]
    fn a_request_that_fits_no_rule_is_told_to_stop() {
        let (headers, error) = refused(&[]);
        assert_eq!(value(&headers, "x-should-retry"), Some("false"));
        assert_eq!(error["code"], "insufficient_quota");
    }

    #[test]
    fn spans_are_written_as_openai_writes_them() {
        let cases =
            [(0, "0ms"), (850, "850ms"), (6_120, "6.12s"), (90_500, "1m30.5s"), (7_201_000, "2h0m1s")];
        for (millis, text) in cases {
            assert_eq!(duration_text(Duration::from_millis(millis)), text);
        }
    }
}
