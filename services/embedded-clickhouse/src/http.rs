//! ClickHouse's HTTP interface, on loopback.
//!
//! Serves `/` (statements), `/ping` and `/replicas_status`. User names and passwords are accepted and mean nothing:
//! there is one user. Not served, and refused by name: sessions, roles, external tables.

mod body;
mod form;
mod guard;
mod parameters;
mod response;

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::serve::ListenerExt;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::compression::decode_blocks;
use crate::engine::{About, Run, Statement, Statements};
use crate::exception::{Exception, NO_DATA_TO_INSERT, UNSUPPORTED_MEDIA_TYPE};
use crate::{format, sql};
use body::{BODY_BYTES_MAX, Bodies};
use parameters::Parameters;
use response::Form;

/// How long open requests may take to end once shutdown has begun.
const DRAIN_MAX: Duration = Duration::from_secs(5);
/// The most bytes of a result that the engine makes in one piece because its format cannot be streamed, unless the
/// client sets `max_result_bytes` itself.
const WHOLE_RESULT_BYTES_MAX: usize = 256 << 20;

/// What every request needs.
struct Server {
    statements: Statements,
    about: About,
    bodies: Bodies,
}

/// Serves until shutdown, then until open requests have ended or [`DRAIN_MAX`] is over.
pub(crate) async fn serve(
    listener: TcpListener,
    statements: Statements,
    about: About,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let server = Arc::new(Server { statements, about, bodies: Bodies::new() });
    let app = Router::new().fallback(route).with_state(server);
    let listener = listener.tap_io(|stream| {
        // Best effort: without it an answer may be 40 ms late.
        let _ = stream.set_nodelay(true);
    });
    let serving = axum::serve(listener, app).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let too_late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN_MAX).await;
    };
    tokio::select! {
        served = serving.into_future() => served,
        () = too_late => {
            tracing::warn!("requests were still open after {} s and are cut off", DRAIN_MAX.as_secs());
            Ok(())
        }
    }
}

async fn route(State(server): State<Arc<Server>>, request: Request) -> Response {
    if let Err(exception) = guard::check(request.headers()) {
        return response::error(&exception, "", &server.about);
    }
    let method = request.method();
    if !matches!(*method, Method::GET | Method::HEAD | Method::POST) {
        return response::text(StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD and POST are served.\n");
    }
    match request.uri().path() {
        "/ping" | "/replicas_status" => response::text(StatusCode::OK, "Ok.\n"),
        "/" if *method != Method::POST && request.uri().query().is_none() => {
            response::text(StatusCode::OK, "Ok.\n")
        }
        "/" => query(&server, request).await,
        _ => response::text(StatusCode::NOT_FOUND, "There is /, /ping and /replicas_status.\n"),
    }
}

/// Answers a statement.
async fn query(server: &Server, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut query_id = String::new();
    let submitted = async {
        let mut parameters = Parameters::read(&parts.method, &parts.uri, &parts.headers)?;
        query_id = parameters.query_id.take().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let body = server.bodies.read(body).await?;
        let body = decode(server, &mut parameters, &parts.headers, body).await?;
        let encoding = parameters.encoding();
        let wait_end = parameters.wait_end;
        let statement = statement(parameters, body)?;
        let form = Form { format: statement.format.clone(), encoding, query_id: query_id.clone(), wait_end };
        Ok((server.statements.run(statement)?, form))
    };
    match submitted.await {
        Ok((pieces, form)) => response::answer(pieces, form, &server.about).await,
        Err(exception) => response::error(&exception, &query_id, &server.about),
    }
}

/// Undoes what was done to a body for its way: forms and compression.
async fn decode(
    server: &Server,
    parameters: &mut Parameters,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Bytes, Exception> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(codec) = header(header::CONTENT_ENCODING).filter(|codec| *codec != "identity") {
        let text = format_args!("Content-Encoding {codec:?} is not served; decompress=1 is");
        return Err(Exception::new(UNSUPPORTED_MEDIA_TYPE, text));
    }
    if let Some(boundary) = header(header::CONTENT_TYPE).and_then(form::boundary) {
        for (name, value) in form::fields(&body, boundary)? {
            parameters.take(name, value)?;
        }
        return Ok(Bytes::new());
    }
    if !parameters.decompress {
        return Ok(body);
    }
    let decoded = tokio::task::spawn_blocking(move || decode_blocks(&body, BODY_BYTES_MAX));
    let decoded = decoded.await.map_err(|_| Exception::from_engine("decompression was cut off"))?;
    server.bodies.count(decoded?)
}

/// Puts together what the engine is to do. A statement in the URL goes on in the body, on a new line.
fn statement(parameters: Parameters, body: Bytes) -> Result<Statement, Exception> {
    if parameters.query.is_empty() {
        let parsed = sql::parse(&body)?;
        return build(parameters, parsed, body, Bytes::new());
    }
    let head = Bytes::from(parameters.query.clone());
    let parsed = sql::parse(&head)?;
    if body.is_empty() || matches!(parsed, sql::Statement::Insert { .. }) {
        return build(parameters, parsed, head, body);
    }
    let text = Bytes::from([&head[..], b"\n", &body[..]].concat());
    let parsed = sql::parse(&text)?;
    build(parameters, parsed, text, Bytes::new())
}

/// The statement of a parsed text; `more` is data that comes after the text.
fn build(
    parameters: Parameters,
    parsed: sql::Statement,
    text: Bytes,
    more: Bytes,
) -> Result<Statement, Exception> {
    let named = |format: Option<String>, default: &str| {
        format.or_else(|| parameters.default_format.clone()).unwrap_or_else(|| default.to_owned())
    };
    let (sql, run, format) = match parsed {
        sql::Statement::Command { format } => (text, Run::Whole, named(format, format::DEFAULT)),
        sql::Statement::Select { format } => {
            let format = named(format, format::DEFAULT);
            // The engine would end each chunk with extremes of its own.
            let header = format::header(&format).filter(|_| parameters.setting("extremes").is_none());
            (text, header.map_or(Run::Whole, Run::Stream), format)
        }
        sql::Statement::Insert { end, format, data } => {
            let data = join(text.slice(data..), more);
            if data.is_empty() && parameters.setting("throw_if_no_data_to_insert") != Some("0") {
                return Err(Exception::new(NO_DATA_TO_INSERT, "No data to insert"));
            }
            let format = named(format, format::DEFAULT_INPUT);
            (text.slice(..end), Run::Insert { format, data }, format::DEFAULT.to_owned())
        }
    };
    let mut settings = parameters.settings;
    if matches!(run, Run::Whole) && !settings.iter().any(|(name, _)| name == "max_result_bytes") {
        settings.insert(0, ("max_result_bytes".to_owned(), WHOLE_RESULT_BYTES_MAX.to_string()));
    }
    Ok(Statement { sql, run, format, database: parameters.database, settings, params: parameters.params })
}

/// Data from the text and data from the body, without a copy if there is only one of them.
fn join(head: Bytes, body: Bytes) -> Bytes {
    if head.trim_ascii().is_empty() {
        body
    } else if body.is_empty() {
        head
    } else {
        Bytes::from([&head[..], b"\n", &body[..]].concat())
    }
}
