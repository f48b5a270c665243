//! What callers can ask for, and the connections they ask on.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use weir_runtime::trace::{TRACEPARENT, TraceContext};

use crate::body::Body;
use crate::errors::Problem;
use crate::gateway::Gateway;
use crate::governed::{self, Context};
use crate::headers::name_request;
use crate::metrics::{self, InFlight};
use crate::pass_through;
use crate::route::{Endpoint, SERVED};

/// How long a connection may be idle or take to send a request's head. Longer than clients keep idle connections.
const HEAD_TIMEOUT: Duration = Duration::from_secs(90);
/// A wait after an accept failed, for instance because there are no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves callers until shutdown, and then those that are being served, within the bound of the settings.
pub(crate) async fn serve(gateway: Arc<Gateway>, listener: TcpListener, shutdown: CancellationToken) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(gateway.config.connections_max.get() as usize));
    let accepting = async {
        loop {
            // The place before the connection: those for whom there is none wait in the system's queue.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, peer)) => accepted(&gateway, stream, peer, graceful.watcher(), place),
                Err(problem) => {
                    tracing::warn!(%problem, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    let _: Option<()> = shutdown.run_until_cancelled(accepting).await;
    drop(listener);
    let bound = Duration::from_millis(gateway.config.shutdown_streams_ms_max);
    let ended = async {
        graceful.shutdown().await;
        // Answers to callers that have left are still being read.
        gateway.tasks.drain(bound).await
    };
    if !tokio::time::timeout(bound, ended).await.is_ok_and(|ended| ended) {
        tracing::warn!(bound_ms = bound.as_millis(), "streams are cut short by the shutdown");
    }
}

fn accepted(
    gateway: &Arc<Gateway>,
    stream: TcpStream,
    peer: SocketAddr,
    watcher: Watcher,
    place: OwnedSemaphorePermit,
) {
    if let Err(problem) = stream.set_nodelay(true) {
        tracing::debug!(%problem, "a connection keeps Nagle's delay");
    }
    let service_gateway = Arc::clone(gateway);
    let service = service_fn(move |request| handle(Arc::clone(&service_gateway), peer.ip(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let connection = watcher.watch(connection);
    let hard_stop = gateway.hard_stop.clone();
    gateway.tasks.spawn(async move {
        if let Some(Err(problem)) = hard_stop.run_until_cancelled(connection).await {
            tracing::debug!(%problem, "a caller's connection ended");
        }
        drop(place);
    });
}

async fn handle(
    gateway: Arc<Gateway>,
    peer: IpAddr,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let in_flight = InFlight::begin();
    let begun =
        request.headers().get(TRACEPARENT).and_then(|value| TraceContext::parse(value.to_str().ok()?));
    let trace = begun.map_or_else(TraceContext::begin, TraceContext::child);
    let context = Context { request: weir_runtime::ids::request_id(), trace, peer };
    let span = tracing::info_span!("request", id = %context.request, trace = %trace.trace_id());
    let result = answer(&gateway, context, request).instrument(span.clone()).await;
    let mut response = result.unwrap_or_else(|problem| {
        span.in_scope(|| tracing::debug!(code = problem.code(), "request not served"));
        Body::own(problem.into_response())
    });
    name_request(response.headers_mut(), context.request);
    metrics::answered(response.status());
    Ok(response.map(|body| body.counted(in_flight)))
}

async fn answer(
    gateway: &Arc<Gateway>,
    context: Context,
    request: Request<Incoming>,
) -> Result<Response<Body>, Problem> {
    let Some(governance) = &gateway.governance else {
        return pass_through::pass(gateway, context, request).await;
    };
    let Some(endpoint) = Endpoint::of(request.method(), request.uri()) else {
        return Err(Problem::unknown_endpoint(request.method(), request.uri().path(), SERVED));
    };
    governed::answer(gateway, governance, context, endpoint, request).await
}
