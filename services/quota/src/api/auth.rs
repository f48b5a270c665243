//! In front of every method: who calls, whether they may, and which trace the call belongs to.
//!
//! A [`Caller`] and a [`TraceContext`] go into the request's extensions. Works on requests that have not been read yet,
//! so that whoever is turned away costs next to nothing.

mod stay;
mod visitor;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use weir_domain::access::Action;
use weir_runtime::trace::{TRACEPARENT, TraceContext};

use crate::auth::guards::{CommandGuard, FailureGuard};
use crate::auth::rules::{self, Rule};
use crate::auth::{Authenticator, Caller, Shown, Unknown};

pub(crate) use stay::Stay;
pub(super) use visitor::Visitor;

/// When a caller may ask again whose issuer's keys are being fetched: a fetch takes less than a second.
const KEYS_RETRY: Duration = Duration::from_secs(1);

/// Lets calls pass or not. Clones share everything.
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

    /// Lets a call pass, or says why not.
    pub(super) fn admit<B>(&self, request: &mut Request<B>, visitor: &Visitor) -> Result<(), Status> {
        let path = request.uri().path();
        let rule =
            rules::of(path).ok_or_else(|| Status::unimplemented(format!("there is no method {path}")))?;
        let guarded = rules::is_governance(path);
        if !matches!(rule, Rule::Open) {
            let caller = self.0.identify(request, visitor)?;
            if guarded {
                self.0
                    .count(&caller, rule, visitor.address())
                    .map_err(|wait| exhausted("too many calls of governance by the same caller", wait))?;
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
}

impl Parts {
    fn count(&self, caller: &Caller, rule: Rule, peer: Option<IpAddr>) -> Result<(), Duration> {
        let name = &caller.principal().name;
        match rule {
            Rule::May(Action::WatchDirectory) => self.commands.count_node(name, peer),
            _ => self.commands.count(name),
        }
    }

    fn identify<B>(&self, request: &Request<B>, visitor: &Visitor) -> Result<Caller, Status> {
        let shown = request.headers().get(AUTHORIZATION);
        if let Some(caller) = visitor.known_by(shown).filter(|known| self.authenticator.knows_again(known)) {
            return Ok(caller);
        }
        let by = Shown {
            peer: visitor.address(),
            certificate: visitor.certificate(),
            bearer: shown.and_then(bearer),
        };
        let caller = self.authenticator.identify(&by);
        let caller = caller.map_err(|unknown| self.turn_away(&unknown, visitor.address()))?;
        visitor.remember(shown, &caller);
        Ok(caller)
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

/// Somebody may not do what they ask to do.
pub(super) fn permission_denied(denied: &impl std::fmt::Display) -> Status {
    Status::permission_denied(denied.to_string())
}

fn exhausted(message: &str, wait: Duration) -> Status {
    let details = ErrorDetails::with_retry_info(Some(wait));
    let message = format!("{message}; ask again in {:.1} s", wait.as_secs_f64());
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

fn bearer(authorization: &HeaderValue) -> Option<&str> {
    let (scheme, token) = authorization.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Whoever makes a call. Every method but those open to all has one.
pub(super) fn caller<T>(request: &tonic::Request<T>) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>().cloned();
    caller.ok_or_else(|| Status::internal("the call came past the gate"))
}

#[cfg(test)]
mod tests;
