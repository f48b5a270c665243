//! The floor: two unary calls that carry nothing.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, LocalBoxFuture, Ready, ready};
use http::uri::PathAndQuery;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::server::{NamedService, UnaryService};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower_service::Service;
use weir_tests::load::closed::Caller;
use weir_tests::load::moment::Moment;
use weir_tests::load::server::{Role, Serving};

const METHOD: &str = "/weir.tests.Empty/Call";

/// The role that is the empty service.
pub(crate) const ROLE: Role = ("empty", serve);

fn serve(serving: Serving) -> LocalBoxFuture<'static, anyhow::Result<()>> {
    Box::pin(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        serving.say(&listener.local_addr()?.to_string())?;
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        Server::builder()
            .add_service(Empty)
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

/// One caller.
pub(crate) struct EmptyPair(Grpc<Channel>);

impl EmptyPair {
    pub(crate) fn new(channel: Channel) -> Self {
        Self(Grpc::new(channel))
    }
}

impl Caller for EmptyPair {
    async fn call(&mut self, _: Moment) -> anyhow::Result<()> {
        for _ in 0..2 {
            self.0.ready().await?;
            let path = PathAndQuery::from_static(METHOD);
            self.0.unary(Request::new(()), path, ProstCodec::<(), ()>::default()).await?;
        }
        Ok(())
    }
}
