//! Bodies of answers, and what they tell the ledger.

use std::convert::Infallible;
use std::future::Future;
use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};

use crate::delivery::Delivery;
use crate::serving::Serving;

/// A body whose length is known or not.
pub(crate) type AnswerBody = UnsyncBoxBody<Bytes, BrokenOff>;

/// The answer is broken off on purpose: the connection ends without its end.
#[derive(Debug, thiserror::Error)]
#[error("answer broken off on purpose")]
pub(crate) struct BrokenOff;

/// A body that is known whole. With an answer of the ledger, that is complete when the body has been handed over.
pub(crate) fn whole(bytes: impl Into<Bytes>, answer: Option<(Serving, Arc<Delivery>)>) -> AnswerBody {
    let body = WholeBody { bytes: Some(bytes.into()), answer };
    body.map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// A body that comes frame by frame, from a source that ends with none or with an error.
pub(crate) fn frames<S, F>(source: S, next: fn(S) -> F) -> AnswerBody
where
    S: Send + 'static,
    F: Future<Output = Option<(Result<Bytes, BrokenOff>, S)>> + Send + 'static,
{
    let frames = stream::unfold(source, next);
    StreamBody::new(futures_util::TryStreamExt::map_ok(frames, Frame::data)).boxed_unsync()
}

struct WholeBody {
    bytes: Option<Bytes>,
    answer: Option<(Serving, Arc<Delivery>)>,
}

impl Body for WholeBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = self.bytes.take();
        if let Some((serving, delivery)) = self.answer.take() {
            delivery.hand_over(serving);
        }
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// A beginning of an answer after which the connection ends.
pub(crate) struct Fragment {
    pub(crate) bytes: Option<Bytes>,
    pub(crate) serving: Serving,
    pub(crate) delivery: Arc<Delivery>,
    /// How many tokens of text are in the beginning.
    pub(crate) text_tokens: u64,
}

impl Fragment {
    pub(crate) fn body(self) -> AnswerBody {
        frames(Some(self), |fragment| async move {
            let mut fragment = fragment?;
            if let Some(bytes) = fragment.bytes.take() {
                return Some((Ok(bytes), Some(fragment)));
            }
            fragment.delivery.flushed().await;
            fragment.serving.break_off(fragment.text_tokens);
            Some((Err(BrokenOff), None))
        })
    }
}

/// Compresses an answer frame by frame, so that each frame can be read when it arrives.
#[derive(Debug)]
pub(crate) struct Gzip(GzEncoder<Vec<u8>>);

impl Gzip {
    pub(crate) fn new() -> Self {
        Self(GzEncoder::new(Vec::new(), Compression::fast()))
    }

    /// The compressed bytes of a frame; the last one ends the compressed stream too.
    pub(crate) fn frame(&mut self, bytes: &[u8], is_last: bool) -> Bytes {
        let finish =
            |encoder: &mut GzEncoder<_>| if is_last { encoder.try_finish() } else { encoder.flush() };
        let written = self.0.write_all(bytes).and_then(|()| finish(&mut self.0));
        written.expect("writing to memory cannot fail");
        std::mem::take(self.0.get_mut()).into()
    }
}
