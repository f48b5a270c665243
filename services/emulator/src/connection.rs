//! Connections: accepted, served by HTTP/1.1, drained at shutdown.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use weir_runtime::tasks::Tasks;

use crate::api;
use crate::delivery::{Delivery, WitnessedStream};
use crate::emulator::Emulator;

/// Connections at a time; more wait to be accepted. Far above any test, below a usual limit of open files.
const CONNECTIONS_MAX: usize = 10_000;
/// How long answers that are on their way may take at shutdown.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// How long a connection that was cut may take to end.
const CUT_MAX: Duration = Duration::from_secs(1);
/// How long to wait when no connection can be accepted, for instance for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// When connections end.
#[derive(Debug, Clone)]
struct Ends {
    /// After the answer they are at.
    drain: CancellationToken,
    /// At once.
    cut: CancellationToken,
}

/// Serves until shutdown; returns when all connections have ended.
pub(crate) async fn serve(listener: TcpListener, emulator: Arc<Emulator>, shutdown: CancellationToken) {
    let tasks = Tasks::new();
    let ends = Ends { drain: tasks.shutdown(), cut: CancellationToken::new() };
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &connections) => accepted,
        };
        match accepted {
            Ok((stream, permit)) => {
                tasks.spawn(connection(stream, permit, Arc::clone(&emulator), ends.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    tasks.begin_shutdown();
    if !tasks.drain(DRAIN_MAX).await {
        ends.cut.cancel();
        tasks.drain(CUT_MAX).await;
    }
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(connections).acquire_owned().await.expect("the semaphore is never closed");
    let (stream, _) = listener.accept().await?;
    // Without it a peer's delayed acknowledgement adds 40 ms to a first token.
    stream.set_nodelay(true)?;
    Ok((stream, permit))
}

async fn connection(stream: TcpStream, _permit: OwnedSemaphorePermit, emulator: Arc<Emulator>, ends: Ends) {
    let delivery = Arc::new(Delivery::default());
    let stream = TokioIo::new(WitnessedStream::new(stream, Arc::clone(&delivery)));
    let service = service_fn(|request| {
        let (emulator, delivery) = (Arc::clone(&emulator), Arc::clone(&delivery));
        async move { Ok::<_, Infallible>(api::handle(emulator, delivery, request).await) }
    });
    let mut connection = pin!(http1::Builder::new().serve_connection(stream, service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = ends.drain.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = ends.cut.cancelled() => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended early");
    }
}
