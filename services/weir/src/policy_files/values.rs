//! Values of fields: what each kind may be, and what to write instead of what it may not be.
//!
//! A problem reads on after the name of its field: `baseline` `is a string; write …`.

use std::fmt::Display;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, Utc};
use toml::de::DeValue;
use weir_domain::amount::Money;
use weir_domain::budget::THRESHOLD_MAX_PERCENT;
use weir_domain::calendar::Zone;
use weir_domain::price::{Currency, PicoPerToken};
use weir_domain::time::Timestamp;

/// What a value is, with its article.
pub(super) fn kind(value: &DeValue<'_>) -> String {
    match value.type_str() {
        kind @ ("integer" | "array") => format!("an {kind}"),
        "datetime" => "a date".to_owned(),
        kind => format!("a {kind}"),
    }
}

pub(super) fn text(value: &DeValue<'_>) -> Result<String, String> {
    let text = value.as_str().map(str::to_owned);
    text.ok_or_else(|| format!("is {}; write a text in quotes", kind(value)))
}

/// A name, or anything else that is written as a text and has a form of its own.
pub(super) fn name<T: FromStr<Err: Display>>(value: &DeValue<'_>) -> Result<T, String> {
    let text = text(value)?;
    text.parse().map_err(|problem: T::Err| format!("is wrong: {problem}"))
}

/// A whole number.
pub(super) fn count(value: &DeValue<'_>) -> Result<u64, String> {
    let wanted = "write a whole number, such as 60_000";
    let integer = value.as_integer().ok_or_else(|| format!("is {}; {wanted}", kind(value)))?;
    u64::from_str_radix(integer.as_str(), integer.radix()).map_err(|_| {
        format!("is {integer}, which is less than nothing or more than can be counted; {wanted}")
    })
}

/// A whole number that fits fewer bits.
pub(super) fn small<T: TryFrom<u64>>(value: &DeValue<'_>) -> Result<T, String> {
    let count = count(value)?;
    T::try_from(count).map_err(|_| format!("is {count}, which is too much; write less"))
}

/// A percentage of a whole.
pub(super) fn percent(value: &DeValue<'_>) -> Result<u8, String> {
    let percent = count(value)?;
    let fits = u8::try_from(percent).ok().filter(|percent| *percent <= 100);
    fits.ok_or_else(|| format!("is {percent}; write a percentage from 0 to 100"))
}

/// A percentage of a budget, which a soft one may exceed.
pub(super) fn budget_percent(value: &DeValue<'_>) -> Result<u8, String> {
    let percent = count(value)?;
    let fits = u8::try_from(percent).ok().filter(|percent| *percent <= THRESHOLD_MAX_PERCENT);
    fits.ok_or_else(|| format!("is {percent}; write a percentage from 1 to {THRESHOLD_MAX_PERCENT}"))
}

pub(super) fn flag(value: &DeValue<'_>) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("is {}; write true or false", kind(value)))
}

/// A list of whatever `item` reads.
pub(super) fn list<T>(
    item: impl Fn(&DeValue<'_>) -> Result<T, String>,
) -> impl Fn(&DeValue<'_>) -> Result<Vec<T>, String> {
    move |value| {
        let list = value.as_array().ok_or_else(|| format!("is {}; write a list in [ ]", kind(value)))?;
        let (mut read, mut wrong) = (Vec::with_capacity(list.len()), Vec::new());
        for (index, value) in list.iter().enumerate() {
            match item(value.get_ref()) {
                Ok(value) => read.push(value),
                Err(problem) => wrong.push(format!("has an entry {} that {problem}", index + 1)),
            }
        }
        if wrong.is_empty() { Ok(read) } else { Err(wrong.join("; ")) }
    }
}

/// One of several choices, by its name.
pub(super) fn choice<T: Copy>(
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> impl Fn(&DeValue<'_>) -> Result<T, String> {
    move |value| {
        let found = value.as_str().and_then(|text| all.iter().copied().find(|choice| name(*choice) == text));
        found.ok_or_else(|| {
            let names: Vec<_> = all.iter().map(|choice| format!("{:?}", name(*choice))).collect();
            let is = value.as_str().map_or_else(|| kind(value), |text| format!("{text:?}"));
            format!("is {is}; write one of {}", names.join(", "))
        })
    }
}

/// An instant with its offset, or a date, which means its first moment in UTC.
pub(super) fn instant(value: &DeValue<'_>) -> Result<Timestamp, String> {
    let wanted = "write 2026-01-31T09:00:00+01:00, or a date, without quotes";
    let written = value.as_datetime().ok_or_else(|| format!("is {}; {wanted}", kind(value)))?;
    let text = written.to_string();
    let at = DateTime::parse_from_rfc3339(&text).map(|at| at.to_utc()).ok().or_else(|| first_moment(&text));
    at.and_then(|at| at.timestamp_nanos_opt())
        .map(Timestamp::from_nanos)
        .ok_or_else(|| format!("is {text}, which has no offset, or is no instant before 2262; {wanted}"))
}

fn first_moment(day: &str) -> Option<DateTime<Utc>> {
    let day: NaiveDate = day.parse().ok()?;
    Some(day.and_hms_opt(0, 0, 0)?.and_utc())
}

pub(super) fn zone(value: &DeValue<'_>) -> Result<Zone, String> {
    Zone::try_new(&text(value)?).map_err(|problem| format!("is wrong: {problem}"))
}

pub(super) fn currency(value: &DeValue<'_>) -> Result<Currency, String> {
    Currency::try_new(&text(value)?).map_err(|problem| format!("is wrong: {problem}"))
}

/// A price for a million tokens.
pub(super) fn price(value: &DeValue<'_>) -> Result<PicoPerToken, String> {
    let wanted = || format!("is {}; write a decimal in quotes, such as \"2.50\"", kind(value));
    let text = value.as_str().ok_or_else(wanted)?;
    PicoPerToken::try_per_million(text).map_err(|problem| format!("is wrong: {problem}"))
}

/// A sum of money, exact to the nano-unit.
pub(super) fn money(value: &DeValue<'_>) -> Result<Money, String> {
    const PLACES_MAX: usize = 9;
    let wanted = "write a decimal in quotes, such as \"250.00\"";
    let text = value.as_str().ok_or_else(|| format!("is {}; {wanted}", kind(value)))?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let is_decimal = !whole.is_empty() && fraction.len() <= PLACES_MAX && digits(whole) && digits(fraction);
    let nano = is_decimal.then(|| format!("{whole}{fraction:0<PLACES_MAX$}").parse().ok()).flatten();
    nano.map(Money::new).ok_or_else(|| {
        format!("is {text:?}; {wanted}, with at most {PLACES_MAX} places, below 18 000 000 000")
    })
}

/// A name for what has none that can be read. What follows from it is not told.
pub(super) fn stand_in<T: FromStr<Err: Display>>() -> T {
    match "unreadable".parse() {
        Ok(name) => name,
        Err(_) => unreachable!("small letters are a name of every kind"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> DeValue<'_> {
        DeValue::parse(text).unwrap().into_inner()
    }

    #[test]
    fn money_is_exact_to_the_nano_unit() {
        for (text, nano) in
            [("\"250.00\"", 250_000_000_000), ("\"0.000000001\"", 1), ("\"3\"", 3_000_000_000)]
        {
            assert_eq!(money(&value(text)), Ok(Money::new(nano)), "{text}");
        }
        for bad in ["250", "\"-1\"", "\"1.0000000001\"", "\"1,5\"", "\".5\"", "\"99999999999\""] {
            assert!(money(&value(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_may_be_as_large_as_there_are() {
        assert_eq!(count(&value("18_446_744_073_709_551_615")), Ok(u64::MAX));
        assert_eq!(count(&value("0xff")), Ok(255));
        for bad in ["-1", "1.5", "\"1\"", "18_446_744_073_709_551_616"] {
            assert!(count(&value(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_date_means_its_first_moment_in_utc() {
        let day = Timestamp::from_secs(1_767_225_600);
        for text in ["2026-01-01", "2026-01-01T01:00:00+01:00", "2026-01-01 00:00:00Z"] {
            assert_eq!(instant(&value(text)), Ok(day), "{text}");
        }
        for bad in ["2026-01-01T00:00:00", "3000-01-01", "\"2026-01-01\""] {
            assert!(instant(&value(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_choice_that_is_none_names_those_there_are() {
        let read = choice(&[1, 2], |choice| if choice == 1 { "one" } else { "two" });
        assert_eq!(read(&value("\"two\"")), Ok(2));
        assert_eq!(read(&value("\"three\"")).unwrap_err(), "is \"three\"; write one of \"one\", \"two\"");
    }
}
