//! Serving gRPC: connections are accepted, each is one task, and on shutdown what is under way is answered.
//!
//! Not tonic's own server: that makes a task of every call and writes every answer by itself. See [`connection`].

mod connection;
mod entrance;

use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use weir_runtime::tasks::Tasks;

use super::auth::Visitor;
pub(super) use entrance::Entrance;

/// How long a handshake may take: a caller far away on a bad line needs about two seconds.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Before the next connection is taken where one could not be: most likely there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// How long calls under way may take to end on shutdown: longer than anything waits for a journal.
const CALLS_END_MAX: Duration = Duration::from_mins(1);

/// Serves until shutdown; calls under way are answered.
pub(super) async fn serve(
    entrance: Entrance,
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    shutdown: CancellationToken,
) {
    let (tls, connections) = (tls.map(TlsAcceptor::from), Tasks::new());
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let attended = attend(stream, entrance.clone(), tls.clone(), shutdown.clone());
                drop(connections.spawn(attended));
            }
            Err(problem) => {
                tracing::warn!(%problem, "a connection cannot be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if !connections.drain(CALLS_END_MAX).await {
        tracing::warn!("calls did not end in time; their callers will ask again");
    }
}

/// Serves one connection until it ends.
async fn attend(
    stream: TcpStream,
    entrance: Entrance,
    tls: Option<TlsAcceptor>,
    shutdown: CancellationToken,
) {
    let address = stream.peer_addr().ok().map(|address| address.ip());
    // An error means that the peer is gone, which is seen next.
    drop(stream.set_nodelay(true));
    let Some(acceptor) = tls else {
        let visit = entrance.visit(Visitor::new(address, None));
        return connection::serve(TokioIo::new(stream), visit, shutdown).await;
    };
    match timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let chain = stream.get_ref().1.peer_certificates();
            let certificate = chain.and_then(<[_]>::first).cloned();
            let visit = entrance.visit(Visitor::new(address, certificate));
            connection::serve(TokioIo::new(stream), visit, shutdown).await;
        }
        Ok(Err(problem)) => tracing::debug!(?address, %problem, "no handshake"),
        Err(_) => tracing::debug!(?address, "a handshake took too long"),
    }
}
