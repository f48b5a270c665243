//! An upstream's answer on its way to the caller: forwarded, metered, and read to its end even if the caller leaves.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame};
use tokio_util::sync::CancellationToken;
use weir_domain::usage::AttemptOutcome;

use crate::attempt::Attempt;
use crate::decode::Decoder;
use crate::gathered::Gathered;
use crate::link::UpstreamBody;
use crate::meter::{Extent, Meter};
use crate::silence::Silence;

/// So many bytes are forwarded without waiting for more: a write of them costs little more than one of a few.
const TOGETHER_BYTES_MAX: usize = 16 * 1024;

/// Why an answer breaks off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// The connection to the upstream broke.
    #[error("upstream broke off")]
    Upstream(#[from] hyper::Error),
    /// The upstream said nothing for too long.
    #[error("upstream was silent for {0:?}")]
    Silent(Duration),
    /// What it sent could not be unpacked.
    #[error("answer cannot be unpacked")]
    Packing(#[from] std::io::Error),
}

/// How far the answer to a caller that left is read on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DrainBounds {
    pub(crate) time: Duration,
    pub(crate) tokens: u64,
}

/// An answer that is being read.
pub(crate) struct Answer {
    upstream: UpstreamBody,
    decoder: Decoder,
    meter: Meter,
    attempt: Attempt,
    /// What to say when the upstream is at its end.
    outcome: AttemptOutcome,
    silence: Silence,
    /// Read, and not forwarded yet: what is there together leaves together.
    ready: Gathered,
    trailers: Option<HeaderMap>,
    /// Told after the last bytes have left.
    broken: Option<Broken>,
    /// hyper writes out what it has when a body is pending, and drops it when a body breaks: pending comes first.
    lets_flush: bool,
}

impl Answer {
    /// An answer whose head has arrived.
    pub(crate) fn new(
        upstream: UpstreamBody,
        decoder: Decoder,
        meter: Meter,
        attempt: Attempt,
        silence: Duration,
    ) -> Self {
        Self {
            upstream,
            decoder,
            meter,
            attempt,
            outcome: AttemptOutcome::Completed,
            silence: Silence::new(silence),
            ready: Gathered::default(),
            trailers: None,
            broken: None,
            lets_flush: false,
        }
    }

    /// Whether there is nothing left to forward.
    pub(crate) fn is_over(&self) -> bool {
        self.is_metered() && self.broken.is_none() && self.ready.is_empty()
    }

    /// Whether there is nothing left to learn.
    pub(crate) fn is_metered(&self) -> bool {
        self.attempt.is_over()
    }

    /// The next bytes to forward.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        loop {
            let is_last = self.is_metered() || self.trailers.is_some();
            if !self.ready.is_empty() && (is_last || self.ready.len() >= TOGETHER_BYTES_MAX) {
                return self.forward();
            }
            if let Some(trailers) = self.trailers.take() {
                return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
            }
            if self.is_metered() {
                if std::mem::take(&mut self.lets_flush) {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                return Poll::Ready(self.broken.take().map(Err));
            }
            match Pin::new(&mut self.upstream).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.take(data),
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                },
                Poll::Ready(Some(Err(problem))) => self.break_off(problem.into()),
                Poll::Ready(None) => self.complete(Extent::Whole),
                Poll::Pending if !self.ready.is_empty() => return self.forward(),
                Poll::Pending => {
                    let bound = ready!(self.silence.poll(cx));
                    self.break_off(Broken::Silent(bound));
                }
            }
        }
    }

    fn forward(&mut self) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        Poll::Ready(Some(Ok(Frame::data(self.ready.take()))))
    }

    fn take(&mut self, data: Bytes) {
        self.silence.ends();
        self.attempt.body_arrives();
        match self.decoder.push(data) {
            Ok(data) => self.ready.add(self.meter.push(data)),
            Err(problem) => return self.break_off(problem.into()),
        }
        // A body of known length is over with its last byte; nobody may ask for more.
        if self.upstream.is_end_stream() {
            self.complete(Extent::Whole);
        }
    }

    /// Nothing more is read.
    fn complete(&mut self, extent: Extent) {
        self.ready.add(self.meter.finish());
        self.attempt.end(self.outcome, self.meter.measure(self.attempt.expected(), extent));
    }

    /// The upstream will say no more: what was kept back goes first, then the caller's connection breaks too.
    fn break_off(&mut self, why: Broken) {
        tracing::debug!(problem = %why, "an answer broke off");
        self.outcome = AttemptOutcome::UpstreamBroke;
        self.complete(Extent::BrokenOff);
        (self.broken, self.lets_flush) = (Some(why), true);
    }

    /// Reads on after the caller has left, within bounds; what was used counts all the same.
    pub(crate) async fn drain(mut self, bounds: DrainBounds, stop: CancellationToken) {
        self.outcome = AttemptOutcome::CallerLeft;
        let reading = async {
            while let Some(Ok(_)) = std::future::poll_fn(|cx| self.poll_next(cx)).await {
                if self.meter.output_so_far() >= bounds.tokens {
                    return;
                }
            }
        };
        let _: Result<Option<()>, _> =
            tokio::time::timeout(bounds.time, stop.run_until_cancelled(reading)).await;
        if !self.is_metered() {
            self.complete(Extent::BrokenOff);
        }
    }
}
