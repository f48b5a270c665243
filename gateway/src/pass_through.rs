//! The way of a request that is not governed: the same data path, without keys, quota and metering. For benchmarks.

use std::time::Duration;

use http::Response;
use hyper::body::Incoming;

use crate::body::Body;
use crate::errors::Problem;
use crate::gateway::Gateway;
use crate::governed::Context;
use crate::headers::{to_caller, to_upstream};
use crate::intake::collect;

/// Passes a request on to the first upstream.
pub(crate) async fn pass(
    gateway: &Gateway,
    context: Context,
    request: http::Request<Incoming>,
) -> Result<Response<Body>, Problem> {
    let upstream = gateway.first_upstream().ok_or_else(Problem::internal)?;
    let (parts, body) = request.into_parts();
    let body = collect(&parts.headers, body, &gateway.config).await?;
    let headers = to_upstream(&parts.headers, weir_runtime::ids::attempt_id(), context.trace.child());
    let url = upstream.same_url(&parts.uri).ok_or_else(Problem::internal)?;
    let patience = Duration::from_millis(gateway.config.upstream_answer_timeout_ms);
    let response = tokio::time::timeout(patience, upstream.call(url, headers, body))
        .await
        .map_err(|_| Problem::upstream_timeout(patience))?
        .map_err(|_| Problem::upstream_broke(format!("Upstream {} did not answer.", upstream.id)))?;
    let (mut parts, body) = response.into_parts();
    to_caller(&mut parts.headers);
    Ok(Response::from_parts(parts, Body::plain(body, gateway.config.upstream_silence_timeout())))
}
