//! The HTTP interface: the page, and the API below `/api/v1`.
//!
//! Errors are `{"error": {"field", "message"}}`; `field` is null where no parameter is to blame.

use std::sync::Arc;

use axum::extract::{MatchedPath, Path, Query, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use chrono_tz::Tz;
use serde_json::json;
use weir_domain::ids::RequestId;
use weir_domain::price::Currency;
use weir_runtime::clock::Clock;

use crate::page::{self, Content};
use crate::request::{BadParameter, Format, ReportRequest, Setting};
use crate::tables::{Error, Tables};
use crate::{chart, metrics};

/// What every handler has.
pub(crate) struct Showback {
    pub(crate) tables: Tables,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) zone: Tz,
    pub(crate) currency: Option<Currency>,
    pub(crate) refresh_secs: u32,
}

type Shared = State<Arc<Showback>>;

/// All routes.
pub(crate) fn router(showback: Arc<Showback>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/api/v1/report", get(report))
        .route("/api/v1/events/{request_id}", get(events))
        .route("/api/v1/totals", get(totals))
        .layer(middleware::from_fn_with_state(showback.clone(), observed))
        .layer(middleware::map_response(guarded))
        .with_state(showback)
}

/// Why a request is not answered as it was meant.
enum Failure {
    Parameter(BadParameter),
    Tables(Error),
    Unknown(String),
}

impl From<BadParameter> for Failure {
    fn from(problem: BadParameter) -> Self {
        Self::Parameter(problem)
    }
}

impl From<Error> for Failure {
    fn from(problem: Error) -> Self {
        Self::Tables(problem)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, field, message) = match self {
            Self::Parameter(bad) => (StatusCode::BAD_REQUEST, Some(bad.field), bad.message),
            Self::Tables(problem) => (status_of(&problem), None, told(&problem)),
            Self::Unknown(message) => (StatusCode::NOT_FOUND, None, message),
        };
        (status, Json(json!({ "error": { "field": field, "message": message } }))).into_response()
    }
}

fn status_of(problem: &Error) -> StatusCode {
    match problem {
        Error::TooManyRows { .. } => StatusCode::BAD_REQUEST,
        Error::NoTables | Error::TimedOut { .. } | Error::ClickHouse { .. } => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

/// What a reader is told. ClickHouse's own words hold statements and addresses: they go to the log.
fn told(problem: &Error) -> String {
    match problem {
        Error::ClickHouse { operation, source } => {
            tracing::warn!(operation, error = %source, "clickhouse did not answer");
            format!("clickhouse cannot {operation} now; the log of showback says why")
        }
        _ => problem.to_string(),
    }
}

impl Showback {
    fn setting(&self) -> Setting {
        Setting { now: self.clock.now(), zone: self.zone, currency: self.currency }
    }

    async fn month(&self, request: &ReportRequest) -> Result<Content, Error> {
        let now = self.clock.now();
        let report = self.tables.report(request, self.zone, now).await?;
        let Some(edges) = self.tables.edges(request.period).await? else {
            return Ok(Content::Report { report: Box::new(report), chart: None });
        };
        let step = chart::step(&edges, now);
        let by_step = ReportRequest { group_by: vec![step], ..request.clone() };
        let bars = self.tables.report(&by_step, self.zone, now).await?;
        let shown = chart::shown(request.period, &edges, now);
        let chart = chart::draw(&bars.rows, step, &edges, shown, self.zone).map(|chart| (chart, step));
        Ok(Content::Report { report: Box::new(report), chart })
    }
}

async fn page(State(showback): Shared) -> Result<Response, Failure> {
    let request = ReportRequest::this_month(showback.setting())?;
    let (status, content) = match showback.month(&request).await {
        Ok(content) => (StatusCode::OK, content),
        Err(problem) => (status_of(&problem), Content::Nothing(told(&problem))),
    };
    let now = (showback.clock.now(), showback.zone);
    let html = page::render(&content, request.period, now, showback.refresh_secs)
        .expect("the template writes to memory and calls nothing that fails");
    Ok((status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response())
}

async fn report(
    State(showback): Shared,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, Failure> {
    let setting = showback.setting();
    let (request, format) = ReportRequest::parse(&parameters, setting)?;
    let report = showback.tables.report(&request, showback.zone, setting.now).await?;
    Ok(match format {
        Format::Json => Json(report).into_response(),
        Format::Csv => ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], report.csv()).into_response(),
    })
}

async fn events(State(showback): Shared, Path(id): Path<String>) -> Result<Response, Failure> {
    let request: RequestId = id.parse().map_err(|problem| BadParameter::new("request_id", problem))?;
    let events = showback.tables.events(request).await?;
    if events.is_empty() {
        let message = format!("no event of request {request} is in the tables, at least not yet");
        return Err(Failure::Unknown(message));
    }
    Ok(Json(json!({ "request_id": request.to_string(), "events": events })).into_response())
}

async fn totals(State(showback): Shared) -> Result<Response, Failure> {
    let usage = showback.tables.usage_totals(None).await?;
    let refused = showback.tables.refused_totals(None).await?;
    let offsets = showback.tables.max_offsets().await?;
    let usage: Vec<_> = usage
        .iter()
        .map(|(key, sum)| {
            json!({
                "service": key.service.as_str(),
                "pool": key.pool.as_str(),
                "model": key.model.as_str(),
                "usage_source": key.source.as_str(),
                "attempts": sum.attempts.get(),
                "requests": sum.requests.get(),
                "input_tokens": sum.input.get(),
                "input_cached_tokens": sum.input_cached.get(),
                "output_tokens": sum.output.get(),
            })
        })
        .collect();
    let refused: Vec<_> = refused
        .iter()
        .map(|(service, requests)| json!({ "service": service.as_str(), "requests": requests.get() }))
        .collect();
    let offsets: Vec<_> = offsets
        .iter()
        .map(|(partition, offset)| json!({ "partition": partition.to_string(), "max_offset": offset.get() }))
        .collect();
    Ok(Json(json!({ "usage": usage, "refused": refused, "max_offsets": offsets })).into_response())
}

async fn observed(State(showback): Shared, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let began = showback.clock.now();
    let response = next.run(request).await;
    let took = showback.clock.now().since(began);
    metrics::answered(route.as_deref().unwrap_or("unknown"), response.status().as_u16(), took);
    response
}

/// The page loads nothing and is framed by nobody; answers are of the moment.
async fn guarded(mut response: Response) -> Response {
    let guards = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in guards {
        let (name, value): (HeaderName, _) = (name, HeaderValue::from_static(value));
        response.headers_mut().insert(name, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Dimension;

    /// The order that the page's table relies on.
    #[test]
    fn the_page_asks_for_teams_first() {
        let setting =
            Setting { now: weir_domain::time::Timestamp::EPOCH, zone: chrono_tz::UTC, currency: None };
        let request = ReportRequest::this_month(setting).unwrap_or_else(|bad| panic!("{bad:?}"));
        assert_eq!(request.group_by, [Dimension::Team, Dimension::Service]);
    }
}
