//! A caller that sees every byte, and when it comes.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection to a gateway.
pub(crate) struct Client {
    connection: TcpStream,
    read: Vec<u8>,
}

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { connection: TcpStream::connect(address).await.unwrap(), read: Vec::new() }
    }

    /// Sends a request.
    pub(crate) async fn send(&mut self, line: &str, headers: &str, body: &str) {
        let length = body.len();
        let request =
            format!("{line} HTTP/1.1\r\nhost: gateway\r\n{headers}content-length: {length}\r\n\r\n{body}");
        self.connection.write_all(request.as_bytes()).await.unwrap();
    }

    /// Sends the head of a request whose body does not come.
    pub(crate) async fn send_head(&mut self, line: &str, headers: &str, length: usize) {
        let head = format!("{line} HTTP/1.1\r\nhost: gateway\r\n{headers}content-length: {length}\r\n\r\n");
        self.connection.write_all(head.as_bytes()).await.unwrap();
    }

    /// Reads the head of an answer.
    pub(crate) async fn head(&mut self) -> Head {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            assert!(self.read_more().await, "the connection closed before an answer");
        };
        let rest = self.read.split_off(end + 4);
        let head = String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let pair =
            |line: &str| line.split_once(": ").map(|(key, value)| (key.to_lowercase(), value.to_owned()));
        Head { status, headers: lines.filter_map(pair).collect() }
    }

    /// Reads the next chunk of a body of chunks; empty at its end, none if the connection breaks first.
    pub(crate) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let line_end = loop {
            if let Some(at) = self.read.windows(2).position(|window| window == b"\r\n") {
                break at;
            }
            if !self.read_more().await {
                return None;
            }
        };
        let length = std::str::from_utf8(&self.read[..line_end]).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        while self.read.len() < line_end + 2 + length + 2 {
            if !self.read_more().await {
                return None;
            }
        }
        let rest = self.read.split_off(line_end + 2 + length + 2);
        let framed = std::mem::replace(&mut self.read, rest);
        Some(framed[line_end + 2..line_end + 2 + length].to_vec())
    }

    /// Reads the rest of a body of chunks; whether it came to its end.
    pub(crate) async fn chunks(&mut self) -> (Vec<u8>, bool) {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await {
            if chunk.is_empty() {
                return (body, true);
            }
            body.extend(chunk);
        }
        (body, false)
    }

    /// Reads a whole answer, however it is framed.
    pub(crate) async fn answer(&mut self) -> (Head, Vec<u8>) {
        let head = self.head().await;
        let Some(length) = head.header("content-length") else { return (head, self.chunks().await.0) };
        let length = length.parse().unwrap();
        while self.read.len() < length {
            assert!(self.read_more().await, "the connection closed within an answer");
        }
        let rest = self.read.split_off(length);
        (head, std::mem::replace(&mut self.read, rest))
    }

    /// Goes away, and returns when the gateway has noticed.
    pub(crate) async fn leave(mut self) {
        self.connection.shutdown().await.unwrap();
        while self.read_more().await {}
    }

    async fn read_more(&mut self) -> bool {
        crate::in_time(self.connection.read_buf(&mut self.read)).await.unwrap_or(0) > 0
    }
}
