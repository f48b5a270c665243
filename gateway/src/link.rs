//! A connection to an upstream, driven by whoever uses it.
//!
//! hyper's pooled client gives each connection a task of its own, which hands over a body one frame at a time: a switch
//! of tasks and a write to the caller for every frame. Here the reader of a body drives the connection itself, so that
//! frames that arrived together are read together.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::pool::Pool;

/// How long a connection may take to be made, with its TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

type Transport = MaybeHttpsStream<TokioIo<TcpStream>>;
type Driver = Pin<Box<Connection<Transport, Full<Bytes>>>>;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// There is no connection: nothing was sent.
    #[error("no connection")]
    NotConnected(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The connection was closed before a byte of the request was written.
    #[error("connection was closed before the request was sent")]
    NotSent(#[source] hyper::Error),
    /// The connection broke after the request was sent, or while it was.
    #[error("connection broke before the answer")]
    Broke(#[source] hyper::Error),
}

impl CallError {
    /// Whether the upstream may have seen the request.
    pub(crate) fn was_sent(&self) -> bool {
        matches!(self, Self::Broke(_))
    }
}

/// A connection.
pub(crate) struct Link {
    sender: SendRequest<Full<Bytes>>,
    /// None once the connection has ended.
    driver: Option<Driver>,
}

/// What became of a request.
pub(crate) enum Exchange {
    /// An answer.
    Answered(Response<UpstreamBody>),
    /// The connection was closed before; here is the request again.
    NotSent(Request<Full<Bytes>>, hyper::Error),
    /// The connection broke.
    Broke(hyper::Error),
}

impl Link {
    /// Connects to where a URL points.
    pub(crate) async fn connect(
        mut connector: HttpsConnector<HttpConnector>,
        url: Uri,
    ) -> Result<Self, CallError> {
        let connecting = async {
            std::future::poll_fn(|cx| connector.poll_ready(cx)).await?;
            let transport = connector.call(url).await?;
            let (sender, driver) = http1::handshake(transport).await?;
            Ok(Self { sender, driver: Some(Box::pin(driver)) })
        };
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
        connected.unwrap_or_else(|late| Err(late.into())).map_err(CallError::NotConnected)
    }

    /// Whether the connection, idle so far, can be used. Notices that the other side has closed it.
    pub(crate) async fn is_usable(&mut self) -> bool {
        std::future::poll_fn(|cx| {
            self.drive(cx);
            Poll::Ready(self.driver.is_some() && self.sender.is_ready())
        })
        .await
    }

    /// Sends a request and reads the head of the answer. The body gives the connection back to the pool at its end.
    pub(crate) async fn exchange(mut self, request: Request<Full<Bytes>>, pool: &Arc<Pool>) -> Exchange {
        let mut answer = std::pin::pin!(self.sender.try_send_request(request));
        let answered = std::future::poll_fn(|cx| {
            self.drive(cx);
            answer.as_mut().poll(cx)
        })
        .await;
        match answered {
            Ok(response) => Exchange::Answered(response.map(|incoming| UpstreamBody {
                incoming,
                link: Some(self),
                pool: Arc::clone(pool),
            })),
            Err(mut failed) => match failed.take_message() {
                Some(request) => Exchange::NotSent(request, failed.into_error()),
                None => Exchange::Broke(failed.into_error()),
            },
        }
    }

    /// Reads and writes what can be read and written now. How the connection ended, its user learns.
    fn drive(&mut self, cx: &mut Context<'_>) {
        if self.driver.as_mut().is_some_and(|driver| driver.as_mut().poll(cx).is_ready()) {
            self.driver = None;
        }
    }
}

/// The body of an upstream's answer. Dropped before its end, it closes the connection.
pub(crate) struct UpstreamBody {
    incoming: Incoming,
    /// None once the body has ended.
    link: Option<Link>,
    pool: Arc<Pool>,
}

impl UpstreamBody {
    /// The body is read: the connection can be used by others.
    fn give_back(&mut self) {
        if let Some(link) = self.link.take().filter(|link| link.driver.is_some()) {
            self.pool.put(link);
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut read = Pin::new(&mut self.incoming).poll_frame(cx);
        if read.is_pending()
            && let Some(link) = &mut self.link
        {
            link.drive(cx);
            read = Pin::new(&mut self.incoming).poll_frame(cx);
        }
        let read = ready!(read);
        if read.is_none() || self.incoming.is_end_stream() {
            self.give_back();
        }
        Poll::Ready(read)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
