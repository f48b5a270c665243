//! The upstream: a scripted server that costs as little as one can. Canned answers, streams paced by the kernel.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use memchr::memmem;
use weir_tests::load::moment::Moment;
use weir_tests::load::pacer::Pacer;
use weir_tests::load::server::{Role, Serving};

use crate::serving::serve_http;

/// The role that is the upstream.
pub(crate) const ROLE: Role = ("upstream", serve);

/// Text frames of a stream, and the time between two.
pub(crate) const FRAMES: u64 = 50;
const FRAME_GAP: Duration = Duration::from_millis(20);
/// What every answer says it used.
pub(crate) const INPUT_TOKENS: u64 = 120;
/// Output tokens; those of a stream are as many as its text frames.
pub(crate) const OUTPUT_TOKENS: u64 = 80;

/// Where it says how many answers it has begun.
pub(crate) const SERVED_PATH: &str = "/served";

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

fn serve(serving: Serving) -> LocalBoxFuture<'static, anyhow::Result<()>> {
    Box::pin(async move {
        let served = Arc::new(AtomicU64::new(0));
        serve_http(serving, move |request| answer(request, Arc::clone(&served))).await
    })
}

async fn answer(request: Request<Incoming>, served: Arc<AtomicU64>) -> Result<Response<Body>, Infallible> {
    if request.method() == Method::GET && request.uri().path() == SERVED_PATH {
        return Ok(Response::new(whole(served.load(Ordering::Relaxed).to_string().into())));
    }
    // A body that breaks off asks for nothing.
    let asked =
        request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let says = |member: &str| memmem::find(&asked, member.as_bytes()).is_some();
    let (kind, body) = if says(r#""stream":true"#) {
        ("text/event-stream", events(says(r#""include_usage":true"#)))
    } else {
        ("application/json", whole(Bytes::from(completion())))
    };
    served.fetch_add(1, Ordering::Relaxed);
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// The canned answer.
pub(crate) fn completion() -> String {
    let text = "An answer of some eighty tokens, as a short question gets it. ".repeat(6);
    format!(
        "{{\"id\":\"chatcmpl-benchmark\",\"object\":\"chat.completion\",\"created\":1763700000,\"model\":\"gpt-4o\",\
         \"choices\":[{{\"index\":0,\"message\":{{\"role\":\"assistant\",\"content\":\"{text}\",\"refusal\":null}},\
         \"logprobs\":null,\"finish_reason\":\"stop\"}}],\"usage\":{}}}",
        usage(OUTPUT_TOKENS)
    )
}

fn usage(output: u64) -> String {
    let total = INPUT_TOKENS + output;
    format!("{{\"prompt_tokens\":{INPUT_TOKENS},\"completion_tokens\":{output},\"total_tokens\":{total}}}")
}

/// Text frames one gap apart, then the end with usage if it was asked for.
fn events(with_usage: bool) -> Body {
    let begin = Moment::now();
    let steps = stream::unfold((None, 0), move |(pacer, step)| async move {
        let mut pacer = match pacer {
            Some(pacer) => pacer,
            None => Pacer::new(begin, FRAME_GAP).ok()?,
        };
        if step > FRAMES {
            return None;
        }
        let event = match pacer.tick().await {
            Err(problem) => Err(problem),
            Ok(_) if step < FRAMES => Ok(Frame::data(Bytes::from(text_event(with_usage)))),
            Ok(_) => Ok(Frame::data(Bytes::from(end_events(with_usage)))),
        };
        Some((event, (Some(pacer), step + 1)))
    });
    StreamBody::new(steps).boxed_unsync()
}

/// What precedes the time of sending in a text frame.
pub(crate) const STAMP: &str = "\"content\":\"";

/// A frame whose text is the time at which it is sent.
fn text_event(with_usage: bool) -> String {
    event(&format!("{{{STAMP}{}\"}}", Moment::now().as_nanos()), "null", with_usage)
}

fn end_events(with_usage: bool) -> String {
    let mut text = event("{}", "\"stop\"", with_usage);
    if with_usage {
        text += &format!("data: {{{HEAD},\"choices\":[],\"usage\":{}}}\n\n", usage(FRAMES));
    }
    text + "data: [DONE]\n\n"
}

const HEAD: &str =
    r#""id":"chatcmpl-benchmark","object":"chat.completion.chunk","created":1763700000,"model":"gpt-4o""#;

fn event(delta: &str, finish_reason: &str, with_usage: bool) -> String {
    let usage = if with_usage { ",\"usage\":null" } else { "" };
    format!(
        "data: {{{HEAD},\"choices\":[{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\
         \"finish_reason\":{finish_reason}}}]{usage}}}\n\n"
    )
}
