//! Whole answers and errors have the shapes of the originals.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use weir_emulator::Config;
use weir_runtime::tokenizer::chat_prompt_tokens;

use crate::support::{AZURE, Answer, OPENAI, chat, config, request, start, tokens};

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn error(answer: &Answer) -> Value {
    answer.json()["error"].clone()
}

#[tokio::test]
async fn a_whole_answer_says_exactly_what_it_used() {
    let server = start(config()).await;
    for (path, model) in [(OPENAI, "gpt-4o"), (AZURE, "ignored"), ("/openai/v1/chat/completions", "gpt-4o")] {
        let body = chat(model, json!({}));
        let answer = server.post(path, &[], &body).await;
        assert_eq!(answer.status, StatusCode::OK);
        let usage = answer.usage().unwrap();
        let tokenizer = weir_runtime::tokenizer::Tokenizer::of(weir_domain::policy::Encoding::O200kBase);
        assert_eq!(usage["prompt_tokens"], chat_prompt_tokens(tokenizer, &body));
        assert_eq!(usage["completion_tokens"], tokens(&answer.text(0)));
        let (prompt, completion) = (&usage["prompt_tokens"], &usage["completion_tokens"]);
        assert_eq!(usage["total_tokens"], prompt.as_u64().unwrap() + completion.as_u64().unwrap());
        assert_eq!(keys(&usage["prompt_tokens_details"]), ["audio_tokens", "cached_tokens"]);
        assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 0);
        let choice = &answer.json()["choices"][0];
        assert_eq!((&choice["index"], &choice["finish_reason"]), (&json!(0), &json!("stop")));
        assert_eq!(choice["message"]["role"], "assistant");
    }
    server.stop().await;
}

#[tokio::test]
async fn each_family_has_its_own_fields_and_headers() {
    let server = start(config()).await;
    let openai = server.post(OPENAI, &[], &chat("gpt-4o", json!({}))).await;
    let text = std::str::from_utf8(&openai.body).unwrap();
    assert!(text.starts_with("{\n  \"id\": \"chatcmpl-"), "{text}");
    assert!(openai.header("x-request-id").starts_with("req_"));
    assert_eq!(openai.header("openai-version"), "2020-10-01");
    assert!(openai.headers.contains_key("x-ratelimit-remaining-tokens"));
    assert!(openai.json()["choices"][0].get("content_filter_results").is_none());

    let azure = server.post(AZURE, &[("x-ms-client-request-id", "mine")], &chat("gpt-4o", json!({}))).await;
    assert!(azure.body.starts_with(b"{\"choices\":[{\"content_filter_results\":"));
    assert_eq!(azure.json()["prompt_filter_results"][0]["prompt_index"], 0);
    assert_eq!(azure.json()["choices"][0]["content_filter_results"]["hate"]["severity"], "safe");
    assert_eq!(azure.header("x-ms-client-request-id"), "mine");
    assert_eq!(azure.header("apim-request-id"), azure.header("x-request-id"));
    assert!(azure.headers.contains_key("x-ms-region"));
    server.stop().await;
}

#[tokio::test]
async fn a_key_is_accepted_in_either_header_and_its_lack_refused() {
    let server = start(Config { keys: vec!["right".into()], ..config() }).await;
    let body = chat("gpt-4o", json!({}));
    for header in [("authorization", "Bearer right"), ("api-key", "right")] {
        assert_eq!(server.post(OPENAI, &[header], &body).await.status, StatusCode::OK);
    }
    for headers in [&[][..], &[("authorization", "Bearer wrong")], &[("api-key", "wrong")]] {
        let openai = server.post(OPENAI, headers, &body).await;
        assert_eq!(openai.status, StatusCode::UNAUTHORIZED);
        assert_eq!(error(&openai)["code"], "invalid_api_key");
        assert_eq!(keys(&error(&openai)), ["code", "message", "param", "type"]);
        let azure = server.post(AZURE, headers, &body).await;
        assert_eq!(azure.status, StatusCode::UNAUTHORIZED);
        assert_eq!(error(&azure)["code"], "401");
    }
    assert_eq!(server.ledger().await.len(), 2, "what is not let in is not served");
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_404_in_the_shape_of_its_family() {
    let server = start(config()).await;
    let openai = server.post(OPENAI, &[], &chat("gpt-9", json!({}))).await;
    assert_eq!((openai.status, &error(&openai)["code"]), (StatusCode::NOT_FOUND, &json!("model_not_found")));
    for path in [&AZURE.replace("gpt-4o", "gpt-9"), "/openai/v1/chat/completions"] {
        let azure = server.post(path, &[], &chat("gpt-9", json!({}))).await;
        assert_eq!(
            (azure.status, &error(&azure)["code"]),
            (StatusCode::NOT_FOUND, &json!("DeploymentNotFound"))
        );
    }
    let unversioned = AZURE.split('?').next().unwrap();
    let azure = server.post(unversioned, &[], &chat("gpt-4o", json!({}))).await;
    assert_eq!((azure.status, &error(&azure)["code"]), (StatusCode::NOT_FOUND, &json!("404")));
    let kind = server.post(OPENAI, &[], &chat("embed", json!({}))).await;
    assert_eq!((kind.status, &error(&kind)["param"]), (StatusCode::NOT_FOUND, &json!("model")));
    server.stop().await;
}

#[tokio::test]
async fn a_request_that_is_not_right_is_told_what_is_wrong() {
    let server = start(Config { body_bytes_max: 20_000, ..config() }).await;
    let send = |text: String| server.send(request(Method::POST, OPENAI, &[], text));
    let broken = send("{\"model\": ".to_owned()).await;
    assert_eq!(broken.status, StatusCode::BAD_REQUEST);
    assert_eq!(error(&broken)["type"], "invalid_request_error");
    assert_eq!(send("x".repeat(20_001)).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    for (body, param) in [
        (json!({"messages": []}), "model"),
        (json!({"model": "gpt-4o"}), "messages"),
        (chat("o4-mini", json!({"max_tokens": 5})), "max_tokens"),
    ] {
        let answer = server.post(OPENAI, &[], &body).await;
        assert_eq!((answer.status, &error(&answer)["param"]), (StatusCode::BAD_REQUEST, &json!(param)));
    }
    let long = json!({"model": "embed", "input": vec![1; 8_193]});
    let long = server.post("/v1/embeddings", &[], &long).await;
    assert_eq!(error(&long)["code"], "context_length_exceeded");
    let fault = server.post(OPENAI, &[("x-emulator-fault", "explode")], &chat("gpt-4o", json!({}))).await;
    assert_eq!(fault.status, StatusCode::BAD_REQUEST);
    assert_eq!(server.ledger().await, []);
    server.stop().await;
}

#[tokio::test]
async fn a_model_that_reasons_bills_more_than_it_says() {
    let server = start(config()).await;
    let answer =
        server.post(OPENAI, &[("x-emulator-fault", "output-tokens=40")], &chat("o4-mini", json!({}))).await;
    let usage = answer.usage().unwrap();
    assert_eq!(usage["completion_tokens"], 40);
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 20);
    assert_eq!(tokens(&answer.text(0)), 20);
    let cut = server.post(OPENAI, &[], &chat("o4-mini", json!({"max_completion_tokens": 1}))).await;
    assert_eq!(cut.json()["choices"][0]["finish_reason"], "length");
    assert_eq!(cut.text(0), "");
    server.stop().await;
}

#[tokio::test]
async fn a_long_prompt_is_cached_the_second_time() {
    let server = start(config()).await;
    let mut body = chat("gpt-4o", json!({}));
    body["messages"][0]["content"] = json!(" river".repeat(2_000));
    let cached = |answer: &Answer| answer.usage().unwrap()["prompt_tokens_details"]["cached_tokens"].clone();
    assert_eq!(cached(&server.post(OPENAI, &[], &body).await), 0);
    assert_eq!(cached(&server.post(OPENAI, &[], &body).await), 1_920);
    assert_eq!(server.ledger().await[1].cached_tokens, 1_920);
    server.stop().await;
}

#[tokio::test]
async fn embeddings_are_the_same_in_both_formats() {
    let server = start(config()).await;
    let embed = async |input: Value, format: &str| {
        let body = json!({"model": "embed", "input": input, "encoding_format": format, "dimensions": 16});
        let answer = server.post("/v1/embeddings", &[], &body).await;
        assert_eq!(answer.status, StatusCode::OK);
        answer.json()
    };
    let floats = embed(json!(["hello world", "river"]), "float").await;
    let base64 = embed(json!(["hello world", "river"]), "base64").await;
    for index in 0..2 {
        let numbers = floats["data"][index]["embedding"].as_array().unwrap();
        let bytes = BASE64_STANDARD.decode(base64["data"][index]["embedding"].as_str().unwrap()).unwrap();
        let decoded: Vec<_> =
            bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        let numbers: Vec<f32> = serde_json::from_value(json!(numbers)).unwrap();
        assert_eq!(decoded, numbers);
        assert_eq!(numbers.len(), 16);
    }
    assert_eq!(floats["usage"], json!({"prompt_tokens": 3, "total_tokens": 3}));
    assert_eq!(embed(json!([[15_339, 1_917], [1]]), "float").await["usage"]["prompt_tokens"], 3);
    assert_eq!(server.ledger().await[0].prompt_tokens, 3);
    server.stop().await;
}

#[tokio::test]
async fn models_are_listed() {
    let server = start(config()).await;
    let list = server.get("/v1/models").await.json();
    let ids: Vec<_> =
        list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["gpt-4o", "o4-mini", "embed"]);
    assert_eq!(server.get("/v1/models/o4-mini").await.json()["object"], "model");
    assert_eq!(server.get("/v1/models/nothing").await.status, StatusCode::NOT_FOUND);
    server.stop().await;
}
