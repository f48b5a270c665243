//! The page: the month's report, readable without scripts, that loads itself again.
//!
//! Everything that comes from elsewhere is escaped by the template.

use askama::Template;
use chrono_tz::Tz;
use weir_domain::price::Currency;
use weir_domain::time::{Timestamp, Window};

use crate::chart::Chart;
use crate::period::local;
use crate::report::{Figures, Report};
use crate::request::Dimension;

/// What the page shows.
pub(crate) enum Content {
    /// The report of a month.
    Report {
        /// By team and service.
        report: Box<Report>,
        /// Tokens over time, and what the bars are.
        chart: Option<(Chart, Dimension)>,
    },
    /// Why there is none.
    Nothing(String),
}

/// Renders the page.
pub(crate) fn render(
    content: &Content,
    month: Window,
    now: (Timestamp, Tz),
    refresh_secs: u32,
) -> askama::Result<String> {
    let (now, zone) = now;
    let (report, chart, problem) = match content {
        Content::Report { report, chart } => (Some(report.as_ref()), chart.as_ref(), None),
        Content::Nothing(why) => (None, None, Some(why.as_str())),
    };
    let page = Page {
        month: local(month.start(), zone).format("%B %Y").to_string(),
        zone: zone.name(),
        as_of: clock_time(now, zone),
        newest: report.and_then(|report| report.newest_event).map(|at| clock_time(at, zone)),
        currency: report.and_then(|report| report.currency.as_ref()).map_or("no price", Currency::as_str),
        has_rows: report.is_some_and(|report| !report.rows.is_empty()),
        total: Cells::of(&report.map(Report::total).unwrap_or_default()),
        teams: report.map(teams).unwrap_or_default(),
        chart: chart.map(|(chart, step)| ChartView::of(chart, *step)),
        problem,
        refresh_secs,
    };
    page.render()
}

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    month: String,
    zone: &'a str,
    as_of: String,
    newest: Option<String>,
    currency: &'a str,
    has_rows: bool,
    total: Cells,
    teams: Vec<Team>,
    chart: Option<ChartView<'a>>,
    problem: Option<&'a str>,
    refresh_secs: u32,
}

/// A team's rows and their sum.
struct Team {
    name: String,
    services: Vec<(String, Cells)>,
    sum: Cells,
}

/// Figures as they are read.
struct Cells {
    requests: String,
    refused: String,
    has_refused: bool,
    input: String,
    cached: String,
    output: String,
    cost: String,
    unpriced: Option<String>,
}

struct ChartView<'a> {
    chart: &'a Chart,
    step: &'static str,
    peak: String,
    bars: Vec<(&'a crate::chart::Bar, String)>,
}

impl Cells {
    fn of(figures: &Figures) -> Self {
        Self {
            requests: grouped(figures.requests),
            refused: grouped(figures.refused),
            has_refused: figures.refused > 0,
            input: grouped(figures.input_tokens),
            cached: grouped(figures.input_cached_tokens),
            output: grouped(figures.output_tokens),
            cost: figures.cost_text().unwrap_or_else(|| "–".to_owned()),
            unpriced: (figures.unpriced_tokens > 0).then(|| grouped(figures.unpriced_tokens)),
        }
    }
}

impl<'a> ChartView<'a> {
    fn of(chart: &'a Chart, step: Dimension) -> Self {
        let title = |bar: &crate::chart::Bar| {
            format!("{}: {} in, {} out", bar.label, grouped(bar.input_tokens), grouped(bar.output_tokens))
        };
        Self {
            chart,
            step: step.name(),
            peak: grouped(chart.peak_tokens),
            bars: chart.bars.iter().map(|bar| (bar, title(bar))).collect(),
        }
    }
}

/// Rows are in order of team and service, so a team's rows are neighbours.
fn teams(report: &Report) -> Vec<Team> {
    let team_of = |row: &crate::report::Row| row.names.first().cloned().unwrap_or_default();
    let neighbours = report.rows.chunk_by(|one, next| team_of(one) == team_of(next));
    neighbours
        .map(|rows| Team {
            name: rows.first().map(team_of).unwrap_or_default(),
            services: rows
                .iter()
                .map(|row| (row.names.get(1).cloned().unwrap_or_default(), Cells::of(&row.figures)))
                .collect(),
            sum: Cells::of(&rows.iter().fold(Figures::default(), |sum, row| sum.plus(&row.figures))),
        })
        .collect()
}

fn clock_time(at: Timestamp, zone: Tz) -> String {
    local(at, zone).format("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// Digits in groups of three.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Row;
    use weir_domain::price::PicoMoney;

    fn month() -> Window {
        Window::try_new(Timestamp::from_secs(1_793_491_200), Timestamp::from_secs(1_796_083_200)).unwrap()
    }

    fn page(rows: Vec<Row>) -> String {
        let report = Report {
            period: month(),
            zone: chrono_tz::UTC,
            as_of: month().start(),
            newest_event: None,
            currency: Currency::try_new("USD").ok(),
            group_by: vec![Dimension::Team, Dimension::Service],
            rows,
        };
        let content = Content::Report { report: Box::new(report), chart: None };
        render(&content, month(), (month().start(), chrono_tz::UTC), 10).unwrap()
    }

    fn row(team: &str, service: &str, requests: u64, cost: i128) -> Row {
        let figures = Figures { requests, cost: PicoMoney::new(cost), ..Figures::default() };
        Row { names: vec![team.into(), service.into()], figures }
    }

    #[test]
    fn the_page_shows_the_digits_of_the_export() {
        let page = page(vec![row("search", "chat", 1_234_567, 1), row("search", "rank", 1, 2)]);
        assert!(page.contains("November 2026"), "{page}");
        assert!(page.contains("1,234,567") && page.contains("1,234,568"), "{page}");
        assert!(page.contains("0.000000000001") && page.contains("0.000000000003"), "{page}");
    }

    #[test]
    fn what_comes_from_elsewhere_is_escaped() {
        let page = page(vec![row("<script>alert(1)</script>", "\"onload=\"x", 1, 0)]);
        assert!(!page.contains("<script>") && !page.contains("\"onload"), "{page}");
    }

    #[test]
    fn an_outage_is_said_on_the_page() {
        let content = Content::Nothing("clickhouse is away".to_owned());
        let page = render(&content, month(), (month().start(), chrono_tz::UTC), 10).unwrap();
        assert!(page.contains("clickhouse is away"), "{page}");
        assert!(page.contains("http-equiv=\"refresh\""), "{page}");
    }

    #[test]
    fn digits_are_grouped() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")];
        for (count, text) in cases {
            assert_eq!(grouped(count), text);
        }
    }
}
