//! The chart of the page: tokens per day, or per hour while there are not two days of them, as bars.

use chrono::{DateTime, TimeDelta};
use chrono_tz::Tz;
use weir_domain::time::{Timestamp, Window};

use crate::period::{local, next_day, start_of_day};
use crate::report::Row;
use crate::request::Dimension;
use crate::tables::Edges;

/// Below this age of the oldest event the bars are hours.
const YOUNG: std::time::Duration = std::time::Duration::from_hours(48);

/// More bars than days in a month or hours in two days never are; a longer period shows its end.
const BARS_MAX: usize = 62;

/// The chart's own units; the page stretches it.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 160.0;

/// How much of a bar's place it fills.
const FILL: f64 = 0.72;

/// What the bars are.
pub(crate) fn step(edges: &Edges, now: Timestamp) -> Dimension {
    if now.since(edges.oldest) < YOUNG { Dimension::Hour } else { Dimension::Day }
}

/// What of a period is shown: not what is still to come, unless there are events of it already.
pub(crate) fn shown(period: Window, edges: &Edges, now: Timestamp) -> Window {
    let known = now.max(edges.newest).plus(std::time::Duration::from_nanos(1));
    Window::try_new(period.start(), period.end().min(known)).unwrap_or(period)
}

/// A chart, measured out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chart {
    pub(crate) bars: Vec<Bar>,
    /// The largest sum of a bar.
    pub(crate) peak_tokens: u64,
    /// Labels of the first and the last bar.
    pub(crate) first: String,
    pub(crate) last: String,
}

/// One bar: input below, output on top.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) x: String,
    pub(crate) width: String,
    pub(crate) input_y: String,
    pub(crate) input_height: String,
    pub(crate) output_y: String,
    pub(crate) output_height: String,
}

/// Draws rows that are told apart by `step`. Days and hours without usage are there too, as gaps.
pub(crate) fn draw(rows: &[Row], step: Dimension, edges: &Edges, shown: Window, zone: Tz) -> Option<Chart> {
    let labels = labels(step, edges, shown, zone);
    let figures = |label: &String| {
        let row = rows.iter().find(|row| row.names.first() == Some(label));
        row.map_or((0, 0), |row| (row.figures.input_tokens, row.figures.output_tokens))
    };
    let sums: Vec<_> = labels.iter().map(figures).collect();
    let peak_tokens = sums.iter().map(|(input, output)| input + output).max()?;
    let place = WIDTH / as_length(labels.len() as u64);
    let bars = labels.iter().zip(sums).enumerate().map(|(index, (label, (input, output)))| {
        let height = |tokens: u64| HEIGHT * as_length(tokens) / as_length(peak_tokens.max(1));
        let top_of_input = HEIGHT - height(input);
        Bar {
            label: label.clone(),
            input_tokens: input,
            output_tokens: output,
            x: length(place * (as_length(index as u64) + (1.0 - FILL) / 2.0)),
            width: length(place * FILL),
            input_y: length(top_of_input),
            input_height: length(height(input)),
            output_y: length(top_of_input - height(output)),
            output_height: length(height(output)),
        }
    });
    Some(Chart {
        bars: bars.collect(),
        peak_tokens,
        first: labels.first()?.clone(),
        last: labels.last()?.clone(),
    })
}

/// Every day or hour from the first event to the end of what is shown, named as the query names it.
fn labels(step: Dimension, edges: &Edges, shown: Window, zone: Tz) -> Vec<String> {
    let mut labels = match step {
        Dimension::Hour => hours(edges.oldest, shown.end(), zone),
        _ => days(shown, zone),
    };
    labels.drain(..labels.len().saturating_sub(BARS_MAX));
    labels
}

fn days(shown: Window, zone: Tz) -> Vec<String> {
    let first = local(shown.start(), zone).date_naive();
    let dates = std::iter::successors(Some(first), |date| next_day(*date));
    let begun = dates.take_while(|date| start_of_day(*date, zone).is_some_and(|start| start < shown.end()));
    begun.map(|date| date.format("%Y-%m-%d").to_string()).collect()
}

fn hours(from: Timestamp, to: Timestamp, zone: Tz) -> Vec<String> {
    let label = |at: &DateTime<Tz>| at.format("%Y-%m-%dT%H:00%z").to_string();
    let last = local(to.minus(std::time::Duration::from_nanos(1)), zone);
    let steps =
        std::iter::successors(Some(local(from, zone)), |at| at.checked_add_signed(TimeDelta::hours(1)));
    let mut labels: Vec<String> = steps.take_while(|at| *at <= last).map(|at| label(&at)).collect();
    // Steps begin within an hour, so the last may be missed.
    if labels.last() != Some(&label(&last)) {
        labels.push(label(&last));
    }
    labels
}

#[expect(clippy::cast_precision_loss, reason = "a bar is a few hundred units high")]
fn as_length(count: u64) -> f64 {
    count as f64
}

fn length(value: f64) -> String {
    format!("{value:.2}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::period::parse_edge;
    use crate::report::Figures;
    use chrono_tz::{Europe, UTC};

    fn window(from: &str, to: &str, zone: Tz) -> Window {
        Window::try_new(parse_edge(from, zone).unwrap(), parse_edge(to, zone).unwrap()).unwrap()
    }

    fn edges(at: Timestamp) -> Edges {
        Edges { oldest: at, newest: at }
    }

    fn row(label: &str, input_tokens: u64, output_tokens: u64) -> Row {
        let figures = Figures { input_tokens, output_tokens, ..Figures::default() };
        Row { names: vec![label.to_owned()], figures }
    }

    #[test]
    fn bars_are_as_high_as_their_tokens_and_gaps_are_shown() {
        let shown = window("2026-11-01", "2026-11-03T12:00:00Z", UTC);
        let rows = [row("2026-11-01", 30, 10), row("2026-11-03", 10, 10)];
        let chart = draw(&rows, Dimension::Day, &edges(shown.start()), shown, UTC).unwrap();
        assert_eq!(chart.peak_tokens, 40);
        let bars: Vec<_> = chart
            .bars
            .iter()
            .map(|bar| (bar.label.as_str(), bar.input_height.as_str(), bar.output_y.as_str()))
            .collect();
        assert_eq!(
            bars,
            [
                ("2026-11-01", "120.00", "0.00"),
                ("2026-11-02", "0.00", "160.00"),
                ("2026-11-03", "40.00", "80.00")
            ]
        );
    }

    #[test]
    fn an_hour_that_comes_twice_has_two_bars() {
        let shown = window("2026-10-25T00:30:00Z", "2026-10-25T02:10:00Z", Europe::Berlin);
        let labels = labels(Dimension::Hour, &edges(shown.start()), shown, Europe::Berlin);
        assert_eq!(labels, ["2026-10-25T02:00+0200", "2026-10-25T02:00+0100", "2026-10-25T03:00+0100"]);
    }

    #[test]
    fn hours_are_shown_until_there_are_two_days() {
        let oldest = Timestamp::from_secs(1_000_000);
        assert_eq!(step(&edges(oldest), oldest.plus(YOUNG)), Dimension::Day);
        assert_eq!(step(&edges(oldest), Timestamp::from_secs(1_003_600)), Dimension::Hour);
    }
}
