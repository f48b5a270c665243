//! Where the numbers of an event come from when the upstream does not say them.

use weir_domain::policy::Encoding;
use weir_domain::usage::{AttemptOutcome, UsageSource};
use weir_gateway::config::UpstreamKind;
use weir_runtime::tokenizer::{TOKENS_PER_MESSAGE, TOKENS_PER_REPLY, Tokenizer};

use crate::streams::STREAMED;
use crate::{World, authorization};

/// Of [`STREAMED`]: `user` and `hello` are one token each.
const INPUT: u64 = TOKENS_PER_MESSAGE + 2 + TOKENS_PER_REPLY;

fn delta(text: &str) -> String {
    format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
}

fn tokens(text: &str) -> u64 {
    Tokenizer::of(Encoding::O200kBase).count(text)
}

#[tokio::test]
async fn a_stream_without_usage_is_counted() {
    let mut world = World::new().await;
    let mut client = world.asked(STREAMED).await;
    let mut call = world.upstream.call().await;
    call.begin_stream().await;
    call.chunk(
        [delta("inter"), delta("national co"), delta("operation"), "data: [DONE]\n\n".into()].concat(),
    )
    .await;
    call.end().await;
    client.head().await;
    client.chunks().await;
    let event = world.only_event().await;
    assert_eq!((event.usage_source, event.outcome), (UsageSource::Counted, AttemptOutcome::Completed));
    let counted = (event.usage.input.get(), event.usage.output.get());
    assert_eq!(counted, (INPUT, tokens("international cooperation")));
    assert_eq!((event.bounds.low, event.bounds.high), (event.usage.total(), event.usage.total()));
    assert_eq!(world.quota.settles(1).await[0].used, event.usage.total().get());
}

#[tokio::test]
async fn a_stream_that_breaks_is_counted_and_breaks_for_the_caller_too() {
    let mut world = World::new().await;
    let mut client = world.asked(STREAMED).await;
    let mut call = world.upstream.call().await;
    call.begin_stream().await;
    call.chunk(delta("hello world")).await;
    call.chunk("data: {\"choi").await;
    client.head().await;
    assert_eq!(client.chunk().await.unwrap(), delta("hello world").as_bytes());
    drop(call);
    assert_eq!(client.chunks().await, (b"data: {\"choi".to_vec(), false));
    let event = world.only_event().await;
    assert_eq!((event.usage_source, event.outcome), (UsageSource::Counted, AttemptOutcome::UpstreamBroke));
    assert_eq!((event.usage.input.get(), event.usage.output.get()), (INPUT, 2));
    assert_eq!((event.bounds.low, event.bounds.high), (event.usage.total(), event.held));
}

#[tokio::test]
async fn an_error_of_the_upstream_is_passed_on_and_costs_nothing() {
    let mut world = World::new().await;
    let mut client = world.asked(STREAMED).await;
    let call = world.upstream.call().await;
    let error = r#"{"error":{"message":"busy","code":"429"}}"#;
    call.answer(
        "429 Too Many Requests",
        "retry-after-ms: 1234\r\nx-ratelimit-remaining-tokens: 0\r\n",
        error,
    )
    .await;
    let (head, body) = client.answer().await;
    assert_eq!(
        (head.status, head.header("retry-after-ms"), body.as_slice()),
        (429, Some("1234"), error.as_bytes())
    );
    assert_eq!(
        head.header("x-ratelimit-remaining-tokens"),
        Some("41000"),
        "ours, not the shared deployment's"
    );
    let event = world.only_event().await;
    assert_eq!((event.usage_source, event.outcome), (UsageSource::Unbilled, AttemptOutcome::UpstreamRefused));
    assert_eq!((event.usage.total().get(), event.upstream_status), (0, Some(429)));
    assert_eq!(world.quota.settles(1).await[0].used, 0);
}

#[tokio::test]
async fn an_upstream_that_falls_silent_within_an_error_is_given_up() {
    let mut world = World::with(UpstreamKind::Azure, |config| config.upstream_silence_timeout_ms = 50).await;
    let mut client = world.asked(STREAMED).await;
    let mut call = world.upstream.call().await;
    call.send("HTTP/1.1 500 Internal Server Error\r\ntransfer-encoding: chunked\r\n\r\n").await;
    call.chunk("{\"error\"").await;
    assert_eq!(client.head().await.status, 500);
    assert_eq!(client.chunks().await, (b"{\"error\"".to_vec(), false));
    call.closed().await;
    assert_eq!(world.only_event().await.usage_source, UsageSource::Unbilled);
}

#[tokio::test]
async fn an_upstream_that_breaks_off_before_it_answers_is_estimated() {
    let mut world = World::new().await;
    let mut client = world.asked(STREAMED).await;
    drop(world.upstream.call().await);
    let (head, body) = client.answer().await;
    assert_eq!(head.status, 502);
    assert!(String::from_utf8(body).unwrap().contains("upstream_unreachable"));
    let event = world.only_event().await;
    assert_eq!((event.usage_source, event.outcome), (UsageSource::Estimated, AttemptOutcome::UpstreamBroke));
    assert_eq!((event.held.get(), event.usage.total()), (INPUT + 1_000, event.held));
    assert_eq!((event.bounds.low.get(), event.bounds.high), (0, event.held));
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_costs_nothing() {
    let mut world = World::with(UpstreamKind::Azure, |config| {
        // A port that nobody listens on: it was bound and let go.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        config.upstreams[0].base_url = format!("http://{}", listener.local_addr().unwrap());
    })
    .await;
    let mut client = world.asked(STREAMED).await;
    assert_eq!(client.answer().await.0.status, 502);
    let event = world.only_event().await;
    assert_eq!((event.usage_source, event.usage.total().get()), (UsageSource::Unbilled, 0));
    assert_eq!((event.outcome, event.upstream_status), (AttemptOutcome::UpstreamBroke, None));
}

#[tokio::test]
async fn an_upstream_that_falls_silent_is_given_up() {
    let mut world = World::with(UpstreamKind::Azure, |config| config.upstream_silence_timeout_ms = 50).await;
    let mut client = world.asked(STREAMED).await;
    let mut call = world.upstream.call().await;
    call.begin_stream().await;
    call.chunk(delta("hello")).await;
    client.head().await;
    assert_eq!(client.chunks().await, (delta("hello").into_bytes(), false));
    let event = world.only_event().await;
    assert_eq!((event.outcome, event.usage.output.get()), (AttemptOutcome::UpstreamBroke, 1));
}

#[tokio::test]
async fn a_caller_that_leaves_does_not_end_the_metering() {
    let mut world = World::new().await;
    let mut client = world.asked(STREAMED).await;
    let mut call = world.upstream.call().await;
    call.begin_stream().await;
    call.chunk(delta("hello")).await;
    client.head().await;
    client.chunk().await;
    client.leave().await;
    call.chunk(delta(" world")).await;
    call.chunk(
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n",
    )
    .await;
    call.end().await;
    let event = world.only_event().await;
    assert_eq!((event.usage_source, event.outcome), (UsageSource::Reported, AttemptOutcome::CallerLeft));
    assert_eq!(event.usage.total().get(), 11);
}

#[tokio::test]
async fn a_caller_that_leaves_before_the_answer_does_not_end_the_metering() {
    let mut world = World::new().await;
    let client = world.asked(STREAMED).await;
    let mut call = world.upstream.call().await;
    client.leave().await;
    call.begin_stream().await;
    call.chunk(delta("hello world")).await;
    call.end().await;
    let event = world.only_event().await;
    assert_eq!((event.usage_source, event.outcome), (UsageSource::Counted, AttemptOutcome::CallerLeft));
    assert_eq!(event.usage.output.get(), 2);
    assert_eq!((event.bounds.low, event.bounds.high), (event.usage.total(), event.usage.total()));
}

#[tokio::test]
async fn an_endless_answer_to_a_caller_that_left_is_cut_and_counted() {
    let mut world = World::with(UpstreamKind::Azure, |config| config.drain_tokens_max = 5).await;
    let mut client = world.asked(STREAMED).await;
    let mut call = world.upstream.call().await;
    call.begin_stream().await;
    call.chunk(delta("one")).await;
    client.head().await;
    client.chunk().await;
    client.leave().await;
    // One token at a time, until the gateway has had enough.
    while call.try_send(crate::upstream::chunk(delta(" two").as_bytes())).await {
        tokio::task::yield_now().await;
    }
    let event = world.only_event().await;
    assert_eq!((event.usage_source, event.outcome), (UsageSource::Counted, AttemptOutcome::CallerLeft));
    assert!(event.usage.output.get() >= 5, "{:?}", event.usage);
}

#[tokio::test]
async fn an_answer_to_a_caller_that_left_is_read_only_so_long() {
    let mut world = World::with(UpstreamKind::Azure, |config| config.drain_ms_max = 20).await;
    let mut client = world.asked(STREAMED).await;
    let mut call = world.upstream.call().await;
    call.begin_stream().await;
    call.chunk(delta("hello")).await;
    client.head().await;
    client.chunk().await;
    client.leave().await;
    call.closed().await;
    let event = world.only_event().await;
    assert_eq!((event.usage_source, event.usage.output.get()), (UsageSource::Counted, 1));
    assert_eq!(event.outcome, AttemptOutcome::CallerLeft);
    assert_eq!((event.bounds.low, event.bounds.high), (event.usage.total(), event.held));
}

#[tokio::test]
async fn embeddings_are_metered_by_their_input() {
    let mut world = World::new().await;
    let mut client = world.client().await;
    let body = r#"{"model":"embedder","input":[[1,2,3],[4]],"encoding_format":"base64"}"#;
    client.send("POST /v1/embeddings", &authorization(), body).await;
    let call = world.upstream.call().await;
    assert!(call.head.starts_with("POST /openai/deployments/embedder/embeddings?api-version=2024-10-21 "));
    assert_eq!(call.body, body);
    call.answer("200 OK", "", r#"{"data":[{"embedding":"AAAA"}]}"#).await;
    client.answer().await;
    let event = world.only_event().await;
    assert_eq!(
        (event.usage_source, event.usage.total().get(), event.held.get()),
        (UsageSource::Counted, 4, 4)
    );
    assert_eq!(event.pool.as_str(), "embed");
}
