//! The report's query.
//!
//! Costs are computed where the events are, in integers: tokens times pico-units of the price that was valid at the
//! event's own time (`ASOF`). Refusals are another table; both are summed by the same names and drawn together.

use std::fmt::Write;

use chrono_tz::Tz;
use clickhouse::Row as ClickHouseRow;
use clickhouse::query::Query;
use serde::Deserialize;
use weir_domain::price::{Currency, PicoMoney};
use weir_domain::time::{Timestamp, Window};

use super::{Error, Tables};
use crate::report::{Figures, Report, Row};
use crate::request::{Dimension, ReportRequest};

/// More rows are refused, not cut off: a report that leaves rows out is wrong.
const ROWS_MAX: usize = 200_000;

/// The prices that hold: of several decisions about one instant the last, without those that were removed.
const PRICES: &str = "
    SELECT model, valid_from, last.2 AS currency, last.3 AS input_pico, last.4 AS input_cached_pico,
        last.5 AS output_pico, true AS priced
    FROM (
        SELECT model, valid_from, argMax(
            (removed, currency, input_pico, input_cached_pico, output_pico), (decided_at, journal_offset)
        ) AS last
        FROM prices GROUP BY model, valid_from
    )
    WHERE NOT last.1";

/// The price that was set last names the currency of an organisation that names none.
const LAST_CURRENCY: &str =
    "SELECT currency FROM prices WHERE NOT removed ORDER BY decided_at DESC, journal_offset DESC LIMIT 1";

#[derive(ClickHouseRow, Deserialize)]
struct FiguresRow {
    names: Vec<String>,
    requests: u64,
    refused: u64,
    input_tokens: u64,
    input_cached_tokens: u64,
    output_tokens: u64,
    unpriced_tokens: u64,
    cost: i128,
}

#[derive(ClickHouseRow, Deserialize)]
struct EdgesRow {
    events: u64,
    oldest: i64,
    newest: i64,
}

/// The first and the last event of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edges {
    pub(crate) oldest: Timestamp,
    pub(crate) newest: Timestamp,
}

impl Tables {
    /// Makes a report.
    pub async fn report(&self, request: &ReportRequest, zone: Tz, as_of: Timestamp) -> Result<Report, Error> {
        let currency = match request.currency {
            Some(currency) => Some(currency),
            None => self.last_currency().await?,
        };
        let sql = sql(request, zone);
        let asked = bound(self.client.query(&sql), request, currency).fetch_all::<FiguresRow>();
        let rows = self.within("make a report", asked).await?;
        if rows.len() > ROWS_MAX {
            return Err(Error::TooManyRows { rows_max: ROWS_MAX });
        }
        Ok(Report {
            period: request.period,
            zone,
            as_of,
            newest_event: self.edges(request.period).await?.map(|edges| edges.newest),
            currency,
            group_by: request.group_by.clone(),
            rows: rows.into_iter().map(Row::from).collect(),
        })
    }

    /// The first and the last event of a period, if there is any.
    pub(crate) async fn edges(&self, period: Window) -> Result<Option<Edges>, Error> {
        let sql = format!(
            "SELECT count() AS events, toUnixTimestamp64Nano(min(ended)) AS oldest, \
             toUnixTimestamp64Nano(max(ended)) AS newest FROM usage_events WHERE {}",
            within_period(period)
        );
        let row =
            self.within("read a period's edges", self.client.query(&sql).fetch_one::<EdgesRow>()).await?;
        Ok((row.events > 0).then_some(Edges {
            oldest: Timestamp::from_nanos(row.oldest),
            newest: Timestamp::from_nanos(row.newest),
        }))
    }

    async fn last_currency(&self) -> Result<Option<Currency>, Error> {
        let asked = self.client.query(LAST_CURRENCY).fetch_optional::<String>();
        let text = self.within("read the last price", asked).await?;
        Ok(text.and_then(|text| Currency::try_new(&text).ok()))
    }
}

impl From<FiguresRow> for Row {
    fn from(row: FiguresRow) -> Self {
        Self {
            names: row.names,
            figures: Figures {
                requests: row.requests,
                refused: row.refused,
                input_tokens: row.input_tokens,
                input_cached_tokens: row.input_cached_tokens,
                output_tokens: row.output_tokens,
                unpriced_tokens: row.unpriced_tokens,
                cost: PicoMoney::new(row.cost),
            },
        }
    }
}

fn sql(request: &ReportRequest, zone: Tz) -> String {
    let names = names(&request.group_by, zone);
    let filter = filter(request);
    // Cached input is part of the input, so it is taken out of it before pricing.
    format!(
        "WITH price AS ({PRICES} AND currency = ?)
        SELECT names, sum(requests) AS requests, sum(refused) AS refused, sum(input_tokens) AS input_tokens,
            sum(input_cached_tokens) AS input_cached_tokens, sum(output_tokens) AS output_tokens,
            sum(unpriced_tokens) AS unpriced_tokens, sum(cost) AS cost
        FROM (
            SELECT {names} AS names,
                countIf(attempt_number = 1) AS requests, toUInt64(0) AS refused,
                sum(usage.input_tokens) AS input_tokens,
                sum(usage.input_cached_tokens) AS input_cached_tokens,
                sum(usage.output_tokens) AS output_tokens,
                sumIf(usage.input_tokens + usage.output_tokens, NOT price.priced) AS unpriced_tokens,
                sum(
                    toInt128(usage.input_tokens - least(usage.input_tokens, usage.input_cached_tokens))
                        * price.input_pico
                    + toInt128(usage.input_cached_tokens) * price.input_cached_pico
                    + toInt128(usage.output_tokens) * price.output_pico
                ) AS cost
            FROM (SELECT * FROM usage_events WHERE {filter}) AS usage
            ASOF LEFT JOIN price ON usage.model = price.model AND usage.ended >= price.valid_from
            GROUP BY names
            UNION ALL
            SELECT {refusal_names} AS names,
                toUInt64(0), sum(requests), toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0), toInt128(0)
            FROM refusals AS usage WHERE {filter} GROUP BY names
        )
        GROUP BY names ORDER BY names LIMIT {limit}",
        refusal_names = names,
        limit = ROWS_MAX + 1,
    )
}

/// The dimensions as an array, so that whatever is asked for comes in one shape.
fn names(dimensions: &[Dimension], zone: Tz) -> String {
    let zone = zone.name();
    let name = |dimension: &Dimension| match dimension {
        Dimension::Team => "toString(usage.team)".to_owned(),
        Dimension::Service => "toString(usage.service)".to_owned(),
        Dimension::Pool => "toString(usage.pool)".to_owned(),
        Dimension::Model => "toString(usage.model)".to_owned(),
        Dimension::Month => format!("formatDateTime(usage.ended, '%Y-%m', '{zone}')"),
        Dimension::Day => format!("formatDateTime(usage.ended, '%Y-%m-%d', '{zone}')"),
        // With the offset, for the hour before clocks are put back comes twice.
        Dimension::Hour => format!("formatDateTime(usage.ended, '%Y-%m-%dT%H:00%z', '{zone}')"),
    };
    format!("[{}]", dimensions.iter().map(name).collect::<Vec<_>>().join(", "))
}

fn filter(request: &ReportRequest) -> String {
    let mut filter = within_period(request.period);
    for (column, present) in [("team", request.team.is_some()), ("service", request.service.is_some())] {
        if present {
            write!(filter, " AND {column} = ?").expect("a string takes all");
        }
    }
    filter
}

fn within_period(period: Window) -> String {
    format!(
        "ended >= fromUnixTimestamp64Nano({}) AND ended < fromUnixTimestamp64Nano({})",
        period.start().as_nanos(),
        period.end().as_nanos()
    )
}

/// The values in order of their places: the currency, then team and service for usage and again for refusals.
fn bound(mut query: Query, request: &ReportRequest, currency: Option<Currency>) -> Query {
    query = query.bind(currency.as_ref().map_or("", Currency::as_str));
    for _table in ["usage_events", "refusals"] {
        if let Some(team) = &request.team {
            query = query.bind(team.as_str());
        }
        if let Some(service) = &request.service {
            query = query.bind(service.as_str());
        }
    }
    query
}
