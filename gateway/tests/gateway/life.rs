//! Exactly one event for each attempt and one settle, whatever dies and whoever does not answer.

use metrics_exporter_prometheus::PrometheusBuilder;
use tonic::Code;
use weir_domain::usage::{AttemptOutcome, UsageEvent, UsageSource};
use weir_gateway::config::UpstreamKind;
use weir_proto::record::Topic;
use weir_runtime::journal::config::Fsync;
use weir_runtime::journal::memory::Fault;

use crate::streams::STREAMED;
use crate::{CHAT, World, authorization};

pub(crate) const ANSWER: &str =
    r#"{"usage":{"prompt_tokens":9,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":3}}}"#;

#[tokio::test]
async fn an_attempt_that_a_killed_gateway_left_is_estimated_by_the_next() {
    let mut world = World::new().await;
    let mut client = world.asked(STREAMED).await;
    let mut call = world.upstream.call().await;
    let attempt = call.header("x-client-request-id").unwrap().to_owned();
    call.begin_stream().await;
    call.chunk("data: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}]}\n\n").await;
    client.head().await;
    client.chunk().await;
    world.kill().await;
    assert_eq!(world.quota.settles_now(), 0);

    world.start().await;
    let settles = world.quota.settles(1).await;
    let event = world.only_event().await;
    assert_eq!((event.usage_source, event.outcome), (UsageSource::Estimated, AttemptOutcome::GatewayLost));
    assert_eq!((event.usage.total(), event.bounds.low.get(), event.bounds.high), (event.held, 0, event.held));
    assert_eq!((event.attempt.to_string(), event.id.to_string()), (attempt.clone(), attempt.clone()));
    assert_eq!((settles[0].hold_id.clone(), settles[0].used), (event.hold.to_string(), event.held.get()));
    assert_ne!(event.hold.as_u128(), event.attempt.as_u128(), "quota's own id of the hold survived");

    world.start().await;
    world.stop().await;
    assert_eq!(
        (world.events(1).await.len(), world.quota.settles_now()),
        (1, 1),
        "a third start has nothing to do"
    );
}

#[tokio::test]
async fn an_event_that_the_journal_did_not_take_is_published_by_the_next_gateway() {
    let mut world = World::new().await;
    world.journal.faults().hold_appends();
    let mut client = world.asked(STREAMED).await;
    world.upstream.call().await.answer("200 OK", "", ANSWER).await;
    client.answer().await;
    world.quota.settles(1).await;
    world.kill().await;
    world.journal.faults().release_appends();

    world.start().await;
    let event = world.only_event().await;
    assert_eq!((event.usage_source, event.usage.total().get()), (UsageSource::Reported, 13));
    assert_eq!(event.outcome, AttemptOutcome::Completed);
}

#[tokio::test]
async fn a_settle_is_repeated_until_it_is_acknowledged() {
    let mut world = World::new().await;
    world.quota.fail_settles(4);
    let mut client = world.asked(STREAMED).await;
    world.upstream.call().await.answer("200 OK", "", ANSWER).await;
    client.answer().await;
    let settles = world.quota.settles(1).await;
    assert_eq!((settles[0].used, settles[0].service.as_str(), settles[0].pool.as_str()), (13, "bot", "chat"));
    assert_eq!((settles[0].model.as_str(), settles[0].input, settles[0].input_cached), ("gpt-4o", 9, 3));
    world.stop().await;
    assert_eq!(world.quota.settles_now(), 1);
}

#[tokio::test]
async fn a_settle_that_quota_never_takes_is_given_up_and_told() {
    // The other tests of this process charge everything: what is uncharged is from here.
    let metrics = PrometheusBuilder::new().install_recorder().unwrap();
    for (code, uncharged) in [(Code::InvalidArgument, 13), (Code::NotFound, 26)] {
        let mut world = World::new().await;
        world.quota.fail_settles_with(u32::MAX, code);
        let mut client = world.asked(STREAMED).await;
        world.upstream.call().await.answer("200 OK", "", ANSWER).await;
        client.answer().await;
        assert_eq!(world.only_event().await.usage.total().get(), 13);
        assert_eq!(world.quota.failed_settles(), 1, "{code:?}");
        let shown = metrics.render();
        assert!(shown.contains(&format!("weir_tokens_uncharged_total {uncharged}\n")), "{shown}");

        world.quota.fail_settles(0);
        world.start().await;
        world.stop().await;
        assert_eq!(world.quota.settles_now(), 0, "the next gateway has nothing to do");
    }
}

#[tokio::test]
async fn a_settle_that_nobody_acknowledged_is_repeated_by_the_next_gateway() {
    let mut world = World::with(UpstreamKind::Azure, |config| config.shutdown_flush_ms_max = 100).await;
    world.quota.fail_settles(u32::MAX);
    let mut client = world.asked(STREAMED).await;
    world.upstream.call().await.answer("200 OK", "", ANSWER).await;
    client.answer().await;
    world.events(1).await;
    world.stop().await;
    world.quota.fail_settles(0);

    world.start().await;
    assert_eq!(world.quota.settles(1).await[0].used, 13);
    assert_eq!(world.only_event().await.usage.total().get(), 13, "and the event is not published again");
}

#[tokio::test]
async fn an_append_of_unknown_outcome_is_repeated_with_the_same_identity() {
    let mut world = World::new().await;
    world.journal.faults().next_append(Topic::Usage, Fault::Rejected);
    world.journal.faults().next_append(Topic::Usage, Fault::Unknown { appended: 1 });
    let mut client = world.asked(STREAMED).await;
    world.upstream.call().await.answer("200 OK", "", ANSWER).await;
    client.answer().await;
    let events = world.events(2).await;
    assert_eq!(events[0], events[1]);
    world.stop().await;
    assert_eq!(world.events(2).await.len(), 2);
}

#[tokio::test]
async fn a_shutdown_lets_streams_finish_and_flushes() {
    let mut world = World::new().await;
    let mut client = world.asked(STREAMED).await;
    let mut call = world.upstream.call().await;
    call.begin_stream().await;
    client.head().await;
    let address = world.address();
    let running = world.gateway.take().unwrap();
    running.shutdown.cancel();
    crate::in_time(async { while tokio::net::TcpStream::connect(address).await.is_ok() {} }).await;
    call.chunk(
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n",
    )
    .await;
    call.end().await;
    assert_eq!(client.chunks().await, (b"data: [DONE]\n\n".to_vec(), true));
    crate::in_time(running.ended).await.unwrap();
    running.runtime.shutdown_background();
    assert_eq!((world.events(1).await.len(), world.quota.settles_now()), (1, 1));
}

#[tokio::test]
async fn a_stream_that_outlives_the_shutdown_is_cut_and_counted() {
    let mut world = World::with(UpstreamKind::Azure, |config| config.shutdown_streams_ms_max = 50).await;
    let mut client = world.asked(STREAMED).await;
    let mut call = world.upstream.call().await;
    call.begin_stream().await;
    call.chunk("data: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}]}\n\n").await;
    client.head().await;
    client.chunk().await;
    let event = world.only_event().await;
    assert_eq!((event.usage_source, event.usage.output.get()), (UsageSource::Counted, 1));
    assert_eq!(client.chunk().await, None);
}

#[tokio::test]
async fn every_fsync_policy_serves() {
    for fsync in [Fsync::Always, Fsync::IntervalMs(1), Fsync::Never] {
        let mut world = World::with(UpstreamKind::Azure, |config| config.wal_fsync = fsync).await;
        let mut client = world.asked(STREAMED).await;
        world.upstream.call().await.answer("200 OK", "", ANSWER).await;
        assert_eq!(client.answer().await.0.status, 200);
        assert_eq!(world.only_event().await.usage.total().get(), 13, "{fsync:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_let_through() {
    let mut world = World::with(UpstreamKind::Azure, |config| config.wal_segment_bytes = 1).await;
    let mut client = world.asked(STREAMED).await;
    world.upstream.call().await.answer("200 OK", "", ANSWER).await;
    client.answer().await;
    world.quota.settles(1).await;
    // The next record needs a new file, and there is no place for one. Marks may still make files meanwhile.
    while world.wal_dir().exists() {
        let _ = std::fs::remove_dir_all(world.wal_dir());
    }
    let mut client = world.asked(STREAMED).await;
    let (head, body) = client.answer().await;
    assert_eq!(head.status, 429);
    assert!(String::from_utf8(body).unwrap().contains("metering_unavailable"));
    assert!(world.upstream.is_untouched());
    let releases = world.quota.releases(1).await;
    assert_eq!(releases.len(), 1, "the hold is given back");
    assert!(!releases[0].hold_id.is_empty() && releases[0].reservation_id.is_empty());
}

#[tokio::test]
async fn more_unfinished_attempts_than_allowed_are_not_begun() {
    let mut world = World::with(UpstreamKind::Azure, |config| config.attempts_open_max = 1).await;
    let mut first = world.asked(STREAMED).await;
    let call = world.upstream.call().await;
    let (head, body) = world.asked(STREAMED).await.answer().await;
    assert_eq!(head.status, 429);
    assert!(String::from_utf8(body).unwrap().contains("metering_unavailable"));
    call.answer("200 OK", "", ANSWER).await;
    first.answer().await;
    world.stop().await;
    assert!(matches!(world.events(1).await[..], [UsageEvent::Recorded(_)]));
}

#[tokio::test]
async fn no_body_is_taken_in_for_which_there_is_no_place() {
    let mut world = World::with(UpstreamKind::Azure, |config| config.attempts_open_max = 1).await;
    let mut first = world.asked(STREAMED).await;
    let call = world.upstream.call().await;
    let mut second = world.client().await;
    second.send_head(CHAT, &authorization(), STREAMED.len()).await;
    let head = second.head().await;
    assert_eq!(head.status, 429, "without a byte of its body");
    call.answer("200 OK", "", ANSWER).await;
    first.answer().await;
}

#[tokio::test]
async fn a_connection_beyond_the_bound_waits_until_another_closes() {
    let mut world = World::with(UpstreamKind::Azure, |config| {
        config.connections_max = std::num::NonZeroU32::MIN;
    })
    .await;
    let mut first = world.client().await;
    first.send("GET /v1/models", &authorization(), "").await;
    assert_eq!(first.answer().await.0.status, 200);
    let mut second = world.asked(STREAMED).await;
    // Were the second served, its request would come between these.
    let mine = r#"{"model":"gpt-4o","messages":[]}"#;
    for _ in 0..20 {
        first.send(CHAT, &authorization(), mine).await;
        let call = world.upstream.call().await;
        assert_eq!(call.body, mine);
        call.answer("200 OK", "", ANSWER).await;
        first.answer().await;
    }
    first.leave().await;
    world.upstream.call().await.answer("200 OK", "", ANSWER).await;
    assert_eq!(second.answer().await.0.status, 200);
}
