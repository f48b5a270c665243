//! Where calls come in: past the gate, and to the service that they name.

use std::convert::Infallible;

use futures_util::future::{Either, Ready, ready};
use http::{Request, Response};
use hyper::body::Incoming;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service};
use tonic::server::NamedService;
use tonic::service::Routes;
use weir_proto::quota::v1::admission_service_server::AdmissionServiceServer;

use super::super::admission::Admission;
use super::super::auth::{Gate, Visitor};

/// The gate and the services behind it. Clones share everything.
#[derive(Clone)]
pub(in crate::api) struct Entrance {
    gate: Gate,
    /// Asked so often that it is not looked for among the others.
    admission: AdmissionServiceServer<Admission>,
    others: Routes,
}

impl Entrance {
    pub(in crate::api) fn new(
        gate: Gate,
        admission: AdmissionServiceServer<Admission>,
        others: Routes,
    ) -> Self {
        Self { gate, admission, others: others.prepare() }
    }

    /// For the calls of one connection.
    pub(super) fn visit(self, visitor: Visitor) -> Visit {
        Visit { entrance: self, visitor }
    }
}

/// The calls of one connection.
pub(super) struct Visit {
    entrance: Entrance,
    visitor: Visitor,
}

/// Admission's answer, another service's, or that of the gate.
type Answer = Either<
    BoxFuture<Response<Body>, Infallible>,
    Either<<Routes as Service<Request<Incoming>>>::Future, Ready<Result<Response<Body>, Infallible>>>,
>;

impl hyper::service::Service<Request<Incoming>> for Visit {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, mut request: Request<Incoming>) -> Answer {
        let Entrance { gate, admission, others } = &self.entrance;
        if let Err(status) = gate.admit(&mut request, &self.visitor) {
            return Either::Right(Either::Right(ready(Ok(status.into_http()))));
        }
        if is_of::<AdmissionServiceServer<Admission>>(request.uri().path()) {
            return Either::Left(admission.clone().call(request));
        }
        Either::Right(Either::Left(others.clone().call(request)))
    }
}

/// Whether a path, `/package.Service/Method`, is of a service.
fn is_of<S: NamedService>(path: &str) -> bool {
    let of = path.strip_prefix('/').and_then(|path| path.strip_prefix(S::NAME));
    of.is_some_and(|method| method.starts_with('/'))
}
