//! One connection, and the calls on it, in one task.
//!
//! Most calls are answered where they are first looked at. So no task is made for them, what was read at once is decided
//! at once, and the answers leave together in one write: a task for each call would cost more than its decision, and a
//! write for each answer more than that. Calls that wait are woken on their own. What takes long is not done here: it is
//! handed to a task by whoever does it.

use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::task::AtomicWaker;
use futures_util::{FutureExt, StreamExt};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::{Executor, Read, Write};
use hyper::server::conn::http2;
use hyper::service::Service;
use hyper_util::rt::TokioTimer;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;

/// How long a connection may be silent before its peer is asked whether it is there, and how long it may take to say so:
/// sessions of a node that is gone must not stay for ever.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Calls at once on one connection: as many as may wait for the journal in a pool.
const CALLS_MAX: u32 = 8_192;
/// How often connection and calls are looked at before other tasks have their turn: a call is read, answered and written in
/// two.
const ROUNDS_MAX: u32 = 8;

/// Serves a connection until it ends, or until shutdown and what was asked before is answered.
pub(super) async fn serve<S>(io: impl Read + Write + Unpin, service: S, shutdown: CancellationToken)
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    let arrived = Arrived::default();
    let mut builder = http2::Builder::new(arrived.clone());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .max_concurrent_streams(CALLS_MAX)
        // Nobody reads it; it would be in every answer.
        .auto_date_header(false);
    let mut connection = pin!(builder.serve_connection(io, service));
    let (mut calls, mut ending) = (Calls::new(arrived), pin!(shutdown.cancelled().fuse()));
    let served = at_work(|context| {
        if ending.as_mut().poll(context).is_ready() {
            connection.as_mut().graceful_shutdown();
        }
        let served = connection.as_mut().poll(context);
        calls.poll(context);
        served
    });
    if let Err(problem) = served.await {
        tracing::debug!(%problem, "a connection broke off");
    }
}

/// Works until there is an outcome. The work is done again at once where it wakes itself, within bounds.
async fn at_work<T>(mut work: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let nudge = Arc::new(Nudge::default());
    let waker = Waker::from(Arc::clone(&nudge));
    poll_fn(|context| {
        nudge.task.register(context.waker());
        for _ in 0..ROUNDS_MAX {
            nudge.begin();
            if let Poll::Ready(outcome) = work(&mut Context::from_waker(&waker)) {
                return Poll::Ready(outcome);
            }
            if nudge.ends() {
                return Poll::Pending;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

/// Wakes a task, except while it is at work: then it is told that there is more to do.
#[derive(Default)]
struct Nudge {
    task: AtomicWaker,
    at_work: AtomicBool,
    more: AtomicBool,
}

impl Nudge {
    fn begin(&self) {
        self.at_work.store(true, Ordering::SeqCst);
        self.more.store(false, Ordering::SeqCst);
    }

    /// Whether there is no more to do. Whoever comes after `at_work` is false wakes the task; whoever came before it has
    /// left `more`.
    fn ends(&self) -> bool {
        self.at_work.store(false, Ordering::SeqCst);
        !self.more.load(Ordering::SeqCst)
    }
}

impl Wake for Nudge {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.more.store(true, Ordering::SeqCst);
        if !self.at_work.load(Ordering::SeqCst) {
            self.task.wake();
        }
    }
}

/// A call, from its head to the end of its answer.
type Call = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Calls that have come and were not looked at yet: at most what one read has brought.
#[derive(Clone, Default)]
struct Arrived(Arc<Mutex<Vec<Call>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Arrived {
    fn execute(&self, call: F) {
        // A panic is a defect of one call: its caller is told that it broke off, and the others go on.
        let call = AssertUnwindSafe(call).catch_unwind().map(|ended| {
            if ended.is_err() {
                tracing::error!("a call panicked");
            }
        });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Box::pin(call));
    }
}

/// The calls of a connection.
struct Calls {
    arrived: Arrived,
    /// Kept for its room.
    new: Vec<Call>,
    waiting: FuturesUnordered<Call>,
}

impl Calls {
    fn new(arrived: Arrived) -> Self {
        Self { arrived, new: Vec::new(), waiting: FuturesUnordered::new() }
    }

    /// Goes on with calls that are new or were woken.
    fn poll(&mut self, context: &mut Context<'_>) {
        std::mem::swap(&mut self.new, &mut self.arrived.0.lock().unwrap_or_else(PoisonError::into_inner));
        for mut call in self.new.drain(..) {
            if call.as_mut().poll(context).is_pending() {
                self.waiting.push(call);
            }
        }
        while let Poll::Ready(Some(())) = self.waiting.poll_next_unpin(context) {}
    }
}

#[cfg(test)]
mod tests;
