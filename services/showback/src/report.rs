//! A report: rows, their total, and the two ways it is written. The page, JSON and CSV show the same digits.

use std::fmt::Write;

use chrono_tz::Tz;
use serde::ser::{Serialize, SerializeMap, Serializer};
use weir_domain::price::{Currency, PicoMoney};
use weir_domain::time::{Timestamp, Window};

use crate::money::decimal;
use crate::period::rfc3339;
use crate::request::Dimension;

/// Usage and its cost over a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The time, `[from, to)`.
    pub period: Window,
    /// The zone of its days and months.
    pub zone: Tz,
    /// When the tables were read.
    pub as_of: Timestamp,
    /// The time of the newest event in the period, if there is one.
    pub newest_event: Option<Timestamp>,
    /// The currency of costs. None: no price was ever set.
    pub currency: Option<Currency>,
    /// What the rows are told apart by.
    pub group_by: Vec<Dimension>,
    /// All rows, in order of what they are told apart by.
    pub rows: Vec<Row>,
}

/// What was used under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// One name for each dimension of the report.
    pub names: Vec<String>,
    /// How much.
    pub figures: Figures,
}

/// Figures that add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Requests that reached an upstream, each once however many attempts it took.
    pub requests: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// Input tokens, cached ones included.
    pub input_tokens: u64,
    /// The part of the input that came from a cache.
    pub input_cached_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
    /// Tokens whose model had no price in the report's currency at their time. Not in the cost.
    pub unpriced_tokens: u64,
    /// What the priced tokens cost.
    pub cost: PicoMoney,
}

/// The figures' names in JSON and CSV, in order.
const FIGURES: [&str; 7] = [
    "requests",
    "refused",
    "input_tokens",
    "input_cached_tokens",
    "output_tokens",
    "unpriced_tokens",
    "cost",
];

impl Figures {
    pub(crate) fn plus(self, other: &Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            refused: self.refused + other.refused,
            input_tokens: self.input_tokens + other.input_tokens,
            input_cached_tokens: self.input_cached_tokens + other.input_cached_tokens,
            output_tokens: self.output_tokens + other.output_tokens,
            unpriced_tokens: self.unpriced_tokens + other.unpriced_tokens,
            cost: PicoMoney::new(self.cost.get() + other.cost.get()),
        }
    }

    /// The cost as text. None if there are tokens and none of them has a price.
    pub fn cost_text(&self) -> Option<String> {
        let tokens = self.input_tokens + self.output_tokens;
        let is_known = tokens == 0 || self.unpriced_tokens < tokens;
        is_known.then(|| decimal(self.cost))
    }

    fn counts(&self) -> [u64; 6] {
        [
            self.requests,
            self.refused,
            self.input_tokens,
            self.input_cached_tokens,
            self.output_tokens,
            self.unpriced_tokens,
        ]
    }
}

impl Report {
    /// The sum of all rows.
    pub fn total(&self) -> Figures {
        self.rows.iter().fold(Figures::default(), |sum, row| sum.plus(&row.figures))
    }

    /// The rows as CSV (RFC 4180), a header first. A cost that is not known is empty.
    pub fn csv(&self) -> String {
        let names = self.group_by.iter().map(|dimension| dimension.name());
        let mut text = line(names.chain(FIGURES).map(str::to_owned));
        for row in &self.rows {
            let counts = row.figures.counts().map(|count| count.to_string());
            let cost = row.figures.cost_text().unwrap_or_default();
            text += &line(row.names.iter().cloned().chain(counts).chain([cost]));
        }
        text
    }
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let mut line = cells.map(|cell| quoted(&cell)).collect::<Vec<_>>().join(",");
    write!(line, "\r\n").expect("a string takes all");
    line
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rows: Vec<_> = self.rows.iter().map(|row| Named(&self.group_by, row)).collect();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("from", &rfc3339(self.period.start(), self.zone))?;
        map.serialize_entry("to", &rfc3339(self.period.end(), self.zone))?;
        map.serialize_entry("zone", self.zone.name())?;
        map.serialize_entry("as_of", &rfc3339(self.as_of, self.zone))?;
        map.serialize_entry("newest_event", &self.newest_event.map(|at| rfc3339(at, self.zone)))?;
        map.serialize_entry("currency", &self.currency.as_ref().map(Currency::as_str))?;
        map.serialize_entry("rows", &rows)?;
        map.serialize_entry("total", &Named(&[], &Row { names: vec![], figures: self.total() }))?;
        map.end()
    }
}

/// A row with the names of its dimensions.
struct Named<'a>(&'a [Dimension], &'a Row);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(dimensions, row) = self;
        let mut map = serializer.serialize_map(None)?;
        for (dimension, name) in dimensions.iter().zip(&row.names) {
            map.serialize_entry(dimension.name(), name)?;
        }
        for (name, count) in FIGURES.iter().zip(row.figures.counts()) {
            map.serialize_entry(name, &count)?;
        }
        map.serialize_entry("cost", &row.figures.cost_text())?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(names: [&str; 2], input_tokens: u64, unpriced_tokens: u64, cost: i128) -> Row {
        let cost = PicoMoney::new(cost);
        let figures = Figures { requests: 1, input_tokens, unpriced_tokens, cost, ..Figures::default() };
        Row { names: names.map(str::to_owned).to_vec(), figures }
    }

    fn report() -> Report {
        Report {
            period: Window::try_new(Timestamp::EPOCH, Timestamp::from_secs(86_400)).unwrap(),
            zone: chrono_tz::UTC,
            as_of: Timestamp::from_secs(86_400),
            newest_event: None,
            currency: Currency::try_new("USD").ok(),
            group_by: vec![Dimension::Team, Dimension::Service],
            rows: vec![row(["a", "x"], 10, 0, 2_500_000), row(["b", "y,\"z\""], 7, 7, 0)],
        }
    }

    #[test]
    fn json_and_csv_say_the_same() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(json["from"], "1970-01-01T00:00:00Z");
        assert_eq!(json["rows"][0]["service"], "x");
        assert_eq!(json["rows"][0]["cost"], "0.0000025");
        assert_eq!(json["rows"][1]["cost"], serde_json::Value::Null);
        assert_eq!(json["rows"][1]["unpriced_tokens"], 7);
        assert_eq!(json["total"]["cost"], "0.0000025");
        assert_eq!(json["total"]["input_tokens"], 17);
        let csv = "team,service,requests,refused,input_tokens,input_cached_tokens,output_tokens,unpriced_tokens,cost\r\n\
                   a,x,1,0,10,0,0,0,0.0000025\r\n\
                   b,\"y,\"\"z\"\"\",1,0,7,0,0,7,\r\n";
        assert_eq!(report().csv(), csv);
    }

    #[test]
    fn a_cost_is_unknown_only_where_nothing_has_a_price() {
        let figures = |input_tokens, unpriced_tokens| {
            Figures { input_tokens, unpriced_tokens, ..Figures::default() }.cost_text()
        };
        assert_eq!(figures(0, 0).as_deref(), Some("0.00"));
        assert_eq!(figures(2, 1).as_deref(), Some("0.00"));
        assert_eq!(figures(2, 2), None);
    }
}
