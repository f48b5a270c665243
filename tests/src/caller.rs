//! A caller that can leave at any moment: raw hyper, one connection a call.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A call that hangs longer than this is a failure of the test.
const CALL_TIMEOUT: Duration = Duration::from_mins(1);

/// What to ask.
#[derive(Debug, Clone)]
pub struct Call {
    /// The path at the gateway.
    pub path: String,
    /// The caller key.
    pub key: String,
    /// The JSON body.
    pub body: serde_json::Value,
    /// The service that is to be charged: the emulator's ledger keeps it as the witness.
    pub service: String,
    /// What the emulator is to do wrong: its `x-emulator-fault` header.
    pub fault: Option<String>,
    /// The caller's trace, if it has one.
    pub traceparent: Option<String>,
    /// Leave after so many frames of the answer's body; 0 leaves as soon as the head is there.
    pub leave_after_frames: Option<usize>,
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// `x-weir-request-id`.
    pub request_id: Option<String>,
    /// The headers.
    pub headers: http::HeaderMap,
    /// As much of the body as was read.
    pub body: Bytes,
    /// Whether the body ended as HTTP says it must.
    pub whole: bool,
}

/// Calls a gateway. An error means that no head of an answer came.
pub async fn call(gateway: &str, call: &Call) -> anyhow::Result<Answer> {
    tokio::time::timeout(CALL_TIMEOUT, call_unbounded(gateway, call)).await?
}

async fn call_unbounded(gateway: &str, call: &Call) -> anyhow::Result<Answer> {
    let stream = TcpStream::connect(gateway).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let ask = async move {
        let mut request = Request::post(&call.path)
            .header("host", gateway)
            .header("authorization", format!("Bearer {}", call.key))
            .header("content-type", "application/json")
            .header("x-emulator-label", &call.service);
        if let Some(parent) = &call.traceparent {
            request = request.header("traceparent", parent);
        }
        if let Some(fault) = &call.fault {
            request = request.header("x-emulator-fault", fault);
        }
        let response =
            sender.send_request(request.body(Full::new(Bytes::from(call.body.to_string())))?).await?;
        read(response, call.leave_after_frames).await
    };
    // The connection is driven beside the call and dropped with it: that is how a caller leaves.
    tokio::pin!(connection, ask);
    tokio::select! {
        answer = &mut ask => answer,
        ended = &mut connection => { ended?; ask.await }
    }
}

async fn read(
    response: http::Response<hyper::body::Incoming>,
    leave_after: Option<usize>,
) -> anyhow::Result<Answer> {
    let (head, mut body) = response.into_parts();
    let request_id = head.headers.get("x-weir-request-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let (mut read, mut frames, mut whole) = (Vec::new(), 0, false);
    while leave_after.is_none_or(|limit| frames < limit) {
        match body.frame().await {
            None => {
                whole = true;
                break;
            }
            Some(Err(_)) => break,
            Some(Ok(frame)) => {
                frames += 1;
                read.extend_from_slice(frame.data_ref().map_or(&[], |data| &data[..]));
            }
        }
    }
    Ok(Answer { status: head.status, request_id, headers: head.headers, body: read.into(), whole })
}
