//! What a caller is told that does not get through.

use std::time::Duration;

use serde_json::{Value, json};
use weir_domain::ids::CALL_TOKENS_MAX;
use weir_domain::usage::UsageEvent;
use weir_gateway::config::UpstreamKind;
use weir_proto::quota::v1::{Limit, NoRetry};

use crate::client::Head;
use crate::quota::Answer;
use crate::streams::STREAMED;
use crate::{CHAT, KEY_FOR_EMBEDDINGS, World, authorization};

async fn answer_to(world: &World, line: &str, headers: &str, body: &str) -> (Head, Value) {
    let mut client = world.client().await;
    client.send(line, headers, body).await;
    let (head, body) = client.answer().await;
    assert!(head.header("x-weir-request-id").is_some(), "{line}");
    (head, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn a_refusal_for_now_says_when_and_how_much() {
    let mut world = World::new().await;
    world.quota.answer([Answer::Refuse(Limit::Baseline, Ok(Duration::from_micros(2_500_001)))]);
    let (head, body) = answer_to(&world, CHAT, &authorization(), STREAMED).await;
    assert_eq!(head.status, 429);
    assert_eq!((head.header("retry-after-ms"), head.header("retry-after")), (Some("2501"), Some("3")));
    assert_eq!(head.header("x-should-retry"), None);
    assert_eq!(head.header("x-ratelimit-limit-tokens"), Some("60000"));
    assert_eq!(head.header("x-ratelimit-remaining-tokens"), Some("41000"));
    assert_eq!(head.header("x-ratelimit-reset-tokens"), Some("1m30.5s"));
    assert_eq!(
        (body["error"]["type"].as_str(), body["error"]["code"].as_str()),
        (Some("tokens"), Some("rate_limit_exceeded"))
    );
    assert_eq!(body["error"]["message"], "60000 tokens a minute are used");
    let limit_use = json!({"used": 900, "of": 1_000, "asked": 250, "unit": "tokens"});
    assert_eq!(body["error"]["weir"], json!({"limit": "baseline", "use": limit_use}));
    assert!(world.upstream.is_untouched());
}

/// Status, `error.type`, `error.code`, `x-should-retry`, `retry-after-ms`, `retry-after`: what clients decide by.
type Told =
    (u16, &'static str, &'static str, Option<&'static str>, Option<&'static str>, Option<&'static str>);

const NEVER: Told = (429, "insufficient_quota", "insufficient_quota", Some("false"), None, None);
const SOON: Told = (429, "requests", "rate_limit_exceeded", Some("true"), Some("1000"), Some("1"));
const THEN: Told = (429, "tokens", "rate_limit_exceeded", None, Some("6999"), Some("7"));
const THEN_ONE: Told = (429, "requests", "rate_limit_exceeded", None, Some("6999"), Some("7"));
const NOT_ALLOCATED: Told = (403, "invalid_request_error", "model_not_allocated", None, None, None);

/// What is told of a limit where it says when the same passes, that it never does, and that nobody knows.
fn told_of(limit: Limit) -> [(Result<Duration, NoRetry>, Told); 4] {
    let (then, never, unknown, newer) = match limit {
        Limit::NoAllocation => (NOT_ALLOCATED, NOT_ALLOCATED, NOT_ALLOCATED, NOT_ALLOCATED),
        Limit::Requests => (THEN_ONE, NEVER, SOON, SOON),
        _ => (THEN, NEVER, SOON, SOON),
    };
    let after = Duration::from_micros(6_998_001);
    [
        (Ok(after), then),
        (Err(NoRetry::Never), never),
        (Err(NoRetry::Unknown), unknown),
        (Err(NoRetry::Unspecified), newer),
    ]
}

#[tokio::test]
async fn every_refusal_is_for_good_only_if_it_can_never_pass_and_else_says_when() {
    let mut world = World::new().await;
    let limits: Vec<_> = (0..).map_while(|number| Limit::try_from(number).ok()).collect();
    assert!(limits.len() >= 14, "{limits:?}");
    for limit in limits {
        for (retry, told) in told_of(limit) {
            world.quota.answer([Answer::Refuse(limit, retry)]);
            let (head, body) = answer_to(&world, CHAT, &authorization(), STREAMED).await;
            let text = |name: &str| body["error"][name].as_str().unwrap_or_default();
            let header = |name: &str| head.header(name);
            let found = (
                head.status,
                text("type"),
                text("code"),
                header("x-should-retry"),
                header("retry-after-ms"),
                header("retry-after"),
            );
            assert_eq!(found, told, "{limit:?} {retry:?}");
        }
    }
    assert!(world.upstream.is_untouched());
}

#[tokio::test]
async fn a_request_beyond_all_measure_is_refused_for_good() {
    for beyond in
        [r#""max_tokens":1000000000000000000"#, r#""max_tokens":10000000000,"n":1000000000000000000"#]
    {
        let world = World::new().await;
        world.quota.answer([Answer::Refuse(Limit::RequestSize, Err(NoRetry::Never))]);
        // The policy does not bound the output of this model.
        let body = format!(r#"{{"model":"embedder","messages":[],{beyond}}}"#);
        let (head, body) = answer_to(&world, CHAT, &authorization(), &body).await;
        assert_eq!((head.status, head.header("x-should-retry")), (429, Some("false")));
        assert_eq!((head.header("retry-after-ms"), head.header("retry-after")), (None, None));
        assert_eq!(body["error"]["type"], "insufficient_quota");
        let reserves = world.quota.reserves();
        assert_eq!(reserves.iter().map(|(call, _)| call.tokens).collect::<Vec<_>>(), [CALL_TOKENS_MAX.get()]);
    }
}

#[tokio::test]
async fn refusals_reach_the_journal_together() {
    let mut world = World::new().await;
    world.quota.answer([Answer::Refuse(Limit::Spare, Err(NoRetry::Never)); 3]);
    for _ in 0..3 {
        answer_to(&world, CHAT, &authorization(), STREAMED).await;
    }
    world.stop().await;
    let events = world.events(1).await;
    let refusals = events.iter().map(|event| match event {
        UsageEvent::Refused(event) => {
            assert_eq!(
                (event.service.as_str(), event.pool.as_str(), event.limit.as_str()),
                ("bot", "chat", "spare")
            );
            event.count.get()
        }
        UsageEvent::Recorded(event) => panic!("nothing was used: {event:?}"),
    });
    assert_eq!(refusals.sum::<u64>(), 3);
}

#[tokio::test]
async fn a_reservation_is_repeated_once_with_the_same_id() {
    let mut world = World::new().await;
    world.quota.answer([Answer::Fail]);
    let mut client = world.asked(STREAMED).await;
    world.upstream.call().await.answer("200 OK", "", "{}").await;
    assert_eq!(client.answer().await.0.status, 200);
    let reserves = world.quota.reserves();
    assert_eq!(reserves.len(), 2);
    assert_eq!(reserves[0].0, reserves[1].0);
    assert_eq!((reserves[0].0.model.as_str(), reserves[0].0.tokens - reserves[0].0.input), ("gpt-4o", 1_000));
}

#[tokio::test]
async fn without_a_decision_nothing_passes_and_nobody_is_told_503() {
    for answer in [Answer::Fail, Answer::Hang] {
        let mut world = World::with(UpstreamKind::Azure, |config| config.reserve_timeout_ms = 200).await;
        world.quota.answer([answer; 2]);
        let (head, body) = answer_to(&world, CHAT, &authorization(), STREAMED).await;
        assert_eq!((head.status, head.header("retry-after-ms")), (429, Some("1000")));
        assert_eq!(body["error"]["code"], "quota_unavailable");
        assert!(world.upstream.is_untouched());
        let (releases, reserves) = (world.quota.releases(1).await, world.quota.reserves());
        assert_eq!(
            releases[0].reservation_id, reserves[0].0.reservation_id,
            "what may have been held is given back"
        );
        assert_eq!(releases[0].hold_id, "");
    }
}

#[tokio::test]
async fn what_cannot_be_served_is_said_in_openais_words() {
    let world = World::new().await;
    let model = |name: &str| format!(r#"{{"model":"{name}","messages":[]}}"#);
    let azure = "POST /openai/deployments/nothing/chat/completions?api-version=1";
    let cases = [
        (CHAT, String::new(), model("gpt-4o"), 401, "invalid_api_key"),
        (CHAT, "api-key: wrong\r\n".to_owned(), model("gpt-4o"), 401, "invalid_api_key"),
        (CHAT, authorization(), model("gpt-9"), 404, "model_not_found"),
        (azure, authorization(), model("gpt-4o"), 404, "model_not_found"),
        (CHAT, authorization(), model("secret"), 403, "model_not_allocated"),
        (CHAT, authorization(), r#"{"messages":[]}"#.to_owned(), 400, "invalid_value"),
        (CHAT, authorization(), "{".to_owned(), 400, "invalid_body"),
        (
            CHAT,
            authorization() + "content-encoding: gzip\r\n",
            model("gpt-4o"),
            415,
            "unsupported_content_encoding",
        ),
        ("POST /v1/responses", authorization(), "{}".to_owned(), 404, "unknown_url"),
        ("DELETE /v1/chat/completions", authorization(), String::new(), 404, "unknown_url"),
    ];
    for (line, headers, body, status, code) in cases {
        let (head, answer) = answer_to(&world, line, &headers, &body).await;
        let error = &answer["error"];
        assert_eq!((head.status, error["code"].as_str()), (status, Some(code)), "{line} {body}: {answer}");
        assert!(error["message"].is_string() && error["type"].is_string() && error.get("param").is_some());
    }
    assert!(world.quota.reserves().is_empty());
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_by_its_length_alone() {
    let world = World::with(UpstreamKind::Azure, |config| config.body_bytes_max = 100).await;
    let body = format!(r#"{{"model":"gpt-4o","messages":[{{"content":"{}"}}]}}"#, "x".repeat(100));
    let (head, answer) = answer_to(&world, CHAT, &authorization(), &body).await;
    assert_eq!((head.status, &answer["error"]["code"]), (413, &"body_too_large".into()));
}

#[tokio::test]
async fn a_caller_sees_the_models_it_may_use() {
    let world = World::new().await;
    for line in ["GET /v1/models", "GET /openai/v1/models?api-version=preview"] {
        let (head, list) = answer_to(&world, line, &authorization(), "").await;
        assert_eq!((head.status, &list["object"]), (200, &"list".into()));
        let names: Vec<_> =
            list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
        assert_eq!(names, ["embedder", "gpt-4o"]);
    }
    assert_eq!(answer_to(&world, "GET /v1/models/gpt-4o", &authorization(), "").await.1["object"], "model");
    assert_eq!(answer_to(&world, "GET /v1/models/secret", &authorization(), "").await.0.status, 404);
    assert_eq!(answer_to(&world, "GET /v1/models", "", "").await.0.status, 401);
}

#[tokio::test]
async fn a_key_with_a_list_of_models_reaches_and_sees_no_other() {
    let world = World::new().await;
    let key = format!("api-key: {KEY_FOR_EMBEDDINGS}\r\n");
    let (head, list) = answer_to(&world, "GET /v1/models", &key, "").await;
    assert_eq!((head.status, list["data"].as_array().unwrap().len()), (200, 1), "{list}");
    assert_eq!(answer_to(&world, "GET /v1/models/embedder", &key, "").await.0.status, 200);
    assert_eq!(answer_to(&world, "GET /v1/models/gpt-4o", &key, "").await.0.status, 404);
    for line in [CHAT, "POST /openai/deployments/gpt-4o-eu/chat/completions"] {
        let (head, answer) = answer_to(&world, line, &key, STREAMED).await;
        assert_eq!((head.status, &answer["error"]["code"]), (404, &"model_not_found".into()), "{line}");
    }
    assert!(world.quota.reserves().is_empty());
}

#[tokio::test]
async fn a_success_says_where_the_service_stands() {
    let mut world = World::new().await;
    let mut client = world.asked(STREAMED).await;
    let mut call = world.upstream.call().await;
    call.begin_stream().await;
    let head = client.head().await;
    assert_eq!(head.header("x-ratelimit-remaining-tokens"), Some("41000"), "and not what the upstream says");
    assert_eq!(head.header("x-ratelimit-limit-tokens"), Some("60000"));
}
