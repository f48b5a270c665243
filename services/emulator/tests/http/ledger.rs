//! The ledger holds exactly what was served, however a request ended.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use weir_emulator::Config;
use weir_emulator::config::{OnDisconnect, Pacing};
use weir_emulator::ledger::{Ending, Entry, State, Totals};

use crate::support::{AZURE, OPENAI, Server, chat, config, request, start, tokens};

/// One token each 5 ms, so that a client can leave in the middle.
fn slow() -> Config {
    let mut config = config();
    config.deployments[0].pacing = Pacing { token_gap_ms: 5.0, ..Pacing::NONE };
    config
}

fn long_stream() -> Value {
    chat("gpt-4o", json!({"stream": true, "max_tokens": 400}))
}

#[tokio::test]
async fn the_ledger_equals_what_was_delivered_to_the_token() {
    let server = Arc::new(start(config()).await);
    let faults = ["", "reset-after-chunks=3", "omit-usage", "gzip, output-tokens=7", "status=500"];
    let requests = (0..100_usize).map(|index| {
        let server = Arc::clone(&server);
        async move {
            let path = if index % 2 == 0 { OPENAI } else { AZURE };
            let mut body = chat("gpt-4o", json!({"stream": index % 3 == 0, "n": 1 + index % 2}));
            body["messages"][0]["content"] = json!(format!("request {index}"));
            let id = index.to_string();
            let headers = [("x-client-request-id", id.as_str()), ("x-emulator-fault", faults[index % 5])];
            (index, server.post(path, &headers, &body).await)
        }
    });
    let answers = futures_util::future::join_all(requests).await;
    let ledger = server.ledger().await;
    assert_eq!(ledger.len(), 100);
    for (index, answer) in answers {
        let entry = ledger.iter().find(|entry| entry.client_request_id == Some(index.to_string())).unwrap();
        assert_eq!(entry.state, State::Done);
        assert_eq!(entry.upstream_request_id, answer.header("x-request-id"));
        assert_eq!(entry.status, answer.status.as_u16());
        assert_eq!(entry.received_all, answer.complete);
        let choices = 1 + index as u64 % 2;
        let streamed = answer.header("content-type") != "application/json";
        if answer.headers.contains_key("content-encoding") {
            assert_eq!(entry.completion_tokens, 7 * choices, "{index}");
        } else if answer.status == StatusCode::OK && (answer.complete || streamed) {
            let said: u64 = (0..choices).map(|choice| tokens(&answer.text(choice))).sum();
            assert_eq!(entry.completion_tokens, said, "{index}");
            assert_eq!(entry.usage_reported, answer.usage().is_some(), "{index}");
        }
    }
    check_totals(&server, &ledger).await;
    Arc::into_inner(server).unwrap().stop().await;
}

async fn check_totals(server: &Server, ledger: &[Entry]) {
    let totals: Vec<Totals> = serde_json::from_slice(&server.get("/emulator/v1/totals").await.body).unwrap();
    let sum = |tokens: fn(&Entry) -> u64| ledger.iter().map(tokens).sum::<u64>();
    let expected = Totals {
        deployment: "gpt-4o".to_owned(),
        model: "gpt-4o".to_owned(),
        requests: ledger.len() as u64,
        refused: ledger.iter().filter(|entry| entry.ending == Some(Ending::Refused)).count() as u64,
        prompt_tokens: sum(|entry| entry.prompt_tokens),
        cached_tokens: sum(|entry| entry.cached_tokens),
        completion_tokens: sum(|entry| entry.completion_tokens),
        reasoning_tokens: sum(|entry| entry.reasoning_tokens),
        total_tokens: sum(|entry| entry.prompt_tokens + entry.completion_tokens),
    };
    assert_eq!(totals, [expected]);
}

#[tokio::test]
async fn a_client_that_leaves_is_billed_what_was_generated_so_far() {
    let server = start(slow()).await;
    server.hang_up_after(OPENAI, &long_stream(), "\"content\":", 6).await;
    let entry = server.ledger().await.pop().unwrap();
    assert_eq!(entry.ending, Some(Ending::ClientLeft));
    assert!(!entry.received_all && !entry.usage_reported);
    assert!((5..100).contains(&entry.completion_tokens), "{}", entry.completion_tokens);
    assert!(entry.prompt_tokens > 0);
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_is_billed_everything_if_the_settings_say_so() {
    let server = start(Config { on_disconnect: OnDisconnect::Finish, ..slow() }).await;
    server.hang_up_after(OPENAI, &long_stream(), "\"content\":", 3).await;
    let left = server.ledger().await.pop().unwrap();
    assert_eq!(left.ending, Some(Ending::ClientLeft));
    let whole = server.post(OPENAI, &[], &long_stream()).await;
    assert_eq!(left.completion_tokens, tokens(&whole.text(0)));
    server.stop().await;
}

#[tokio::test]
async fn a_request_is_in_the_ledger_from_the_moment_it_is_accepted() {
    let mut config = config();
    config.deployments[0].pacing = Pacing { first_token_ms: 600_000.0, ..Pacing::NONE };
    let server = start(config).await;
    let waiting = server.begin(OPENAI, "x-ms-client-request-id: mine\r\n", &chat("gpt-4o", json!({}))).await;
    let entry = loop {
        let entries = server.get("/emulator/v1/ledger").await.json();
        if let Some(entry) = entries.as_array().unwrap().first() {
            break serde_json::from_value::<Entry>(entry.clone()).unwrap();
        }
    };
    assert_eq!((entry.state, entry.sequence, entry.ended_ms), (State::InFlight, 1, None));
    assert_eq!(entry.ms_client_request_id.as_deref(), Some("mine"));
    server.clock.advance(Duration::from_secs(5));
    drop(waiting);
    let ended = server.ledger().await.pop().unwrap();
    assert_eq!((ended.state, ended.ending), (State::Done, Some(Ending::ClientLeft)));
    assert_eq!(ended.ended_ms, Some(entry.started_ms + 5_000));
    assert_eq!(ended.completion_tokens, 0);
    server.stop().await;
}

#[tokio::test]
async fn the_ledger_goes_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let config = || Config { ledger_file: Some(dir.path().join("ledger.jsonl")), ..config() };
    let server = start(config()).await;
    server.post(AZURE, &[], &chat("gpt-4o", json!({}))).await;
    let before = server.ledger().await;
    server.stop().await;

    let server = start(config()).await;
    assert_eq!(server.ledger().await, before);
    server.post(AZURE, &[], &chat("gpt-4o", json!({}))).await;
    let after = server.get("/emulator/v1/ledger?after=1&idle=true").await.json();
    assert_eq!(after.as_array().unwrap().len(), 1);
    assert_eq!(after[0]["sequence"], 2);
    server.send(request(Method::DELETE, "/emulator/v1/ledger", &[], String::new())).await;
    assert_eq!(server.ledger().await, []);
    server.stop().await;
}

#[tokio::test]
async fn an_answer_on_its_way_at_shutdown_arrives_whole() {
    let server = start(slow()).await;
    let mut stream = server.begin(OPENAI, "connection: close\r\n", &long_stream()).await;
    let mut bytes = Vec::new();
    while !String::from_utf8_lossy(&bytes).contains("\"content\":\"") {
        stream.read_buf(&mut bytes).await.unwrap();
    }
    let stopping = server.begin_stop();
    stream.read_to_end(&mut bytes).await.unwrap();
    assert!(String::from_utf8_lossy(&bytes).contains("[DONE]"));
    assert!(bytes.ends_with(b"0\r\n\r\n"));
    stopping.await.unwrap().unwrap();
}
