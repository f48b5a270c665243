//! The floor: unary calls that carry nothing. Beside them in the same server, what `echo` answers.

use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{BoxFuture, LocalBoxFuture, Ready, ready};
use http::uri::PathAndQuery;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::server::{NamedService, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower_service::Service;
use weir_proto::quota::v1::admission_service_server::AdmissionServiceServer;
use weir_tests::load::closed::Caller;
use weir_tests::load::moment::Moment;
use weir_tests::load::organisation::QuotaChannel;
use weir_tests::load::server::{Role, Serving};

use crate::echo::Echo;

/// As the quota service has it.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const METHOD: &str = "/weir.tests.Empty/Call";

/// The role that is the empty service.
pub(crate) const ROLE: Role = ("empty", serve);

fn serve(serving: Serving) -> LocalBoxFuture<'static, anyhow::Result<()>> {
    Box::pin(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        serving.say(&listener.local_addr()?.to_string())?;
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
            .add_service(Empty)
            .add_service(AdmissionServiceServer::new(Echo))
            .serve_with_incoming_shutdown(incoming, serving.stop.cancelled_owned())
            .await?;
        Ok(())
    })
}

/// A gRPC service with one method, as generated code has it.
#[derive(Clone)]
struct Empty;

impl NamedService for Empty {
    const NAME: &'static str = "weir.tests.Empty";
}

impl Service<http::Request<Body>> for Empty {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::<(), ()>::default());
            Ok(grpc.unary(Nothing, request).await)
        })
    }
}

struct Nothing;

impl UnaryService<()> for Nothing {
    type Response = ();
    type Future = Ready<Result<Response<()>, Status>>;

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(())))
    }
}

/// One caller, each of whose requests is so many calls.
pub(crate) struct EmptyCalls {
    grpc: Grpc<QuotaChannel>,
    count: usize,
}

impl EmptyCalls {
    pub(crate) fn new(channel: QuotaChannel, count: usize) -> Self {
        Self { grpc: Grpc::new(channel), count }
    }
}

impl Caller for EmptyCalls {
    async fn call(&mut self, _: Moment) -> anyhow::Result<()> {
        for _ in 0..self.count {
            self.grpc.ready().await?;
            let path = PathAndQuery::from_static(METHOD);
            self.grpc.unary(Request::new(()), path, ProstCodec::<(), ()>::default()).await?;
        }
        Ok(())
    }
}
