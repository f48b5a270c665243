//! The call to an upstream on behalf of an admitted request.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Response};
use weir_domain::ids::AttemptId;
use weir_domain::usage::AttemptOutcome;
use weir_proto::codec::AttemptStarted;
use weir_runtime::tokenizer::Tokenizer;
use weir_runtime::trace::TraceContext;

use crate::answer::Answer;
use crate::attempt::{Attempt, Place};
use crate::body::Body;
use crate::decode::Decoder;
use crate::directory::Caller;
use crate::errors::Problem;
use crate::gateway::{Gateway, Governance};
use crate::governed::Context;
use crate::headers::{rate_limits, to_caller, to_upstream};
use crate::hold::Held;
use crate::inject::{ask_for_usage, name_model};
use crate::link::UpstreamBody;
use crate::meter::{Expected, Measured, Meter, Shape};
use crate::request::RequestBody;
use crate::route::{Route, Target};

/// A call that may be made.
pub(crate) struct Call {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) context: Context,
    pub(crate) attempt: AttemptId,
    pub(crate) caller: Caller,
    pub(crate) route: Route,
    pub(crate) target: Target,
    pub(crate) headers: HeaderMap,
    pub(crate) body: RequestBody,
    pub(crate) expected: Expected,
    pub(crate) held: Held,
    pub(crate) place: Place,
}

impl Call {
    /// Makes it, and gives back the upstream's answer as far as it is there.
    pub(crate) async fn make(self) -> Result<Response<Body>, Problem> {
        let governance = self.gateway.governance.as_ref().ok_or_else(Problem::internal)?;
        let trace = self.context.trace.child();
        let (body, injected) = self.body_to_send();
        let started = self.started(governance, trace);
        let begun = governance.metering.begin(started, Arc::clone(&self.place)).await;
        let mut attempt = match begun {
            Ok(attempt) => attempt,
            Err(problem) => return Err(self.not_recorded(governance, &problem)),
        };
        let response = self.send(body, trace, &mut attempt).await?;
        Ok(self.pass_on(response, attempt, injected))
    }

    /// The caller's body, spliced where the upstream needs it.
    fn body_to_send(&self) -> (Bytes, bool) {
        let mut body = self.body.bytes.clone();
        if self.route.upstream.reads_model()
            && let Some(named) = name_model(&body, self.route.deployment.as_str())
        {
            body = named;
        }
        if self.body.streamed
            && let Some(asking) = ask_for_usage(&body)
        {
            return (asking, true);
        }
        (body, false)
    }

    fn started(&self, governance: &Governance, trace: TraceContext) -> AttemptStarted {
        AttemptStarted {
            attempt: self.attempt,
            request: self.context.request,
            node: governance.node.clone(),
            attempt_number: 1,
            team: self.caller.service.team.clone(),
            service: self.caller.service.id.clone(),
            caller_key: self.caller.key.clone(),
            pool: self.route.pool.clone(),
            upstream: self.route.upstream.id.clone(),
            deployment: self.route.deployment.clone(),
            model: self.route.model.name.clone(),
            operation: self.target.operation,
            streamed: self.body.streamed,
            started: self.gateway.clock.now(),
            hold: self.held.hold,
            held: self.held.tokens,
            input: self.expected.input,
            traceparent: trace.to_string(),
        }
    }

    /// Nothing may be called that is not written down first.
    fn not_recorded(&self, governance: &Governance, problem: &std::io::Error) -> Problem {
        tracing::error!(%problem, "write-ahead log does not take attempts");
        self.held.give_back(&self.gateway, governance, &self.caller.service, &self.route);
        Problem::metering_unavailable("the gateway's log cannot be written")
    }

    async fn send(
        &self,
        body: Bytes,
        trace: TraceContext,
        attempt: &mut Attempt,
    ) -> Result<Response<UpstreamBody>, Problem> {
        let upstream = &self.route.upstream;
        let url =
            upstream.url(self.target.operation, &self.route.deployment, self.target.api_version.as_deref());
        let headers = to_upstream(&self.headers, self.attempt, trace);
        let Some(url) = url else {
            attempt.end(AttemptOutcome::UpstreamBroke, Measured::unbilled());
            return Err(Problem::internal());
        };
        let patience = Duration::from_millis(self.gateway.config.upstream_answer_timeout_ms);
        match tokio::time::timeout(patience, upstream.call(url, headers, body)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(problem)) => {
                let was_sent = problem.was_sent();
                tracing::warn!(upstream = %upstream.id, problem = %chain(&problem), was_sent, "upstream did not answer");
                let measured =
                    if was_sent { Measured::estimated(attempt.expected()) } else { Measured::unbilled() };
                attempt.end(AttemptOutcome::UpstreamBroke, measured);
                let what = if was_sent { "broke off before it answered" } else { "could not be reached" };
                Err(Problem::upstream_broke(format!("Upstream {} {what}.", upstream.id)))
            }
            Err(_) => {
                attempt.end(AttemptOutcome::UpstreamBroke, Measured::estimated(attempt.expected()));
                Err(Problem::upstream_timeout(patience))
            }
        }
    }

    /// The upstream's answer for the caller.
    fn pass_on(
        self,
        response: Response<UpstreamBody>,
        mut attempt: Attempt,
        injected: bool,
    ) -> Response<Body> {
        let silence = self.gateway.config.upstream_silence_timeout();
        let (mut parts, upstream) = response.into_parts();
        attempt.answered(parts.status);
        to_caller(&mut parts.headers);
        parts.headers.extend(self.held.standing.as_ref().map(rate_limits).unwrap_or_default());
        if !parts.status.is_success() {
            attempt.end(AttemptOutcome::UpstreamRefused, Measured::unbilled());
            return Response::from_parts(parts, Body::plain(upstream, silence));
        }
        let decoder = Decoder::of(&parts.headers);
        let shape = self.shape(&parts.headers, &decoder, injected);
        let is_untouched = decoder.is_transparent() && !matches!(shape, Shape::Stream { injected: true });
        if !is_untouched {
            parts.headers.remove(CONTENT_LENGTH);
        }
        if !decoder.is_transparent() {
            parts.headers.remove(CONTENT_ENCODING);
        }
        let meter = Meter::new(shape, Tokenizer::of(self.route.model.encoding));
        let answer = Answer::new(upstream, decoder, meter, attempt, silence);
        Response::from_parts(parts, Body::metered(answer, self.gateway))
    }

    fn shape(&self, headers: &HeaderMap, decoder: &Decoder, injected: bool) -> Shape {
        let content_type = headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes).unwrap_or_default();
        let events = b"text/event-stream";
        let is_stream =
            content_type.get(..events.len()).is_some_and(|begins| begins.eq_ignore_ascii_case(events));
        match decoder {
            Decoder::Unreadable => Shape::Opaque,
            _ if is_stream => Shape::Stream { injected },
            _ => Shape::Whole(self.target.operation),
        }
    }
}

fn chain(problem: &dyn std::error::Error) -> String {
    let mut text = problem.to_string();
    let mut source = problem.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
