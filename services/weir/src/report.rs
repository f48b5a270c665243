//! `weir report`: the showback report in the terminal, from showback's own API.

use anyhow::Context;
use serde::Deserialize;

use crate::config::Config;
use crate::http::Http;
use crate::output::{Table, name, number};
use crate::{cli, output};

/// A report as showback's API gives it.
#[derive(Debug, Deserialize)]
pub(crate) struct Report {
    from: String,
    to: String,
    currency: Option<String>,
    rows: Vec<Row>,
    total: Row,
}

#[derive(Debug, Deserialize)]
struct Row {
    #[serde(default)]
    team: String,
    #[serde(default)]
    service: String,
    requests: u64,
    refused: u64,
    input_tokens: u64,
    input_cached_tokens: u64,
    output_tokens: u64,
    cost: Option<String>,
}

pub(crate) async fn run(config: &Config, options: cli::Report) -> anyhow::Result<()> {
    let base = format!("http://{}", config.showback.listen);
    let format = if options.format == cli::ReportFormat::Csv { "csv" } else { "json" };
    let mut query = format!("format={format}");
    for (name, value) in [("from", options.from), ("to", options.to), ("team", options.team)] {
        if let Some(value) = value {
            query += &format!("&{name}={}", escaped(&value));
        }
    }
    let text = Http::new().get(&format!("{base}/api/v1/report?{query}")).await?;
    if options.format == cli::ReportFormat::Table {
        let report: Report = serde_json::from_str(&text).context("showback's answer is not a report")?;
        output::line(&report.table());
    } else {
        output::line(text.trim_end());
    }
    Ok(())
}

/// Fetches the report of this month.
pub(crate) async fn fetch(http: &Http, showback: &str) -> anyhow::Result<Report> {
    let text = http.get(&format!("http://{showback}/api/v1/report?format=json")).await?;
    serde_json::from_str(&text).context("showback's answer is not a report")
}

impl Report {
    /// Whether anything has been reported yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The report as a table for a terminal.
    pub(crate) fn table(&self) -> String {
        let currency = self.currency.as_deref().unwrap_or("no price");
        let cost = format!("cost ({currency})");
        let columns = [
            name("team"),
            name("service").or_under(),
            number("tokens in"),
            number("cached").or_under(),
            number("tokens out"),
            number("requests"),
            number("refused").or_under(),
            number(&cost),
        ];
        let mut rows: Vec<_> = self.rows.iter().map(|row| row.cells(&row.team)).collect();
        rows.push(self.total.cells("total"));
        format!("{} to {}\n{}", self.from, self.to, Table::new(columns, rows))
    }
}

impl Row {
    fn cells(&self, team: &str) -> Vec<String> {
        let numbers =
            [self.input_tokens, self.input_cached_tokens, self.output_tokens, self.requests, self.refused];
        let mut cells = vec![team.to_owned(), self.service.clone()];
        cells.extend(numbers.map(output::grouped));
        cells.push(self.cost.as_deref().map_or_else(|| "–".to_owned(), money));
        cells
    }
}

/// A decimal with at least two and at most six places, for reading; exports carry every digit.
fn money(decimal: &str) -> String {
    const PLACES: std::ops::RangeInclusive<usize> = 2..=6;
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    let shown = fraction.get(..*PLACES.end()).unwrap_or(fraction);
    let shown = shown.trim_end_matches('0');
    format!("{whole}.{shown:0<2}")
}

/// Percent-encodes a query value (RFC 3986, everything but unreserved characters).
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text += &format!("%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_readable() {
        let cases = [("1.500000000000", "1.50"), ("0.000012345678", "0.000012"), ("3", "3.00")];
        for (decimal, text) in cases {
            assert_eq!(money(decimal), text);
        }
    }

    #[test]
    fn an_offset_survives_the_query() {
        assert_eq!(escaped("2026-11-01T00:00:00+01:00"), "2026-11-01T00%3A00%3A00%2B01%3A00");
    }
}
