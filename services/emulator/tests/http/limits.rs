//! A deployment that is full says so, and says truly when to come again.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use weir_emulator::config::Mode;

use crate::support::{AZURE, Answer, OPENAI, chat, config, start};

fn wait(answer: &Answer) -> Duration {
    let millis: u64 = answer.header("retry-after-ms").parse().unwrap();
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    assert_eq!(seconds, millis.div_ceil(1_000));
    Duration::from_millis(millis)
}

#[tokio::test]
async fn a_request_that_waits_as_told_is_served() {
    for mode in [Mode::Standard, Mode::Provisioned] {
        let mut config = config();
        config.deployments[0].mode = mode;
        config.deployments[0].tokens_per_minute = 100;
        let server = start(config).await;
        let body = chat("gpt-4o", json!({"max_tokens": 40}));
        let mut full = server.post(AZURE, &[], &body).await;
        while full.status == StatusCode::OK {
            server.clock.advance(Duration::from_millis(1_001));
            full = server.post(AZURE, &[], &body).await;
        }
        assert_eq!(full.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(full.json()["error"]["code"], "429");
        let wait = wait(&full);
        server.clock.advance(wait.saturating_sub(Duration::from_millis(1)));
        assert_eq!(server.post(AZURE, &[], &body).await.status, StatusCode::TOO_MANY_REQUESTS, "{mode:?}");
        server.clock.advance(Duration::from_millis(1));
        assert_eq!(server.post(AZURE, &[], &body).await.status, StatusCode::OK, "{mode:?}");
        let refused = server.ledger().await.into_iter().filter(|entry| entry.status == 429);
        assert!(refused.map(|entry| entry.prompt_tokens + entry.completion_tokens).all(|tokens| tokens == 0));
        server.stop().await;
    }
}

#[tokio::test]
async fn what_is_left_is_told_with_every_answer() {
    let mut config = config();
    config.deployments[0].tokens_per_minute = 1_000;
    config.deployments[0].requests_per_minute = 2;
    let server = start(config).await;
    let body = chat("gpt-4o", json!({"max_tokens": 40}));
    let first = server.post(OPENAI, &[], &body).await;
    let prompt = first.usage().unwrap()["prompt_tokens"].as_u64().unwrap();
    assert_eq!(first.header("x-ratelimit-remaining-tokens"), (1_000 - 40 - prompt).to_string());
    assert_eq!(first.header("x-ratelimit-remaining-requests"), "1");
    server.post(OPENAI, &[], &body).await;
    let third = server.post(OPENAI, &[], &body).await;
    assert_eq!(third.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(third.json()["error"]["type"], "requests");
    assert_eq!(third.json()["error"]["code"], "rate_limit_exceeded");
    assert_eq!(wait(&third), Duration::from_mins(1));
    server.stop().await;
}

#[tokio::test]
async fn a_request_that_can_never_fit_is_given_no_time() {
    let mut config = config();
    config.deployments[0].tokens_per_minute = 100;
    let server = start(config).await;
    let answer = server.post(OPENAI, &[], &chat("gpt-4o", json!({"max_tokens": 101}))).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(!answer.headers.contains_key("retry-after-ms"));
    server.stop().await;
}
