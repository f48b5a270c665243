//! Calendar periods: from one midnight of a time zone to another.
//!
//! Edges are computed from the time zone database that is compiled in. Where a clock change skips a midnight, the period
//! begins at the first instant of that day; where one repeats it, at the first of the two.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};

use crate::time::{Timestamp, Window};

const BEFORE_THE_LAST: Timestamp = Timestamp::from_nanos(i64::MAX - 1);

/// A span of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Period {
    /// From midnight to midnight: 23 to 25 hours where clocks change.
    Day,
    /// From Monday to Monday (ISO 8601).
    Week,
    /// A calendar month.
    Month,
    /// Three calendar months, from January, April, July or October on.
    Quarter,
    /// A calendar year.
    Year,
}

impl Period {
    /// Every period there is, the shortest first.
    pub const ALL: [Self; 5] = [Self::Day, Self::Week, Self::Month, Self::Quarter, Self::Year];

    /// Its name in policies and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    /// The period of that name, if it is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|period| period.as_str() == name)
    }

    /// The period that holds an instant. The very last instant, in the year 2262, is in none; the one before stands for it.
    pub fn holding(self, at: Timestamp, zone: Zone) -> Window {
        let at = at.min(BEFORE_THE_LAST);
        let local = DateTime::<Utc>::from_timestamp_nanos(at.as_nanos()).with_timezone(&zone.0).date_naive();
        let mut first = self.first_day(local);
        let mut next = self.next_first_day(first);
        // Where clocks go back from just after midnight to just before it, the day before comes twice: its second part
        // belongs to the day that has begun.
        if zone.first_instant(next) <= at {
            (first, next) = (next, self.next_first_day(next));
        }
        Window::try_new(zone.first_instant(first), zone.first_instant(next))
            .expect("the period has the instant in it, so it ends after it begins")
    }

    fn first_day(self, day: NaiveDate) -> NaiveDate {
        let first_of =
            |month| NaiveDate::from_ymd_opt(day.year(), month, 1).expect("every month has a first day");
        match self {
            Self::Day => day,
            Self::Week => day - Days::new(u64::from(day.weekday().num_days_from_monday())),
            Self::Month => first_of(day.month()),
            Self::Quarter => first_of(day.month0() / 3 * 3 + 1),
            Self::Year => first_of(1),
        }
    }

    fn next_first_day(self, first: NaiveDate) -> NaiveDate {
        match self {
            Self::Day => first + Days::new(1),
            Self::Week => first + Days::new(7),
            Self::Month => first + Months::new(1),
            Self::Quarter => first + Months::new(3),
            Self::Year => first + Months::new(12),
        }
    }
}

/// A time zone of the IANA database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Zone(Tz);

/// Why a text is not a time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a time zone; use a name of the IANA database, such as \"Europe/Berlin\" or \"UTC\"")]
pub struct InvalidZone {
    /// What was given.
    pub text: String,
}

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(Tz::UTC);

    /// The zone of this name.
    pub fn try_new(text: &str) -> Result<Self, InvalidZone> {
        text.parse().map(Self).map_err(|_| InvalidZone { text: text.to_owned() })
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        self.0.name()
    }

    /// The first instant of a day here: its midnight, or where that is skipped, the end of the gap. So a day that was
    /// skipped whole (Samoa, 30 December 2011) begins and ends where the next one begins.
    fn first_instant(self, day: NaiveDate) -> Timestamp {
        let midnight = day.and_time(NaiveTime::MIN);
        let first = self.0.from_local_datetime(&midnight).earliest();
        let first = first.or_else(|| GapInfo::new(&midnight, &self.0)?.end);
        let first = first.map_or_else(|| midnight.and_utc(), |first| first.to_utc());
        first.timestamp_nanos_opt().map_or_else(|| end_of_time(day), Timestamp::from_nanos)
    }
}

/// What stands for a day that no instant reaches.
fn end_of_time(day: NaiveDate) -> Timestamp {
    Timestamp::from_nanos(if day.year() < 1_970 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An instant, written as RFC 3339.
    fn at(text: &str) -> Timestamp {
        Timestamp::from_nanos(DateTime::parse_from_rfc3339(text).unwrap().timestamp_nanos_opt().unwrap())
    }

    fn window(period: Period, zone: &str, instant: &str) -> (Timestamp, Timestamp) {
        let window = period.holding(at(instant), Zone::try_new(zone).unwrap());
        (window.start(), window.end())
    }

    #[test]
    fn a_day_has_23_hours_when_clocks_go_forward_and_25_when_they_go_back() {
        let forward = window(Period::Day, "Europe/Berlin", "2026-03-29T10:00:00Z");
        assert_eq!(forward, (at("2026-03-28T23:00:00Z"), at("2026-03-29T22:00:00Z")));
        let back = window(Period::Day, "Europe/Berlin", "2026-10-25T00:30:00Z");
        assert_eq!(back, (at("2026-10-24T22:00:00Z"), at("2026-10-25T23:00:00Z")));
    }

    #[test]
    fn a_month_is_that_of_the_zone_not_of_utc() {
        let sydney = window(Period::Month, "Australia/Sydney", "2026-09-30T20:00:00Z");
        assert_eq!(sydney, (at("2026-09-30T14:00:00Z"), at("2026-10-31T13:00:00Z")));
    }

    #[test]
    fn weeks_begin_on_monday_quarters_in_their_month_and_years_in_january() {
        let utc = |period| window(period, "UTC", "2026-11-21T12:00:00Z");
        assert_eq!(utc(Period::Week), (at("2026-11-16T00:00:00Z"), at("2026-11-23T00:00:00Z")));
        assert_eq!(utc(Period::Quarter), (at("2026-10-01T00:00:00Z"), at("2027-01-01T00:00:00Z")));
        assert_eq!(utc(Period::Year), (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z")));
    }

    #[test]
    fn a_day_whose_midnight_is_skipped_begins_at_its_first_instant() {
        let santiago = window(Period::Day, "America/Santiago", "2024-09-08T12:00:00Z");
        assert_eq!(santiago, (at("2024-09-08T04:00:00Z"), at("2024-09-09T03:00:00Z")));
    }

    #[test]
    fn a_midnight_that_comes_twice_begins_the_day_the_first_time() {
        let havana = window(Period::Day, "America/Havana", "2026-11-01T12:00:00Z");
        assert_eq!(havana.0, at("2026-11-01T04:00:00Z"));
    }

    #[test]
    fn the_day_before_one_that_never_was_ends_where_the_one_after_it_begins() {
        let before = window(Period::Day, "Pacific/Apia", "2011-12-30T09:59:59Z");
        assert_eq!(before, (at("2011-12-29T10:00:00Z"), at("2011-12-30T10:00:00Z")));
        let after = window(Period::Day, "Pacific/Apia", "2011-12-30T10:00:00Z");
        assert_eq!(after, (at("2011-12-30T10:00:00Z"), at("2011-12-31T10:00:00Z")));
    }

    #[test]
    fn a_day_that_has_begun_is_not_left_when_clocks_go_back_over_its_midnight() {
        // At 00:01 of 7 November 2010, clocks in St. John's went back to 23:01 of the 6th.
        let begun = window(Period::Day, "America/St_Johns", "2010-11-07T02:30:30Z");
        let again = window(Period::Day, "America/St_Johns", "2010-11-07T02:59:00Z");
        assert_eq!(begun, again);
        assert_eq!(begun, (at("2010-11-07T02:30:00Z"), at("2010-11-08T03:30:00Z")));
    }

    #[test]
    fn an_edge_belongs_to_the_period_that_it_begins() {
        for period in Period::ALL {
            for zone in ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Auckland"] {
                let (start, end) = window(period, zone, "2026-03-29T01:30:00Z");
                let zone = Zone::try_new(zone).unwrap();
                assert_eq!(period.holding(start, zone).start(), start);
                assert_eq!(period.holding(end, zone).start(), end);
                let last = Timestamp::from_nanos(end.as_nanos() - 1);
                assert_eq!(period.holding(last, zone).start(), start);
            }
        }
    }
    proptest! {
        #[test]
        fn every_instant_is_in_its_period_and_periods_follow_each_other(
            nanos in prop_oneof![any::<i64>(), 0..4_000_000_000_000_000_000_i64, Just(i64::MIN), Just(i64::MAX - 1)],
            zone in prop::sample::select(&chrono_tz::TZ_VARIANTS[..]),
            period in prop::sample::select(&Period::ALL[..]),
        ) {
            let (zone, at) = (Zone(zone), Timestamp::from_nanos(nanos));
            let window = period.holding(at, zone);
            prop_assert!(window.contains(at), "{window:?}");
            if window.end() < BEFORE_THE_LAST {
                prop_assert_eq!(period.holding(window.end(), zone).start(), window.end());
            }
        }
    }
}
