//! What is asked for: the parameters of a report, checked one by one.

use std::time::Duration;

use chrono_tz::Tz;
use serde::Serialize;
use weir_domain::ids::{ServiceId, TeamId};
use weir_domain::price::Currency;
use weir_domain::time::{Timestamp, Window};

use crate::period::{month_of, parse_edge};

/// What a report is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRequest {
    /// The time, `[from, to)`.
    pub period: Window,
    /// Only this team.
    pub team: Option<TeamId>,
    /// Only this service.
    pub service: Option<ServiceId>,
    /// What there is one row for.
    pub group_by: Vec<Dimension>,
    /// The currency of costs. None: that of the price that was set last.
    pub currency: Option<Currency>,
}

/// What rows of a report can be told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    /// The team.
    Team,
    /// The service.
    Service,
    /// The pool that served.
    Pool,
    /// The model, as callers ask for it.
    Model,
    /// The calendar month, `2026-11`.
    Month,
    /// The day, `2026-11-21`.
    Day,
    /// The hour with its offset, `2026-11-21T13:00+0100`.
    Hour,
}

impl Dimension {
    const ALL: [Self; 7] =
        [Self::Team, Self::Service, Self::Pool, Self::Model, Self::Month, Self::Day, Self::Hour];

    /// Its name in parameters, JSON and CSV.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Service => "service",
            Self::Pool => "pool",
            Self::Model => "model",
            Self::Month => "month",
            Self::Day => "day",
            Self::Hour => "hour",
        }
    }
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Format {
    #[default]
    Json,
    Csv,
}

/// A parameter that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct BadParameter {
    pub(crate) field: String,
    pub(crate) message: String,
}

impl BadParameter {
    pub(crate) fn new(field: &str, message: impl std::fmt::Display) -> Self {
        Self { field: field.to_owned(), message: message.to_string() }
    }
}

/// What the parameters are read against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) now: Timestamp,
    pub(crate) zone: Tz,
    pub(crate) currency: Option<Currency>,
}

impl ReportRequest {
    /// The current calendar month by team and service.
    pub(crate) fn this_month(setting: Setting) -> Result<Self, BadParameter> {
        Ok(Self {
            period: period(None, None, setting)?,
            team: None,
            service: None,
            group_by: vec![Dimension::Team, Dimension::Service],
            currency: setting.currency,
        })
    }

    /// Reads the parameters of a query. What is unknown or given twice is an error, for the report would be another.
    pub(crate) fn parse(
        parameters: &[(String, String)],
        setting: Setting,
    ) -> Result<(Self, Format), BadParameter> {
        let mut request = Self::this_month(setting)?;
        let (mut from, mut to, mut format) = (None, None, Format::default());
        for (index, (name, value)) in parameters.iter().enumerate() {
            if parameters[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(BadParameter::new(name, "is given twice"));
            }
            let bad = |message: &dyn std::fmt::Display| BadParameter::new(name, message);
            match name.as_str() {
                "from" => from = Some(edge(name, value, setting.zone)?),
                "to" => to = Some(edge(name, value, setting.zone)?),
                "team" => request.team = Some(TeamId::try_new(value).map_err(|e| bad(&e))?),
                "service" => request.service = Some(ServiceId::try_new(value).map_err(|e| bad(&e))?),
                "group_by" => request.group_by = group_by(value).map_err(|e| bad(&e))?,
                "currency" => request.currency = Some(Currency::try_new(value).map_err(|e| bad(&e))?),
                "format" => format = parse_format(value).map_err(|e| bad(&e))?,
                _ => return Err(bad(&"is not a parameter of a report")),
            }
        }
        request.period = period(from, to, setting)?;
        Ok((request, format))
    }
}

fn edge(name: &str, value: &str, zone: Tz) -> Result<Timestamp, BadParameter> {
    let message = || format!("{value:?} is neither a date such as 2026-11-01 nor an RFC 3339 instant");
    parse_edge(value, zone).ok_or_else(|| BadParameter::new(name, message()))
}

/// Where an edge is not given it is the nearest edge of a calendar month that makes sense.
fn period(from: Option<Timestamp>, to: Option<Timestamp>, setting: Setting) -> Result<Window, BadParameter> {
    let month = |at: Timestamp| {
        month_of(at, setting.zone).ok_or_else(|| BadParameter::new("from", "is not in a calendar month"))
    };
    let window = match (from, to) {
        (Some(from), Some(to)) => Window::try_new(from, to),
        (Some(from), None) => Window::try_new(from, month(from.max(setting.now))?.end()),
        (None, Some(to)) => Window::try_new(month(to.minus(Duration::from_nanos(1)))?.start(), to),
        (None, None) => Some(month(setting.now)?),
    };
    window.ok_or_else(|| BadParameter::new("to", "is not after from"))
}

fn group_by(value: &str) -> Result<Vec<Dimension>, String> {
    let mut dimensions = Vec::new();
    for name in value.split(',') {
        let known = || Dimension::ALL.map(Dimension::name).join(", ");
        let found = Dimension::ALL.into_iter().find(|dimension| dimension.name() == name);
        let dimension = found.ok_or_else(|| format!("{name:?} is not one of {}", known()))?;
        if dimensions.contains(&dimension) {
            return Err(format!("{name:?} is named twice"));
        }
        dimensions.push(dimension);
    }
    // A service is always shown with its team.
    if dimensions.contains(&Dimension::Service) && !dimensions.contains(&Dimension::Team) {
        dimensions.insert(0, Dimension::Team);
    }
    Ok(dimensions)
}

fn parse_format(value: &str) -> Result<Format, String> {
    match value {
        "json" => Ok(Format::Json),
        "csv" => Ok(Format::Csv),
        _ => Err(format!("{value:?} is neither json nor csv")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::Europe;

    fn parse(query: &[(&str, &str)]) -> Result<(ReportRequest, Format), BadParameter> {
        let owned: Vec<_> = query.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let now = parse_edge("2026-11-20T12:00:00Z", Europe::Berlin).unwrap();
        ReportRequest::parse(&owned, Setting { now, zone: Europe::Berlin, currency: None })
    }

    fn period_of(query: &[(&str, &str)]) -> (Timestamp, Timestamp) {
        let (request, _) = parse(query).unwrap();
        (request.period.start(), request.period.end())
    }

    fn berlin(from: &str, to: &str) -> (Timestamp, Timestamp) {
        (parse_edge(from, Europe::Berlin).unwrap(), parse_edge(to, Europe::Berlin).unwrap())
    }

    #[test]
    fn without_parameters_it_is_this_month_by_service() {
        let (request, format) = parse(&[]).unwrap();
        assert_eq!(request.group_by, [Dimension::Team, Dimension::Service]);
        assert_eq!(format, Format::Json);
        assert_eq!(period_of(&[]), berlin("2026-11-01", "2026-12-01"));
    }

    #[test]
    fn an_edge_that_is_not_given_is_that_of_a_month() {
        assert_eq!(period_of(&[("from", "2026-09-15")]), berlin("2026-09-15", "2026-12-01"));
        assert_eq!(period_of(&[("from", "2027-02-10")]), berlin("2027-02-10", "2027-03-01"));
        assert_eq!(period_of(&[("to", "2026-10-01")]), berlin("2026-09-01", "2026-10-01"));
        assert_eq!(period_of(&[("to", "2026-10-02")]), berlin("2026-10-01", "2026-10-02"));
    }

    #[test]
    fn rows_can_be_told_apart_by_several_things() {
        let (request, _) = parse(&[("group_by", "day,service")]).unwrap();
        assert_eq!(request.group_by, [Dimension::Team, Dimension::Day, Dimension::Service]);
        let (request, format) =
            parse(&[("group_by", "model"), ("format", "csv"), ("team", "search")]).unwrap();
        assert_eq!((request.group_by, format), (vec![Dimension::Model], Format::Csv));
        assert_eq!(request.team, TeamId::try_new("search").ok());
    }

    #[test]
    fn a_parameter_that_means_nothing_is_named() {
        let cases: [&[(&str, &str)]; 10] = [
            &[("from", "yesterday")],
            &[("to", "2026-02-30")],
            &[("to", "2026-10-01"), ("from", "2026-10-01")],
            &[("team", "No Such Team")],
            &[("service", "")],
            &[("group_by", "colour")],
            &[("group_by", "day,day")],
            &[("format", "pdf")],
            &[("currency", "usd")],
            &[("page", "2")],
        ];
        for query in cases {
            let problem = parse(query).unwrap_err();
            assert_eq!(problem.field, query[0].0, "{problem:?}");
        }
        assert_eq!(parse(&[("team", "a"), ("team", "b")]).unwrap_err().message, "is given twice");
    }
}
