//! Instants and spans as people type and read them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use weir_domain::calendar;
use weir_domain::time::Timestamp;

/// The longest span that can be typed: ten years. What is longer is a slip.
const SPAN_DAYS_MAX: u64 = 3_660;

/// An instant: by itself, or a span after or before now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    At(Timestamp),
    After(Duration),
    Before(Duration),
}

/// Why a text is no instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no instant; write 2026-12-01T09:00:00+01:00, 2026-12-01 (its first moment in UTC), or +90m, +2h, +3d \
     from now, or -7d before it"
)]
pub(crate) struct InvalidWhen {
    text: String,
}

impl FromStr for When {
    type Err = InvalidWhen;

    fn from_str(text: &str) -> Result<Self, InvalidWhen> {
        let invalid = || InvalidWhen { text: text.to_owned() };
        if let Some(span) = text.strip_prefix('+') {
            return span.parse().map(|Span(span)| Self::After(span)).map_err(|_| invalid());
        }
        if let Some(span) = text.strip_prefix('-') {
            return span.parse().map(|Span(span)| Self::Before(span)).map_err(|_| invalid());
        }
        let at = DateTime::parse_from_rfc3339(text).map(|at| at.to_utc()).ok().or_else(|| first_moment(text));
        at.and_then(|at| at.timestamp_nanos_opt())
            .map(Timestamp::from_nanos)
            .map(Self::At)
            .ok_or_else(invalid)
    }
}

fn first_moment(day: &str) -> Option<DateTime<Utc>> {
    Some(day.parse::<NaiveDate>().ok()?.and_time(NaiveTime::MIN).and_utc())
}

impl When {
    /// The instant, seen from now.
    pub(crate) fn seen_from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            // Whole seconds: nobody types less, and it reads better.
            Self::After(span) => Timestamp::from_secs(now.as_secs()).plus(span),
            Self::Before(span) => Timestamp::from_secs(now.as_secs()).minus(span),
        }
    }
}

/// A span: a number and `s`, `m`, `h` or `d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

/// Why a text is no span.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no span; write a number with s, m, h or d, such as 90m, 24h or 7d, up to {SPAN_DAYS_MAX}d"
)]
pub(crate) struct InvalidSpan {
    text: String,
}

impl FromStr for Span {
    type Err = InvalidSpan;

    fn from_str(text: &str) -> Result<Self, InvalidSpan> {
        let invalid = || InvalidSpan { text: text.to_owned() };
        let unit = text.chars().last().ok_or_else(invalid)?;
        let secs = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return Err(invalid()),
        };
        let digits = &text[..text.len() - 1];
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let count: u64 = is_number.then(|| digits.parse().ok()).flatten().ok_or_else(invalid)?;
        let secs =
            count.checked_mul(secs).filter(|secs| *secs <= SPAN_DAYS_MAX * 86_400).ok_or_else(invalid)?;
        Ok(Self(Duration::from_secs(secs)))
    }
}

/// A span as people say it: its two largest units.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0.as_secs();
        match secs {
            0..60 => write!(f, "{:.1} s", self.0.as_secs_f64()),
            60..3_600 => write!(f, "{} min {} s", secs / 60, secs % 60),
            3_600..86_400 => write!(f, "{} h {} min", secs / 3_600, secs / 60 % 60),
            _ => write!(f, "{} d {} h", secs / 86_400, secs / 3_600 % 24),
        }
    }
}

/// An instant for a table, to the second.
pub(crate) fn shown(at: Timestamp) -> String {
    calendar::Utc(at).to_string()
}

/// An instant and how far off it is.
pub(crate) fn shown_from(at: Timestamp, now: Timestamp) -> String {
    if at < now { shown(at) } else { format!("{} (in {})", shown(at), Span(at.since(now))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn at(text: &str) -> Option<i64> {
        text.parse().ok().map(|when: When| when.seen_from(NOW).as_secs())
    }

    #[test]
    fn an_instant_may_be_relative_a_day_or_exact() {
        assert_eq!(at("+90m"), Some(1_005_400));
        assert_eq!(at("+2h"), Some(1_007_200));
        assert_eq!(at("+3d"), Some(1_259_200));
        assert_eq!(at("-2h"), Some(992_800));
        assert_eq!(at("1970-01-02"), Some(86_400));
        assert_eq!(at("1970-01-02T01:00:00+01:00"), Some(86_400));
        for bad in [
            "",
            "+",
            "2h",
            "+2w",
            "+-2h",
            "--2h",
            "-",
            "+99999999999d",
            "tomorrow",
            "1970-01-02T00:00:00",
            "3000-01-01",
        ] {
            assert_eq!(at(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_span_reads_in_its_two_largest_units() {
        let cases = [(1, "1.0 s"), (90, "1 min 30 s"), (5_400, "1 h 30 min"), (90_000, "1 d 1 h")];
        for (secs, text) in cases {
            assert_eq!(Span(Duration::from_secs(secs)).to_string(), text);
        }
    }

    #[test]
    fn what_has_passed_is_not_ahead() {
        assert_eq!(shown_from(Timestamp::from_secs(1_000_060), NOW), "1970-01-12T13:47:40Z (in 1 min 0 s)");
        assert_eq!(shown_from(Timestamp::from_secs(0), NOW), "1970-01-01T00:00:00Z");
    }
}
