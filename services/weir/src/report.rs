//! `weir report`: the showback report in the terminal, from showback's own API.

use anyhow::{Context, bail};
use serde::Deserialize;
use weir_domain::ids::TeamId;
use weir_proto::codec;
use weir_runtime::clock::{Clock, SystemClock};

use crate::config::Config;
use crate::http::Http;
use crate::output::{Table, name, number};
use crate::{cli, client, output, policy};

/// A report as showback's API gives it.
#[derive(Debug, Deserialize)]
pub(crate) struct Report {
    from: String,
    to: String,
    currency: Option<String>,
    rows: Vec<Row>,
    total: Row,
}

/// An error as showback's API gives it.
#[derive(Debug, Deserialize)]
struct Refused {
    error: Problem,
}

#[derive(Debug, Deserialize)]
struct Problem {
    field: Option<String>,
    message: String,
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
    let now = SystemClock.now();
    let edge = |edge: cli::Edge| match edge {
        cli::Edge::Day(day) => day.to_string(),
        cli::Edge::At(when) => codec::rfc3339(when.seen_from(now)),
    };
    let team = options.team.as_ref().map(ToString::to_string);
    let mut query = format!("format={format}");
    for (name, value) in [("from", options.from.map(edge)), ("to", options.to.map(edge)), ("team", team)] {
        if let Some(value) = value {
            query += &format!("&{name}={}", escaped(&value));
        }
    }
    let (status, text) = Http::new().ask(&format!("{base}/api/v1/report?{query}")).await?;
    if !status.is_success() {
        bail!(refused(&text));
    }
    if options.format != cli::ReportFormat::Table {
        output::line(text.trim_end());
        return Ok(());
    }
    let report: Report = serde_json::from_str(&text).context("showback's answer is not a report")?;
    if let Some(team) = options.team.filter(|_| report.is_empty()) {
        is_team(config, &team).await?;
    }
    output::line(&report.table());
    Ok(())
}

/// What showback says of a request that it does not answer: which option is wrong, or what is.
fn refused(text: &str) -> String {
    let Ok(Refused { error }) = serde_json::from_str(text) else { return format!("showback says: {text}") };
    match error.field {
        Some(field) => format!("--{field} {}", error.message),
        None => format!("showback says: {}", error.message),
    }
}

/// Of a team without usage, whether there is such a team. Showback knows only of usage, so quota is asked; where it does
/// not answer, nobody knows better.
async fn is_team(config: &Config, team: &TeamId) -> anyhow::Result<()> {
    let Ok(mut quota) = client::connect(config).await else { return Ok(()) };
    let Ok(policy) = policy::current(&mut quota).await else { return Ok(()) };
    if policy.teams.iter().any(|known| known.id == *team) {
        return Ok(());
    }
    let known: Vec<_> = policy.teams.iter().map(|team| team.id.to_string()).collect();
    bail!("--team {team}: there is no such team and no usage of it; there are {}", known.join(", "))
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
        cells.push(self.cost.as_deref().map_or_else(|| "–".to_owned(), output::money));
        cells
    }
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
    fn what_showback_refuses_is_told_with_its_option() {
        let told = refused(r#"{"error":{"field":"to","message":"is not after from"}}"#);
        assert_eq!(told, "--to is not after from");
        let told = refused(r#"{"error":{"field":null,"message":"there are no tables yet"}}"#);
        assert_eq!(told, "showback says: there are no tables yet");
        assert_eq!(refused("bad gateway"), "showback says: bad gateway");
    }

    #[test]
    fn an_offset_survives_the_query() {
        assert_eq!(escaped("2026-11-01T00:00:00+01:00"), "2026-11-01T00%3A00%3A00%2B01%3A00");
    }
}
