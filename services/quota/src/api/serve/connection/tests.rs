//! Calls on one connection: what holds up whom, and what leaves when.

use std::io;
use std::pin::pin;
use std::sync::atomic::AtomicUsize;

use futures_util::future::{join, join_all};
use hyper::client::conn::http2 as client;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::sync::Notify;

use super::*;

/// Room on the line, more than any test sends.
const LINE_BYTES: usize = 1 << 16;

/// A line on which writes are counted.
struct Line {
    stream: DuplexStream,
    writes: Arc<AtomicUsize>,
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, to)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        Pin::new(&mut self.stream).poll_write(cx, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Both ends of a connection. `/wait` is answered when it is let go, `/panic` never, everything else at once.
struct World {
    caller: client::SendRequest<String>,
    let_go: Arc<Notify>,
    writes: Arc<AtomicUsize>,
    shutdown: CancellationToken,
    tasks: weir_runtime::tasks::Tasks,
}

impl World {
    async fn new() -> Self {
        let (near, far) = duplex(LINE_BYTES);
        let (let_go, writes, shutdown) = (Arc::new(Notify::new()), Arc::default(), CancellationToken::new());
        let tasks = weir_runtime::tasks::Tasks::new();
        let answer = {
            let let_go = Arc::clone(&let_go);
            move |request: Request<Incoming>| {
                let let_go = Arc::clone(&let_go);
                async move {
                    match request.uri().path() {
                        "/wait" => let_go.notified().await,
                        "/panic" => panic!("as the test wants it"),
                        _ => {}
                    }
                    Ok(Response::new(Body::empty()))
                }
            }
        };
        let line = TokioIo::new(Line { stream: near, writes: Arc::clone(&writes) });
        drop(tasks.spawn(serve(line, service_fn(answer), shutdown.clone())));
        let (caller, far) = client::handshake(TokioExecutor::new(), TokioIo::new(far)).await.unwrap();
        drop(tasks.spawn(far));
        Self { caller, let_go, writes, shutdown, tasks }
    }

    fn call(&self, path: &str) -> impl Future<Output = bool> + use<> {
        let request = Request::builder().uri(format!("http://quota{path}")).body(String::new()).unwrap();
        let answer = self.caller.clone().send_request(request);
        async move { answer.await.is_ok_and(|response| response.status().is_success()) }
    }
}

#[tokio::test]
async fn what_was_asked_together_is_answered_together() {
    let world = World::new().await;
    assert!(world.call("/now").await);
    let before = world.writes.load(Ordering::SeqCst);
    let answers = join_all((0..64).map(|_| world.call("/now"))).await;
    assert!(answers.into_iter().all(|answered| answered));
    let writes = world.writes.load(Ordering::SeqCst) - before;
    assert!(writes < 8, "64 answers took {writes} writes");
}

#[tokio::test]
async fn a_call_that_waits_holds_up_no_other_and_is_answered_in_the_end() {
    let world = World::new().await;
    let mut waits = pin!(world.call("/wait"));
    assert!(futures_util::poll!(waits.as_mut()).is_pending());
    for _ in 0..10 {
        assert!(world.call("/now").await);
    }
    assert!(futures_util::poll!(waits.as_mut()).is_pending());
    world.let_go.notify_one();
    assert!(waits.await);
}

#[tokio::test]
async fn a_call_that_panics_breaks_off_alone() {
    let world = World::new().await;
    let (waited, panicked) = join(world.call("/wait"), async {
        let panicked = world.call("/panic").await;
        world.let_go.notify_one();
        panicked
    })
    .await;
    assert!(waited && !panicked);
    assert!(world.call("/now").await);
}

#[tokio::test]
async fn what_was_asked_before_shutdown_is_answered_and_then_the_connection_ends() {
    let world = World::new().await;
    let mut waits = pin!(world.call("/wait"));
    assert!(futures_util::poll!(waits.as_mut()).is_pending());
    assert!(world.call("/now").await);
    world.shutdown.cancel();
    world.let_go.notify_one();
    assert!(waits.await);
    assert!(world.tasks.drain(Duration::from_secs(5)).await, "the connection goes on");
}

#[tokio::test]
async fn work_that_always_finds_more_lets_others_have_their_turn() {
    let other = AtomicBool::new(false);
    let work = at_work(|context| {
        context.waker().wake_by_ref();
        if other.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
    });
    join(work, async { other.store(true, Ordering::SeqCst) }).await;
}

/// Another thread counts up, and wakes the work after each step; a wake that is lost would end this by its bound.
#[tokio::test]
async fn no_wake_from_another_thread_is_lost() {
    const STEPS: usize = 10_000;
    let (asked, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let task = Arc::new(AtomicWaker::new());
    let elsewhere = {
        let (asked, done, task) = (Arc::clone(&asked), Arc::clone(&done), Arc::clone(&task));
        std::thread::spawn(move || {
            for step in 1..=STEPS {
                asked.store(step, Ordering::SeqCst);
                task.wake();
                while done.load(Ordering::SeqCst) < step {
                    std::hint::spin_loop();
                }
            }
        })
    };
    let work = at_work(|context| {
        task.register(context.waker());
        done.store(asked.load(Ordering::SeqCst), Ordering::SeqCst);
        if done.load(Ordering::SeqCst) == STEPS { Poll::Ready(()) } else { Poll::Pending }
    });
    let ended = tokio::time::timeout(Duration::from_mins(1), work).await;
    done.store(STEPS, Ordering::SeqCst);
    elsewhere.join().unwrap();
    assert!(ended.is_ok(), "a wake was lost");
}
