//! What reaches the caller is what the upstream sent, byte for byte, as soon as it is there.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use weir_domain::usage::{AttemptOutcome, UsageSource};
use weir_gateway::config::{Config, UpstreamKind};

use crate::upstream::chunk;
use crate::{CHAT, UPSTREAM_KEY, World, authorization};

pub(crate) const STREAMED: &str =
    r#"{"model":"gpt-4o","messages":[{"role":"user","content":"hello"}],"stream": true}"#;
const TEXT: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hello world\"}}],\"usage\":null}\n\n";
const TEXT_UNASKED: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hello world\"}}]}\n\n";
const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4,\"total_tokens\":13,\"prompt_tokens_details\":{\"cached_tokens\":3}}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

#[tokio::test]
async fn usage_is_asked_for_and_taken_out_again() {
    let mut world = World::new().await;
    let mut client = world.asked(STREAMED).await;
    let mut call = world.upstream.call().await;
    assert!(
        call.head.starts_with(
            "POST /openai/deployments/gpt-4o-eu/chat/completions?api-version=2024-10-21 HTTP/1.1"
        )
    );
    assert_eq!(call.header("api-key"), Some(UPSTREAM_KEY));
    assert_eq!(call.header("authorization"), None);
    assert_eq!(call.header("accept-encoding"), Some("identity"));
    assert_eq!(call.body, STREAMED.replace("true}", r#"true,"stream_options":{"include_usage":true}}"#));
    call.begin_stream().await;
    for part in [TEXT, USAGE, DONE] {
        call.chunk(part).await;
    }
    call.end().await;

    let head = client.head().await;
    assert_eq!((head.status, head.header("x-ms-region")), (200, Some("West Europe")));
    assert_eq!(client.chunks().await, ([TEXT_UNASKED, DONE].concat().into_bytes(), true));
    let event = world.only_event().await;
    assert_eq!(head.header("x-weir-request-id"), Some(event.request.to_string().as_str()));
    assert_eq!((event.usage_source, event.outcome), (UsageSource::Reported, AttemptOutcome::Completed));
    assert_eq!(
        (event.usage.input.get(), event.usage.input_cached.get(), event.usage.output.get()),
        (9, 3, 4)
    );
    assert!(event.streamed && event.first_byte_after.is_some());
}

#[tokio::test]
async fn a_caller_who_asks_for_usage_gets_every_byte() {
    let mut world = World::new().await;
    let asked = STREAMED.replace("true}", r#"true, "stream_options" : {"include_usage":true}}"#);
    let mut client = world.asked(&asked).await;
    let mut call = world.upstream.call().await;
    assert_eq!(call.body, asked);
    call.begin_stream().await;
    let sent =
        ["\u{feff}: hi\r\n\r\n", TEXT, "data:{\"a\":\r", "\ndata: 1}\r\r", USAGE, "[DONE]\n\n", "data: last"];
    for part in sent {
        call.chunk(part).await;
    }
    call.end().await;
    client.head().await;
    assert_eq!(client.chunks().await, (sent.concat().into_bytes(), true));
    assert_eq!(world.only_event().await.usage.total().get(), 13);
}

#[tokio::test]
async fn an_event_is_forwarded_before_the_next_one_comes() {
    let mut world = World::new().await;
    let mut client = world.asked(STREAMED).await;
    let mut call = world.upstream.call().await;
    call.begin_stream().await;
    client.head().await;
    for _ in 0..3 {
        call.chunk(TEXT).await;
        assert_eq!(client.chunk().await, Some(TEXT_UNASKED.into()));
    }
    // Cut within a character and within a line end: what is complete goes, the rest follows when it is.
    call.chunk(b"data: {\"choices\":[{\"delta\":{\"content\":\"\xc3").await;
    call.chunk(b"\xbc\"}}]}\r\n\r").await;
    assert_eq!(
        client.chunk().await.unwrap(),
        "data: {\"choices\":[{\"delta\":{\"content\":\"ü\"}}]}\r\n\r".as_bytes()
    );
    call.chunk("\n").await;
    assert_eq!(client.chunk().await.unwrap(), b"\n");
    call.end().await;
    assert_eq!(client.chunks().await, (Vec::new(), true));
}

#[tokio::test]
async fn events_that_arrive_together_leave_together() {
    let mut world = World::new().await;
    let mut client = world.asked(STREAMED).await;
    let mut call = world.upstream.call().await;
    call.begin_stream().await;
    client.head().await;
    call.send(chunk([TEXT, TEXT, TEXT].concat().as_bytes())).await;
    assert_eq!(client.chunk().await.unwrap(), [TEXT_UNASKED; 3].concat().as_bytes());
}

#[tokio::test]
async fn a_packed_stream_is_unpacked_and_metered() {
    let mut world = World::new().await;
    let mut client = world.asked(STREAMED).await;
    let mut call = world.upstream.call().await;
    call.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n").await;
    let head = client.head().await;
    assert_eq!(head.header("content-encoding"), None);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    for (part, expected) in [(TEXT, TEXT_UNASKED), (USAGE, ""), (DONE, DONE)] {
        gzip.write_all(part.as_bytes()).unwrap();
        gzip.flush().unwrap();
        call.chunk(std::mem::take(gzip.get_mut())).await;
        if !expected.is_empty() {
            assert_eq!(client.chunk().await.unwrap(), expected.as_bytes());
        }
    }
    call.chunk(gzip.finish().unwrap()).await;
    call.end().await;
    assert_eq!(client.chunks().await, (Vec::new(), true));
    assert_eq!(world.only_event().await.usage.total().get(), 13);
}

#[tokio::test]
async fn a_whole_answer_keeps_its_length_and_bytes() {
    let mut world = World::new().await;
    let mut client = world.asked(r#"{"model":"gpt-4o","messages":[],"stream":false}"#).await;
    let call = world.upstream.call().await;
    assert_eq!(call.body, r#"{"model":"gpt-4o","messages":[],"stream":false}"#);
    let answer =
        "{ \"choices\": [], \"usage\" : {\"prompt_tokens\": 9, \"completion_tokens\": 4}, \"x\": 1 }\n";
    call.answer("200 OK", "content-type: application/json\r\n", answer).await;
    let (head, body) = client.answer().await;
    assert_eq!(head.header("content-length"), Some(answer.len().to_string().as_str()));
    assert_eq!(body, answer.as_bytes());
    let event = world.only_event().await;
    assert_eq!((event.usage.total().get(), event.outcome), (13, AttemptOutcome::Completed));
}

#[tokio::test]
async fn an_openai_upstream_is_told_the_model_in_the_body() {
    let mut world = World::with(UpstreamKind::OpenAi, |_| {}).await;
    let mut client = world.client().await;
    let line = "POST /openai/deployments/gpt-4o/chat/completions?api-version=2025-01-01";
    let headers = format!("api-key: {}\r\ntraceparent: 00-{:032x}-{:016x}-01\r\n", crate::KEY, 7, 9);
    client.send(line, &headers, r#"{"model":null,"messages":[]}"#).await;
    let call = world.upstream.call().await;
    assert!(call.head.starts_with("POST /v1/chat/completions HTTP/1.1"), "{}", call.head);
    assert_eq!(call.header("authorization"), Some(format!("Bearer {UPSTREAM_KEY}").as_str()));
    assert_eq!(call.header("api-key"), None);
    assert_eq!(call.body, r#"{"model":"gpt-4o-eu","messages":[]}"#);
    let (trace, attempt) = (
        call.header("traceparent").unwrap().to_owned(),
        call.header("x-client-request-id").unwrap().to_owned(),
    );
    call.answer("200 OK", "", r#"{"usage":{"prompt_tokens":1}}"#).await;
    client.answer().await;
    let reserves = world.quota.reserves();
    let event = world.only_event().await;
    assert!(trace.starts_with(&format!("00-{:032x}-", 7)), "{trace}");
    assert_eq!((event.traceparent, event.attempt.to_string()), (trace, attempt));
    assert!(reserves[0].1.as_ref().unwrap().starts_with(&format!("00-{:032x}-", 7)));
}

#[tokio::test]
async fn connections_are_used_again_in_both_directions() {
    let mut world = World::new().await;
    let mut client = world.client().await;
    for number in 0..3 {
        client.send(CHAT, &authorization(), r#"{"model":"gpt-4o","messages":[]}"#).await;
        let call = world.upstream.call().await;
        let answer = format!("{{\"number\":{number},\"usage\":{{\"prompt_tokens\":1}}}}");
        call.answer("200 OK", "", &answer).await;
        assert_eq!(client.answer().await.1, answer.as_bytes());
    }
    assert_eq!(world.events(3).await.len(), 3);
}

#[tokio::test]
async fn a_connection_that_was_closed_while_it_was_idle_is_replaced() {
    let mut world = World::new().await;
    let mut client = world.client().await;
    for _ in 0..3 {
        client.send(CHAT, &authorization(), r#"{"model":"gpt-4o","messages":[]}"#).await;
        let mut call = world.upstream.call().await;
        call.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
        assert_eq!(client.answer().await.0.status, 200);
        drop(call);
    }
    assert_eq!(world.events(3).await.len(), 3);
}

#[tokio::test]
async fn chunks_that_arrive_in_one_segment_leave_in_one_frame() {
    let mut world = World::new().await;
    let mut client = world.asked(STREAMED).await;
    let mut call = world.upstream.call().await;
    call.begin_stream().await;
    client.head().await;
    call.send([chunk(TEXT.as_bytes()), chunk(TEXT.as_bytes()), chunk(DONE.as_bytes())].concat()).await;
    assert_eq!(client.chunk().await.unwrap(), [TEXT_UNASKED, TEXT_UNASKED, DONE].concat().as_bytes());
}

#[tokio::test]
async fn pass_through_passes_without_key_quota_or_meter() {
    let mut world = World::with(UpstreamKind::Azure, |config| {
        *config = Config { mode: weir_gateway::config::Mode::PassThrough, ..config.clone() };
    })
    .await;
    let mut client = world.client().await;
    client.send("POST /openai/deployments/any/chat/completions?api-version=1", "", STREAMED).await;
    let mut call = world.upstream.call().await;
    assert!(call.head.starts_with("POST /openai/deployments/any/chat/completions?api-version=1 "));
    assert_eq!((call.body.as_str(), call.header("api-key")), (STREAMED, Some(UPSTREAM_KEY)));
    call.begin_stream().await;
    call.chunk([TEXT, USAGE].concat()).await;
    call.end().await;
    client.head().await;
    assert_eq!(client.chunks().await, ([TEXT, USAGE].concat().into_bytes(), true));
    assert!(world.quota.reserves().is_empty());
}
