//! One caller's connection: HTTP/1.1, kept open, Nagle's delay off.

use anyhow::ensure;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use weir_runtime::tasks::Tasks;

/// Where callers ask, at every side.
const PATH: &str = "/v1/chat/completions";

/// A connection to a side.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
    authorization: HeaderValue,
}

impl Connection {
    /// Connects; the key is sent with every request.
    pub(crate) async fn open(address: &str, key: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // If it breaks, the request that is under way fails.
        Tasks::new().spawn(async move { drop(connection.await) });
        let (host, authorization) = (address.parse()?, format!("Bearer {key}").parse()?);
        Ok(Self { sender, host, authorization })
    }

    /// Asks, and returns when the head of an answer with status 200 is there.
    pub(crate) async fn ask(&mut self, body: &Bytes) -> anyhow::Result<Response<Incoming>> {
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = http::Uri::from_static(PATH);
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        ensure!(response.status() == StatusCode::OK, "answered {}", response.status());
        Ok(response)
    }
}

/// A request as a chat has it, of about 700 bytes.
pub(crate) fn chat(streamed: bool) -> Bytes {
    let instructions =
        "You answer questions about rivers and weirs, briefly and with figures where there are any. "
            .repeat(4);
    let stream = if streamed { ",\"stream\":true" } else { "" };
    Bytes::from(format!(
        "{{\"model\":\"gpt-4o\",\"messages\":[{{\"role\":\"system\",\"content\":\"{instructions}\"}},\
         {{\"role\":\"user\",\"content\":\"How much water passes over a weir ten metres wide when it stands thirty \
         centimetres above the crest, and how would you measure it without a gauge?\"}}],\
         \"max_tokens\":400,\"temperature\":0.2{stream}}}"
    ))
}
