//! Who may call: whoever presents the token, or, where none is set, whoever is on this machine.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tonic::service::Interceptor;
use tonic::{Request, Status};
use weir_runtime::trace::{TRACEPARENT, TraceContext};

/// Failed authentications a minute that are answered one by one and logged; more are turned away unseen, so that a
/// flood of them costs next to nothing. Enough for every node of a fleet to start with an old token.
const FAILURES_PER_MINUTE: NonZeroU32 = NonZeroU32::new(120).expect("not zero");

/// Lets calls pass or not, and notes the trace that they belong to.
#[derive(Clone)]
pub(super) struct Authenticate {
    /// SHA-256 of the token: digests are compared, so that the time it takes tells nothing of the token.
    token: Option<[u8; 32]>,
    failures: Arc<DefaultDirectRateLimiter>,
}

impl Authenticate {
    pub(super) fn new(token: Option<&SecretString>) -> Self {
        let failures = RateLimiter::direct(Quota::per_minute(FAILURES_PER_MINUTE));
        let token = token.map(|token| digest(token.expose_secret()));
        Self { token, failures: Arc::new(failures) }
    }

    fn accepts(&self, request: &Request<()>) -> bool {
        match self.token {
            Some(token) => presented(request).is_some_and(|presented| digest(presented) == token),
            None => request.remote_addr().is_some_and(|peer| is_this_machine(peer.ip())),
        }
    }

    fn turn_away(&self, request: &Request<()>) -> Status {
        crate::metrics::authentication_failed();
        if self.failures.check().is_err() {
            return Status::resource_exhausted("too many calls without the right token");
        }
        tracing::warn!(peer = ?request.remote_addr(), "call without the right token");
        let message = match self.token {
            Some(_) => "present the quota token as `authorization: Bearer …`",
            None => "no quota token is set, so calls are accepted from this machine only",
        };
        Status::unauthenticated(message)
    }
}

impl Interceptor for Authenticate {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if !self.accepts(&request) {
            return Err(self.turn_away(&request));
        }
        let parent = request.metadata().get(TRACEPARENT).and_then(|value| value.to_str().ok());
        if let Some(trace) = parent.and_then(TraceContext::parse) {
            request.extensions_mut().insert(trace);
        }
        Ok(request)
    }
}

fn presented(request: &Request<()>) -> Option<&str> {
    let value = request.metadata().get("authorization")?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn is_this_machine(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(authorization: Option<&str>) -> Request<()> {
        let mut request = Request::new(());
        if let Some(value) = authorization {
            request.metadata_mut().insert("authorization", value.parse().unwrap());
        }
        request
    }

    #[test]
    fn only_the_very_token_passes() {
        let mut authenticate = Authenticate::new(Some(&"s3cret".to_owned().into()));
        assert!(authenticate.call(call(Some("Bearer s3cret"))).is_ok());
        assert!(authenticate.call(call(Some("bearer s3cret"))).is_ok());
        for wrong in
            [None, Some("s3cret"), Some("Bearer s3cre"), Some("Bearer s3crets"), Some("Basic s3cret")]
        {
            let status = authenticate.call(call(wrong)).unwrap_err();
            assert_eq!(status.code(), tonic::Code::Unauthenticated, "{wrong:?}");
        }
    }

    #[test]
    fn a_flood_of_wrong_tokens_is_cut_short_and_the_right_one_still_passes() {
        let mut authenticate = Authenticate::new(Some(&"s3cret".to_owned().into()));
        let codes: Vec<_> = (0..FAILURES_PER_MINUTE.get() + 10)
            .map(|_| authenticate.call(call(Some("Bearer no"))).unwrap_err().code())
            .collect();
        assert_eq!(codes.last(), Some(&tonic::Code::ResourceExhausted));
        assert!(authenticate.call(call(Some("Bearer s3cret"))).is_ok());
    }

    #[test]
    fn without_a_token_only_this_machine_passes() {
        assert!(is_this_machine("127.0.0.1".parse().unwrap()));
        assert!(is_this_machine("::ffff:127.0.0.1".parse().unwrap()));
        assert!(!is_this_machine("10.0.0.1".parse().unwrap()));
        assert!(Authenticate::new(None).call(call(None)).is_err(), "a call from nowhere");
    }

    #[test]
    fn the_callers_trace_is_noted() {
        let mut authenticate = Authenticate::new(Some(&"s3cret".to_owned().into()));
        let mut request = call(Some("Bearer s3cret"));
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        request.metadata_mut().insert(TRACEPARENT, parent.parse().unwrap());
        let request = authenticate.call(request).unwrap();
        assert_eq!(request.extensions().get::<TraceContext>().unwrap().to_string(), parent);
    }
}
