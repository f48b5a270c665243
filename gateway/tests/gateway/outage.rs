//! While quota cannot be asked, and while a stream runs for long.

use std::sync::Arc;

use weir_domain::amount::Tokens;
use weir_domain::directory::Directory;
use weir_domain::ids::HoldId;
use weir_domain::policy::FailureMode;
use weir_gateway::config::UpstreamKind;
use weir_proto::quota::v1::SettleRequest;

use crate::client::Head;
use crate::life::ANSWER;
use crate::quota::Answer;
use crate::{World, authorization, directory, in_time, spawn};

/// 4 tokens a message and 3 a reply, one each for `user` and `hello`; and 91 of output.
const HUNDRED: &str =
    r#"{"model":"gpt-4o","messages":[{"role":"user","content":"hello"}],"max_tokens":HELD}"#;

/// A request that is held for so many tokens.
pub(crate) fn body(held: u64) -> String {
    let input = weir_runtime::tokenizer::TOKENS_PER_MESSAGE + weir_runtime::tokenizer::TOKENS_PER_REPLY + 2;
    HUNDRED.replace("HELD", &(held - input).to_string())
}

/// The allocation in `chat` is open up to a bound.
fn open(bound: u64) -> Directory {
    let mut directory = directory();
    directory.services[0].pools[0].failure = FailureMode::Open { tokens_per_outage: Tokens::new(bound) };
    directory
}

/// A world in which `bot` is admitted up to a bound in `chat` while quota is away.
pub(crate) async fn world(bound: u64) -> World {
    World::with_directory(UpstreamKind::Azure, open(bound), |_| {}).await
}

/// Asks, lets the upstream answer if it is asked, and gives back what the caller got.
pub(crate) async fn ask(world: &mut World, held: u64) -> Head {
    let mut client = world.asked(&body(held)).await;
    let head = tokio::select! {
        call = world.upstream.call() => {
            call.answer("200 OK", "", ANSWER).await;
            client.head().await
        }
        head = client.head() => head,
    };
    head
}

/// Holds that the gateway granted itself.
pub(crate) fn own(settles: &[SettleRequest]) -> Vec<HoldId> {
    let holds = settles.iter().map(|settle| settle.hold_id.parse::<HoldId>().unwrap());
    holds.filter(|hold| hold.slice().is_self_granted()).collect()
}

#[tokio::test]
async fn an_open_allocation_is_served_up_to_its_bound_and_settled_afterwards() {
    let mut world = world(250).await;
    assert_eq!(ask(&mut world, 100).await.status, 200);
    world.quota.settles(1).await;
    world.quota.go_away(true);
    let served = ask(&mut world, 100).await;
    assert_eq!((served.status, served.header("x-ratelimit-remaining-tokens")), (200, None));
    assert_eq!(ask(&mut world, 100).await.status, 200);
    let refused = ask(&mut world, 100).await;
    assert_eq!((refused.status, refused.header("retry-after-ms")), (429, Some("1000")));
    assert_eq!(ask(&mut world, 50).await.status, 200, "what is left");
    assert_eq!(world.quota.settles_now(), 1);

    world.quota.go_away(false);
    let settles = world.quota.settles(4).await;
    let holds = own(&settles);
    assert_eq!(holds.iter().map(|hold| (hold.number(), hold.tokens().get())).collect::<Vec<_>>().len(), 3);
    assert_eq!(holds.iter().map(|hold| hold.tokens().get()).sum::<u64>(), 250);
    assert!(
        settles.iter().all(|settle| settle.used == 13 && settle.service == "bot" && settle.pool == "chat")
    );
    let served = ask(&mut world, 100).await;
    assert_eq!((served.status, served.header("x-ratelimit-remaining-tokens")), (200, Some("41000")));
    world.quota.go_away(true);
    assert_eq!(ask(&mut world, 250).await.status, 200, "the next outage has its own bound");
}

#[tokio::test]
async fn the_bound_is_kept_to_the_token_however_many_ask_at_once() {
    const CALLERS: usize = 24;
    let mut world = world(1_000).await;
    world.quota.go_away(true);
    let address = world.address();
    let statuses = Arc::new(tokio::sync::Mutex::new(Vec::new()));
    let (done, mut all_done) = tokio::sync::mpsc::channel(CALLERS);
    for _ in 0..CALLERS {
        let (statuses, done) = (Arc::clone(&statuses), done.clone());
        spawn(async move {
            let mut client = crate::client::Client::connect(address).await;
            client.send(crate::CHAT, &authorization(), &body(100)).await;
            statuses.lock().await.push(client.head().await.status);
            done.send(()).await.unwrap();
        });
    }
    for _ in 0..10 {
        world.upstream.call().await.answer("200 OK", "", ANSWER).await;
    }
    for _ in 0..CALLERS {
        in_time(all_done.recv()).await.unwrap();
    }
    let statuses = statuses.lock().await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 10, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), CALLERS - 10);
    assert!(world.upstream.is_untouched());
    world.quota.go_away(false);
    assert_eq!(own(&world.quota.settles(10).await).len(), 10);
}

#[tokio::test]
async fn what_was_admitted_without_quota_is_settled_by_the_next_gateway() {
    let mut world = world(1_000).await;
    world.config.shutdown_flush_ms_max = 100;
    world.stop().await;
    world.start().await;
    world.quota.go_away(true);
    assert_eq!(ask(&mut world, 100).await.status, 200);
    world.stop().await;
    assert_eq!(world.quota.settles_now(), 0);

    world.start().await;
    assert_eq!(ask(&mut world, 100).await.status, 200);
    world.quota.go_away(false);
    let holds = own(&world.quota.settles(2).await);
    assert_eq!(holds.len(), 2);
    assert_ne!(holds[0].slice(), holds[1].slice(), "each gateway's outage has slices of its own");
}

#[tokio::test]
async fn a_gateway_that_quota_does_not_know_admits_nothing() {
    let world = world(1_000).await;
    world.quota.answer([Answer::Unknown; 2]);
    let mut client = world.asked(&body(100)).await;
    let head = client.head().await;
    assert_eq!((head.status, head.header("retry-after-ms")), (429, Some("1000")));
}

#[tokio::test]
async fn a_hold_is_extended_while_its_stream_runs_and_not_after() {
    let mut world = World::with(UpstreamKind::Azure, |config| config.extend_interval_ms = 50).await;
    let mut short = world.asked(crate::streams::STREAMED).await;
    let mut short_call = world.upstream.call().await;
    short_call.begin_stream().await;
    let first = world.quota.extends(|extends| extends.len() >= 2).await;
    assert_eq!((first[0].service.as_str(), first[0].pool.as_str()), ("bot", "chat"));
    assert_eq!(first[0], first[1]);
    short_call.chunk("data: [DONE]\n\n").await;
    short_call.end().await;
    short.head().await;
    short.chunks().await;
    assert_eq!(world.quota.settles(1).await[0].hold_id, first[0].hold_id);

    let _long = world.asked(crate::streams::STREAMED).await;
    let mut long_call = world.upstream.call().await;
    long_call.begin_stream().await;
    let of_first = |extends: &[weir_proto::quota::v1::ExtendRequest]| {
        extends.iter().filter(|extend| extend.hold_id == first[0].hold_id).count()
    };
    // An extension may have been on its way when the stream ended; none is begun once another stream's are.
    let is_of_long = |extends: &Vec<weir_proto::quota::v1::ExtendRequest>| {
        extends.iter().any(|extend| extend.hold_id != first[0].hold_id)
    };
    let before = of_first(&world.quota.extends(is_of_long).await);
    let three_more = |extends: &Vec<weir_proto::quota::v1::ExtendRequest>| extends.len() >= before + 4;
    assert_eq!(of_first(&world.quota.extends(three_more).await), before);
}
