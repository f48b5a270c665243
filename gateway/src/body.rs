//! The body of an answer to a caller.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::Full;

use crate::answer::{Answer, Broken};
use crate::gateway::Gateway;
use crate::link::UpstreamBody;
use crate::metrics::InFlight;
use crate::silence::Silence;

/// A body that hyper writes out.
pub(crate) struct Body {
    kind: Kind,
    /// Only held.
    in_flight: Option<InFlight>,
}

enum Kind {
    /// Our own words.
    Own(Full<Bytes>),
    /// An upstream's answer that is not metered: an error, or everything in pass-through mode.
    Plain(Plain),
    /// An upstream's answer that is metered.
    Metered(Metered),
}

struct Plain {
    upstream: UpstreamBody,
    silence: Silence,
}

/// Gives the answer back to the gateway if the caller leaves before its end.
struct Metered {
    answer: Option<Box<Answer>>,
    gateway: Arc<Gateway>,
}

impl Body {
    /// An upstream's answer as it is, broken off if the upstream is silent for so long.
    pub(crate) fn plain(upstream: UpstreamBody, silence: Duration) -> Self {
        let plain = Plain { upstream, silence: Silence::new(silence) };
        Self { kind: Kind::Plain(plain), in_flight: None }
    }

    /// An upstream's answer, metered.
    pub(crate) fn metered(answer: Answer, gateway: Arc<Gateway>) -> Self {
        let metered = Metered { answer: Some(Box::new(answer)), gateway };
        Self { kind: Kind::Metered(metered), in_flight: None }
    }

    /// Our own words.
    pub(crate) fn own(response: Response<Full<Bytes>>) -> Response<Self> {
        response.map(|body| Self { kind: Kind::Own(body), in_flight: None })
    }

    /// Counts the request as in flight until the body is gone.
    #[must_use]
    pub(crate) fn counted(mut self, in_flight: InFlight) -> Self {
        self.in_flight = Some(in_flight);
        self
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut self.kind {
            Kind::Own(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Kind::Plain(plain) => plain.poll_frame(cx),
            Kind::Metered(metered) => match &mut metered.answer {
                Some(answer) => answer.poll_next(cx),
                None => Poll::Ready(None),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Own(body) => body.is_end_stream(),
            Kind::Plain(plain) => plain.upstream.is_end_stream(),
            Kind::Metered(metered) => metered.answer.as_ref().is_none_or(|answer| answer.is_over()),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Own(body) => body.size_hint(),
            Kind::Plain(plain) => plain.upstream.size_hint(),
            // Not known: what was injected is taken out. Where nothing is, the upstream's content-length stands.
            Kind::Metered(_) => SizeHint::default(),
        }
    }
}

impl Plain {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match Pin::new(&mut self.upstream).poll_frame(cx) {
            Poll::Ready(read) => {
                self.silence.ends();
                Poll::Ready(read.map(|read| read.map_err(Broken::Upstream)))
            }
            Poll::Pending => self.silence.poll(cx).map(|bound| Some(Err(Broken::Silent(bound)))),
        }
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        let Some(answer) = self.answer.take().filter(|answer| !answer.is_metered()) else { return };
        // Without a runtime the process is ending: the write-ahead log has the attempt.
        if tokio::runtime::Handle::try_current().is_ok() {
            self.gateway.drain(*answer);
        }
    }
}
