//! What became of the bytes of an answer: written while the client was there, or not.
//!
//! An HTTP server hands bytes to a buffer and forgets them. So the stream under it is wrapped: when a flush reaches
//! the socket, everything handed over before has been written. Whether the client's program read it cannot be known.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::serving::Serving;

/// What one connection still has to write.
#[derive(Debug, Default)]
pub(crate) struct Delivery(Mutex<Pending>);

#[derive(Debug, Default)]
struct Pending {
    /// Answers whose last byte is in the buffer; more than one only if requests are pipelined.
    answers: Vec<Serving>,
    flush: Flush,
}

/// Somebody's wait for a flush.
#[derive(Debug, Default)]
enum Flush {
    #[default]
    NotAwaited,
    Awaited(Waker),
    Done,
}

impl Delivery {
    /// The last byte of an answer is in the buffer.
    pub(crate) fn hand_over(&self, mut answer: Serving) {
        answer.complete();
        self.lock().answers.push(answer);
    }

    /// Returns when everything in the buffer has been written. Only within the connection's own task.
    pub(crate) async fn flushed(&self) {
        std::future::poll_fn(|cx| {
            let mut pending = self.lock();
            match pending.flush {
                Flush::Done => {
                    pending.flush = Flush::NotAwaited;
                    return Poll::Ready(());
                }
                // A server that has nothing left to write does not flush before it is polled again.
                Flush::NotAwaited => cx.waker().wake_by_ref(),
                Flush::Awaited(_) => {}
            }
            pending.flush = Flush::Awaited(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn written(&self, client_is_there: impl FnOnce() -> bool) {
        let mut pending = self.lock();
        if let Flush::Awaited(waker) = &pending.flush {
            waker.wake_by_ref();
            pending.flush = Flush::Done;
        }
        if pending.answers.is_empty() {
            return;
        }
        let answers = std::mem::take(&mut pending.answers);
        drop(pending);
        let there = client_is_there();
        for answer in answers {
            answer.written(there);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that knows when an answer has been written.
#[derive(Debug)]
pub(crate) struct WitnessedStream {
    stream: TcpStream,
    delivery: Arc<Delivery>,
}

impl WitnessedStream {
    pub(crate) fn new(stream: TcpStream, delivery: Arc<Delivery>) -> Self {
        Self { stream, delivery }
    }
}

impl Drop for WitnessedStream {
    fn drop(&mut self) {
        // What is pending now was never written. Taken out first: dropping an answer must not happen under the lock.
        let unwritten = std::mem::take(&mut self.delivery.lock().answers);
        drop(unwritten);
    }
}

impl AsyncRead for WitnessedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for WitnessedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.delivery.written(|| client_is_there(&self.stream, cx));
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Looks for the end of the client's side without taking bytes from it.
fn client_is_there(stream: &TcpStream, cx: &mut Context<'_>) -> bool {
    let mut byte = [0];
    match stream.poll_peek(cx, &mut ReadBuf::new(&mut byte)) {
        Poll::Pending => true,
        Poll::Ready(Ok(bytes)) => bytes > 0,
        Poll::Ready(Err(_)) => false,
    }
}
