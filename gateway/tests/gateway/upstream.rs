//! An upstream of which a test controls every byte: what was received, what is sent, and when the connection breaks.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Requests as they come in, each with its connection.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    calls: mpsc::Receiver<Call>,
}

/// One request, and the connection to answer it on. The connection breaks when this is dropped.
pub(crate) struct Call {
    pub(crate) head: String,
    pub(crate) body: String,
    connection: TcpStream,
    again: mpsc::Sender<Call>,
}

/// How many calls may wait for a test to take them.
const WAITING_MAX: usize = 64;

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, calls) = mpsc::channel(WAITING_MAX);
        crate::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                connection.set_nodelay(true).unwrap();
                crate::spawn(read_call(connection, sender.clone()));
            }
        });
        Self { address, calls }
    }

    /// The next request.
    pub(crate) async fn call(&mut self) -> Call {
        crate::in_time(self.calls.recv()).await.unwrap()
    }

    /// Whether no request has come in.
    pub(crate) fn is_untouched(&mut self) -> bool {
        self.calls.try_recv().is_err()
    }
}

async fn read_call(mut connection: TcpStream, again: mpsc::Sender<Call>) {
    let mut read = Vec::new();
    let head_end = loop {
        if let Some(at) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if connection.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return;
        }
    };
    let head = String::from_utf8(read[..head_end].to_vec()).unwrap();
    let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = read.split_off(head_end + 4);
    while body.len() < length {
        if connection.read_buf(&mut body).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let call = Call { head, body: String::from_utf8(body).unwrap(), connection, again: again.clone() };
    // A test that does not look at its calls any more is over.
    let _ = again.send(call).await;
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let line = head
        .lines()
        .skip(1)
        .find(|line| line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name)))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// Sends bytes as they are.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.connection.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Sends bytes, unless the gateway has closed the connection.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.connection.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Begins an event stream.
    pub(crate) async fn begin_stream(&mut self) {
        self.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n")
            .await;
        self.send("x-ratelimit-remaining-tokens: 7\r\nx-ms-region: West Europe\r\n\r\n").await;
    }

    /// Sends one chunk of a body.
    pub(crate) async fn chunk(&mut self, bytes: impl AsRef<[u8]>) {
        self.send(chunk(bytes.as_ref())).await;
    }

    /// Ends a body of chunks; the connection can be used again.
    pub(crate) async fn end(mut self) {
        self.send("0\r\n\r\n").await;
        crate::spawn(read_call(self.connection, self.again));
    }

    /// Answers with a whole JSON body.
    pub(crate) async fn answer(mut self, status: &str, headers: &str, body: impl AsRef<[u8]>) {
        let length = body.as_ref().len();
        self.send(format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n")).await;
        self.send(body).await;
        crate::spawn(read_call(self.connection, self.again));
    }

    /// Waits until the gateway closes the connection.
    pub(crate) async fn closed(mut self) {
        let mut rest = Vec::new();
        // A reset closes it as well.
        let _ = crate::in_time(self.connection.read_to_end(&mut rest)).await;
    }
}

/// One chunk in HTTP's framing.
pub(crate) fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}
