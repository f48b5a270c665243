//! In front of every method: who calls, whether they may, and which trace the call belongs to.
//!
//! A [`Caller`] and a [`TraceContext`] go into the request's extensions. Works on requests that have not been read yet,
//! so that whoever is turned away costs next to nothing.

mod stay;

use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{Either, Ready, ready};
use http::{HeaderMap, Request, Response};
use tonic::body::Body;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use tower::{Layer, Service};
use weir_domain::access::Action;
use weir_runtime::trace::{TRACEPARENT, TraceContext};

use crate::auth::guards::{CommandGuard, FailureGuard};
use crate::auth::rules::{self, Rule};
use crate::auth::{Authenticator, Caller, Shown, Unknown};

pub(crate) use stay::Stay;

/// When a caller may ask again whose issuer's keys are being fetched: a fetch takes less than a second.
const KEYS_RETRY: Duration = Duration::from_secs(1);

/// Lets calls pass or not.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Parts>);

struct Parts {
    authenticator: Arc<Authenticator>,
    failures: FailureGuard,
    commands: CommandGuard,
}

impl Gate {
    pub(crate) fn new(authenticator: Arc<Authenticator>) -> Self {
        let (failures, commands) = (FailureGuard::default(), CommandGuard::default());
        Self(Arc::new(Parts { authenticator, failures, commands }))
    }
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated { gate: Arc::clone(&self.0), inner }
    }
}

/// A service behind the gate.
#[derive(Clone)]
pub(crate) struct Gated<S> {
    gate: Arc<Parts>,
    inner: S,
}

impl<S, B> Service<Request<B>> for Gated<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<S::Response, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.gate.admit(&mut request) {
            Ok(()) => Either::Left(self.inner.call(request)),
            Err(status) => Either::Right(ready(Ok(status.into_http()))),
        }
    }
}

impl Parts {
    fn admit<B>(&self, request: &mut Request<B>) -> Result<(), Status> {
        let path = request.uri().path();
        let rule =
            rules::of(path).ok_or_else(|| Status::unimplemented(format!("there is no method {path}")))?;
        let guarded = rules::is_governance(path);
        if !matches!(rule, Rule::Open) {
            let caller = self.identify(request)?;
            if guarded {
                self.count(&caller, rule, peer(request)).map_err(|wait| {
                    exhausted("too many calls of governance by the same caller; ask less often", wait)
                })?;
            }
            let caller = caller.calls(rule).map_err(|denied| permission_denied(&denied))?;
            request.extensions_mut().insert(caller);
        }
        let parent = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
        if let Some(trace) = parent.and_then(TraceContext::parse) {
            request.extensions_mut().insert(trace);
        }
        Ok(())
    }

    fn count(&self, caller: &Caller, rule: Rule, peer: Option<IpAddr>) -> Result<(), Duration> {
        let name = &caller.principal().name;
        match rule {
            Rule::May(Action::WatchDirectory) => self.commands.count_node(name, peer),
            _ => self.commands.count(name),
        }
    }

    fn identify<B>(&self, request: &Request<B>) -> Result<Caller, Status> {
        let tls = request.extensions().get::<TlsConnectInfo<TcpConnectInfo>>();
        let peer = peer(request);
        let certificates = tls.and_then(TlsConnectInfo::peer_certs);
        let certificate = certificates.as_deref().and_then(|chain| chain.first());
        let shown = Shown { peer, certificate, bearer: bearer(request.headers()) };
        self.authenticator.identify(&shown).map_err(|unknown| self.turn_away(&unknown, peer))
    }

    fn turn_away(&self, unknown: &Unknown, peer: Option<IpAddr>) -> Status {
        if unknown.may_pass_soon() {
            tracing::debug!(?peer, reason = %unknown, "call by somebody not known yet");
            let details = ErrorDetails::with_retry_info(Some(KEYS_RETRY));
            return Status::with_error_details(Code::Unavailable, unknown.to_string(), details);
        }
        crate::metrics::authentication_failed();
        if let Err(wait) = self.failures.count(peer) {
            return exhausted("too many calls by somebody unknown", wait);
        }
        tracing::warn!(?peer, reason = %unknown, "call by somebody unknown");
        Status::unauthenticated(unknown.to_string())
    }
}

/// Where a call comes from.
fn peer<B>(request: &Request<B>) -> Option<IpAddr> {
    let tls = request.extensions().get::<TlsConnectInfo<TcpConnectInfo>>();
    let tcp = tls.map(TlsConnectInfo::get_ref).or_else(|| request.extensions().get());
    tcp.and_then(TcpConnectInfo::remote_addr).map(|address| address.ip())
}

/// Somebody may not do what they ask to do.
pub(super) fn permission_denied(denied: &impl std::fmt::Display) -> Status {
    Status::permission_denied(denied.to_string())
}

fn exhausted(message: &str, wait: Duration) -> Status {
    let details = ErrorDetails::with_retry_info(Some(wait));
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Whoever makes a call. Every method but those open to all has one.
pub(super) fn caller<T>(request: &tonic::Request<T>) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>().cloned();
    caller.ok_or_else(|| Status::internal("the call came past the gate"))
}

#[cfg(test)]
mod tests;
