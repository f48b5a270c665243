//! Faults that a request asks for happen exactly so.

use std::io::Read;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use weir_emulator::config::Faults;
use weir_emulator::ledger::Ending;

use crate::support::{AZURE, OPENAI, chat, config, events, start, text, tokens};

fn streamed() -> Value {
    chat("gpt-4o", json!({"stream": true, "stream_options": {"include_usage": true}}))
}

#[tokio::test]
async fn an_error_status_comes_in_the_shape_of_its_family_and_bills_nothing() {
    let server = start(config()).await;
    let fault = [("x-emulator-fault", "status=503")];
    let openai = server.post(OPENAI, &fault, &streamed()).await;
    assert_eq!(openai.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(openai.json()["error"]["type"], "server_error");
    let azure = server.post(AZURE, &fault, &streamed()).await;
    assert_eq!(azure.json()["error"]["code"], "503");
    for entry in server.ledger().await {
        assert_eq!((entry.status, entry.ending), (503, Some(Ending::Refused)));
        assert_eq!((entry.prompt_tokens, entry.completion_tokens), (0, 0));
        assert!(entry.received_all);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_reset_delivers_all_that_was_written_and_then_just_ends() {
    let server = start(config()).await;
    for chunks in [0, 1, 5] {
        let headers = format!("x-emulator-fault: reset-after-chunks={chunks}, output-tokens=50\r\n");
        let mut stream = server.begin(OPENAI, &headers, &streamed()).await;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.expect("the connection ends in order, it is not torn down");
        let raw = String::from_utf8(bytes).unwrap();
        assert!(!raw.contains("[DONE]") && !raw.ends_with("0\r\n\r\n"), "{raw}");
        let lines: Vec<_> = raw.lines().filter(|line| line.starts_with("data: ")).collect();
        let events = events(&lines.join("\n\n"));
        assert_eq!(tokens(&text(&events, 0)), chunks);
        let entry = server.ledger().await.pop().unwrap();
        assert_eq!((entry.completion_tokens, entry.ending), (chunks, Some(Ending::Reset)));
        assert!(entry.prompt_tokens > 0 && !entry.received_all && !entry.usage_reported);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_whole_answer_breaks_off_within_its_text() {
    let server = start(config()).await;
    for path in [OPENAI, AZURE] {
        let fault = [("x-emulator-fault", "reset-after-chunks=5, output-tokens=50")];
        let answer = server.post(path, &fault, &chat("gpt-4o", json!({}))).await;
        assert!(!answer.complete);
        let raw = String::from_utf8(answer.body.to_vec()).unwrap();
        let sent = raw.split("\"content\":").nth(1).unwrap().trim_start().strip_prefix('"').unwrap();
        let sent: String = serde_json::from_str(&format!("\"{sent}\"")).unwrap();
        assert_eq!(tokens(&sent), 5);
        assert_eq!(server.ledger().await.pop().unwrap().completion_tokens, 5);
    }
    server.stop().await;
}

#[tokio::test]
async fn usage_can_be_left_out_everywhere() {
    let server = start(config()).await;
    let fault = [("x-emulator-fault", "omit-usage")];
    let whole = server.post(OPENAI, &fault, &chat("gpt-4o", json!({}))).await;
    let stream = server.post(AZURE, &fault, &streamed()).await;
    let embedding = json!({"model": "embed", "input": "river"});
    let embedding = server.post("/v1/embeddings", &fault, &embedding).await;
    for answer in [&whole, &stream, &embedding] {
        assert!(answer.complete);
        assert_eq!(answer.usage(), None);
    }
    let ledger = server.ledger().await;
    assert!(ledger.iter().all(|entry| !entry.usage_reported && entry.prompt_tokens > 0));
    assert_eq!(ledger[0].completion_tokens, tokens(&whole.text(0)));
    assert_eq!(ledger[1].completion_tokens, tokens(&stream.text(0)));
    server.stop().await;
}

#[tokio::test]
async fn an_answer_can_be_compressed_unasked() {
    let server = start(config()).await;
    let fault = [("x-emulator-fault", "gzip")];
    for body in [streamed(), chat("gpt-4o", json!({}))] {
        let plain = server.post(OPENAI, &[], &body).await;
        let mut gzipped = server.post(OPENAI, &fault, &body).await;
        assert_eq!(gzipped.header("content-encoding"), "gzip");
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(&gzipped.body[..]).read_to_end(&mut bytes).expect("whole and valid");
        gzipped.body = bytes.into();
        assert_eq!(gzipped.text(0), plain.text(0));
        assert_eq!(gzipped.usage(), plain.usage());
    }
    server.stop().await;
}

#[tokio::test]
async fn a_late_answer_waits_its_delay() {
    let server = start(config()).await;
    let begun = tokio::time::Instant::now();
    server.post(OPENAI, &[("x-emulator-fault", "delay-ms=60")], &chat("gpt-4o", json!({}))).await;
    assert!(begun.elapsed().as_millis() >= 60);
    server.stop().await;
}

#[tokio::test]
async fn settings_decide_what_goes_wrong_when_the_request_does_not() {
    let mut config = config();
    config.deployments[0].faults =
        Faults { error_share: 0.5, error_statuses: vec![500], ..Faults::default() };
    let server = start(config).await;
    let body = chat("gpt-4o", json!({"max_tokens": 2}));
    for _ in 0..40 {
        server.post(OPENAI, &[], &body).await;
        let exempt = server.post(OPENAI, &[("x-emulator-fault", "omit-usage")], &body).await;
        assert_eq!(exempt.status, StatusCode::OK);
    }
    let failed = server.ledger().await.iter().filter(|entry| entry.status == 500).count();
    assert!((8..=32).contains(&failed), "{failed} of 40");
    server.stop().await;
}
