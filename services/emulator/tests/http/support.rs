//! A running emulator, a client, and what answers mean.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use weir_domain::policy::Encoding;
use weir_domain::time::Timestamp;
use weir_emulator::config::{Deployment, Pacing};
use weir_emulator::ledger::Entry;
use weir_emulator::{Config, Error, Ports};
use weir_runtime::clock::ManualClock;
use weir_runtime::tasks::Tasks;
use weir_runtime::tokenizer::Tokenizer;

/// A running emulator.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Arc<ManualClock>,
    tasks: Tasks,
    shutdown: CancellationToken,
    run: JoinHandle<Result<(), Error>>,
}

/// Settings with one chat deployment, one that reasons and one of embeddings, all without waits.
pub(crate) fn config() -> Config {
    let mut deployments =
        vec![Deployment::chat("gpt-4o"), Deployment::chat("o4-mini"), Deployment::embeddings("embed")];
    for deployment in &mut deployments {
        deployment.pacing = Pacing::NONE;
    }
    deployments[1].reasoning_share = 0.5;
    Config { deployments, ..Config::default() }
}

pub(crate) async fn start(config: Config) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_700_000_000)));
    let (tasks, shutdown) = (Tasks::new(), CancellationToken::new());
    let ports = Ports { clock: Arc::clone(&clock) as _, listener };
    let run = tasks.spawn(weir_emulator::run(config, ports, shutdown.clone()));
    Server { address, clock, tasks, shutdown, run }
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// False if the connection ended before the answer did.
    pub(crate) complete: bool,
}

impl Server {
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.run.await.unwrap().unwrap();
    }

    /// Begins to stop, and gives the end.
    pub(crate) fn begin_stop(self) -> JoinHandle<Result<(), Error>> {
        self.shutdown.cancel();
        self.run
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        self.tasks.spawn(connection);
        let (parts, mut incoming) = sender.send_request(request).await.unwrap().into_parts();
        let (mut body, mut complete) = (Vec::new(), true);
        while let Some(frame) = incoming.frame().await {
            complete &= frame.is_ok();
            let Ok(frame) = frame else { break };
            body.extend_from_slice(frame.data_ref().unwrap());
        }
        Answer { status: parts.status, headers: parts.headers, body: body.into(), complete }
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.send(request(Method::POST, path, headers, body.to_string())).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path, &[], String::new())).await
    }

    /// The ledger when nothing is in flight any more.
    pub(crate) async fn ledger(&self) -> Vec<Entry> {
        serde_json::from_slice(&self.get("/emulator/v1/ledger?idle=true").await.body).unwrap()
    }

    /// Sends a request and reads raw bytes until they contain a text so many times; then hangs up.
    pub(crate) async fn hang_up_after(&self, path: &str, body: &Value, text: &str, times: usize) {
        let mut stream = self.begin(path, "", body).await;
        let mut read = Vec::new();
        while String::from_utf8_lossy(&read).matches(text).count() < times {
            assert!(stream.read_buf(&mut read).await.unwrap() > 0, "the answer ended early");
        }
    }

    /// Sends a request over a connection of its own, with more header lines.
    pub(crate) async fn begin(&self, path: &str, headers: &str, body: &Value) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let body = body.to_string();
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nhost: e\r\ncontent-length: {length}\r\n{headers}\r\n");
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        stream
    }
}

pub(crate) fn request(
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: String,
) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path).header("host", "emulator");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(body.into())).unwrap()
}

pub(crate) const OPENAI: &str = "/v1/chat/completions";
pub(crate) const AZURE: &str = "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21";

/// A chat request with more fields.
#[expect(clippy::needless_pass_by_value, reason = "so that tests can write `json!` in place")]
pub(crate) fn chat(model: &str, fields: Value) -> Value {
    let mut body =
        json!({"model": model, "messages": [{"role": "user", "content": "Tell me about rivers."}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

pub(crate) fn tokens(text: &str) -> u64 {
    Tokenizer::of(Encoding::O200kBase).count(text)
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("{name} is missing")).to_str().unwrap()
    }

    /// The events of a stream; `[DONE]` is the only one that is not JSON.
    pub(crate) fn events(&self) -> Vec<Value> {
        events(std::str::from_utf8(&self.body).unwrap())
    }

    /// The text of a choice, streamed or not.
    pub(crate) fn text(&self, choice: u64) -> String {
        match self.header("content-type") {
            "application/json" => {
                self.json()["choices"][usize::try_from(choice).unwrap()]["message"]["content"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            }
            _ => text(&self.events(), choice),
        }
    }

    /// What the answer says it used, wherever it says so.
    pub(crate) fn usage(&self) -> Option<Value> {
        let said = match self.header("content-type") {
            "application/json" => vec![self.json()],
            _ => self.events(),
        };
        said.into_iter().map(|event| event["usage"].clone()).find(|usage| !usage.is_null())
    }
}

pub(crate) fn events(stream: &str) -> Vec<Value> {
    let events = stream.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").expect("an event"));
    events.map(|data| serde_json::from_str(data).unwrap_or_else(|_| json!(data))).collect()
}

pub(crate) fn text(events: &[Value], choice: u64) -> String {
    let choices = events.iter().filter_map(|event| event["choices"].as_array()).flatten();
    let texts = choices.filter(|found| found["index"] == choice).map(|found| &found["delta"]["content"]);
    texts.filter_map(Value::as_str).collect()
}
