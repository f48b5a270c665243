//! What the upstream and the bare proxy share: an HTTP/1.1 server of hyper with nothing in between.

use std::convert::Infallible;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use weir_runtime::tasks::Tasks;
use weir_tests::load::server::Serving;

/// Serves until it is told to stop. Nothing drains: whoever measures has finished.
pub(crate) async fn serve_http<B, F>(
    serving: Serving,
    answer: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static,
) -> anyhow::Result<()>
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    serving.say(&listener.local_addr()?.to_string())?;
    let tasks = Tasks::new();
    let accepting = async {
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let connection =
                http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer.clone()));
            // A connection that breaks is seen by the caller, who fails.
            tasks.spawn(async move { drop(connection.await) });
        }
    };
    serving.stop.run_until_cancelled(accepting).await.unwrap_or(Ok(()))
}
