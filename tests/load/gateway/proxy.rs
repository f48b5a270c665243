//! A floor: a reverse proxy that does nothing but pass frames on, with the client that the gateway has.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use http::header::HOST;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use weir_tests::load::server::{Role, Serving};

use crate::serving::serve_http;

/// The role that is the proxy. Its argument: the upstream's address.
pub(crate) const ROLE: Role = ("proxy", serve);

type Pool = Client<HttpConnector, Incoming>;

fn serve(serving: Serving) -> LocalBoxFuture<'static, anyhow::Result<()>> {
    Box::pin(async move {
        let upstream = serving.argument(0)?.to_owned();
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let pool: Pool = Client::builder(TokioExecutor::new()).build(connector);
        serve_http(serving, move |request| pass(pool.clone(), upstream.clone(), request)).await
    })
}

async fn pass(
    pool: Pool,
    upstream: String,
    mut request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, hyper::Error>>, Infallible> {
    let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let Ok(uri) = format!("http://{upstream}{path}").parse::<Uri>() else { return Ok(bad_gateway()) };
    *request.uri_mut() = uri;
    request.headers_mut().remove(HOST);
    match pool.request(request).await {
        Ok(response) => Ok(response.map(BodyExt::boxed)),
        Err(_) => Ok(bad_gateway()),
    }
}

fn bad_gateway() -> Response<BoxBody<Bytes, hyper::Error>> {
    let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed());
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}
