//! Streams have the shape of the originals.

use http::StatusCode;
use serde_json::{Value, json};
use weir_emulator::Config;

use crate::support::{AZURE, OPENAI, chat, config, start, tokens};

#[tokio::test]
async fn a_stream_says_what_it_used_only_when_asked() {
    let server = start(config()).await;
    for path in [OPENAI, AZURE] {
        let silent = server.post(path, &[], &chat("gpt-4o", json!({"stream": true}))).await;
        assert_eq!(silent.header("content-type"), "text/event-stream; charset=utf-8");
        assert!(silent.events().iter().all(|event| event.get("usage").is_none()));

        let options = json!({"stream": true, "stream_options": {"include_usage": true}});
        let asked = server.post(path, &[], &chat("gpt-4o", options)).await;
        let events = asked.events();
        let (last, rest) = events.split_last().unwrap();
        let (usage, rest) = rest.split_last().unwrap();
        assert_eq!(*last, json!("[DONE]"));
        assert_eq!(usage["choices"], json!([]));
        assert_eq!(usage["usage"]["completion_tokens"], tokens(&asked.text(0)));
        let mut choices = rest.iter().filter(|event| event["choices"] != json!([]));
        assert!(choices.clone().all(|event| event.get("usage") == Some(&Value::Null)));
        assert_eq!(choices.next_back().unwrap()["choices"][0]["finish_reason"], "stop");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_stream_and_a_whole_answer_say_the_same() {
    let server = start(config()).await;
    let whole = server.post(OPENAI, &[], &chat("gpt-4o", json!({"n": 2}))).await;
    let stream = server.post(AZURE, &[], &chat("gpt-4o", json!({"n": 2, "stream": true}))).await;
    assert_eq!(stream.text(0), whole.text(0));
    assert_eq!(stream.text(1), whole.text(1));
    assert_ne!(whole.text(0), whole.text(1));
    let used = tokens(&whole.text(0)) + tokens(&whole.text(1));
    assert_eq!(whole.usage().unwrap()["completion_tokens"], used);
    server.stop().await;
}

#[tokio::test]
async fn azure_begins_with_its_verdict_on_the_prompt() {
    let server = start(config()).await;
    let stream = server.post(AZURE, &[], &chat("gpt-4o", json!({"stream": true}))).await;
    let events = stream.events();
    assert_eq!(events[0]["choices"], json!([]));
    assert_eq!(events[0]["prompt_filter_results"][0]["prompt_index"], 0);
    assert_eq!(events[1]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(events[2]["choices"][0]["content_filter_results"]["hate"]["filtered"], false);
    server.stop().await;
}

#[tokio::test]
async fn openai_pads_its_chunks_unless_told_not_to() {
    let server = start(config()).await;
    let padded = server.post(OPENAI, &[], &chat("gpt-4o", json!({"stream": true}))).await;
    assert!(padded.events()[0]["obfuscation"].is_string());
    let options = json!({"stream": true, "stream_options": {"include_obfuscation": false}});
    let plain = server.post(OPENAI, &[], &chat("gpt-4o", options)).await;
    assert!(plain.events().iter().all(|event| event.get("obfuscation").is_none()));
    server.stop().await;
}

#[tokio::test]
async fn a_chunk_carries_as_many_tokens_as_the_settings_say() {
    let mut config: Config = config();
    config.deployments[0].pacing.tokens_per_chunk = 4;
    let server = start(config).await;
    let fault = [("x-emulator-fault", "output-tokens=10")];
    let stream = server.post(OPENAI, &fault, &chat("gpt-4o", json!({"stream": true}))).await;
    assert_eq!(stream.status, StatusCode::OK);
    let events = stream.events();
    let texts = events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str());
    let sizes: Vec<_> = texts.filter(|text| !text.is_empty()).map(tokens).collect();
    assert_eq!(sizes, [4, 4, 2]);
    server.stop().await;
}
