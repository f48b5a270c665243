//! Periods: what a report is about, `[from, to)`, with days and months as the calendar of a time zone has them.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, TimeDelta, TimeZone};
use chrono_tz::Tz;
use weir_domain::time::{Timestamp, Window};

/// Finer than any change of an offset that there has been this century.
const OFFSET_STEP: TimeDelta = TimeDelta::minutes(15);

/// More than any clock has ever been put forward: Samoa left out a whole day.
const OFFSET_STEPS_MAX: usize = 4 * 48;

/// An edge of a period: RFC 3339, or a date, which means the beginning of that day in the zone.
pub(crate) fn parse_edge(text: &str, zone: Tz) -> Option<Timestamp> {
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return start_of_day(date, zone);
    }
    let at = DateTime::parse_from_rfc3339(text).ok()?;
    at.timestamp_nanos_opt().map(Timestamp::from_nanos)
}

/// The calendar month that an instant is in.
pub(crate) fn month_of(at: Timestamp, zone: Tz) -> Option<Window> {
    let first = local(at, zone).date_naive().with_day(1)?;
    let next = first.checked_add_months(Months::new(1))?;
    Window::try_new(start_of_day(first, zone)?, start_of_day(next, zone)?)
}

/// The first instant of a day. Where clocks are put forward at midnight the day begins later.
pub(crate) fn start_of_day(date: NaiveDate, zone: Tz) -> Option<Timestamp> {
    let midnight = date.and_time(NaiveTime::MIN);
    let steps = std::iter::successors(Some(midnight), |at| at.checked_add_signed(OFFSET_STEP));
    let first = steps.take(OFFSET_STEPS_MAX).find_map(|at| zone.from_local_datetime(&at).earliest())?;
    first.timestamp_nanos_opt().map(Timestamp::from_nanos)
}

/// The day after.
pub(crate) fn next_day(date: NaiveDate) -> Option<NaiveDate> {
    date.checked_add_days(Days::new(1))
}

/// An instant as clocks in the zone show it.
pub(crate) fn local(at: Timestamp, zone: Tz) -> DateTime<Tz> {
    DateTime::from_timestamp_nanos(at.as_nanos()).with_timezone(&zone)
}

/// RFC 3339 with the zone's offset.
pub(crate) fn rfc3339(at: Timestamp, zone: Tz) -> String {
    local(at, zone).to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::{Africa, America, Europe, Pacific, UTC};

    fn at(text: &str) -> Timestamp {
        parse_edge(text, UTC).unwrap()
    }

    fn month(text: &str, zone: Tz) -> (String, String) {
        let month = month_of(at(text), zone).unwrap();
        (rfc3339(month.start(), zone), rfc3339(month.end(), zone))
    }

    fn pair(from: &str, to: &str) -> (String, String) {
        (from.to_owned(), to.to_owned())
    }

    #[test]
    fn a_month_begins_and_ends_with_the_zones_own_clocks() {
        let march = pair("2026-03-01T00:00:00+01:00", "2026-04-01T00:00:00+02:00");
        assert_eq!(month("2026-03-31T21:59:59Z", Europe::Berlin), march);
        let april = pair("2026-04-01T00:00:00+02:00", "2026-05-01T00:00:00+02:00");
        assert_eq!(month("2026-03-31T22:00:00Z", Europe::Berlin), april);
        let october = pair("2026-10-01T00:00:00-04:00", "2026-11-01T00:00:00-04:00");
        assert_eq!(month("2026-10-15T00:00:00Z", America::New_York), october);
        let november = pair("2026-11-01T00:00:00-04:00", "2026-12-01T00:00:00-05:00");
        assert_eq!(month("2026-11-15T00:00:00Z", America::New_York), november);
        assert_eq!(month("2026-12-31T23:00:00Z", UTC), pair("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"));
    }

    #[test]
    fn a_day_without_a_midnight_begins_when_it_begins() {
        let cairo = parse_edge("2026-04-24", Africa::Cairo).unwrap();
        assert_eq!(rfc3339(cairo, Africa::Cairo), "2026-04-24T01:00:00+03:00");
        let apia = parse_edge("2011-12-30", Pacific::Apia).unwrap();
        assert_eq!(rfc3339(apia, Pacific::Apia), "2011-12-31T00:00:00+14:00");
    }

    #[test]
    fn a_midnight_that_comes_twice_is_the_first() {
        let havana = parse_edge("2026-11-01", America::Havana).unwrap();
        assert_eq!(rfc3339(havana, America::Havana), "2026-11-01T00:00:00-04:00");
    }

    #[test]
    fn an_edge_is_a_date_or_an_instant() {
        assert_eq!(at("2026-11-01"), at("2026-11-01T00:00:00Z"));
        assert_eq!(at("2026-11-01T01:00:00+01:00"), at("2026-11-01T00:00:00Z"));
        for bad in ["", "yesterday", "2026-13-01", "2026-02-30", "2026-11-01T00:00", "9999-01-01"] {
            assert_eq!(parse_edge(bad, UTC), None, "{bad}");
        }
    }
}
