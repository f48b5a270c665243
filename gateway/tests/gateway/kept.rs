//! Gateways that are killed and started again while quota cannot be asked.

use std::fs::File;
use std::time::{Duration, SystemTime};

use tonic::Code;

use crate::outage::{ask, own, world};
use crate::quota::Answer;
use crate::{CHAT, World};

/// Waits until the directory that the gateway has is on its disk.
async fn kept(world: &World) {
    crate::in_time(async {
        while !world.wal_dir().join("directory").exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn restarted(world: &mut World) {
    kept(world).await;
    world.kill().await;
    world.start().await;
}

/// As if the last directory had been kept so long ago.
fn age(world: &World, hours: u64) {
    #[expect(clippy::disallowed_methods, reason = "files have the machine's time")]
    let now = SystemTime::now();
    let file = File::open(world.wal_dir().join("directory")).unwrap();
    file.set_modified(now - Duration::from_hours(hours)).unwrap();
}

#[tokio::test]
async fn a_gateway_that_starts_while_quota_is_away_goes_by_the_directory_it_kept() {
    let mut world = world(250).await;
    let health = world.gateway.as_ref().unwrap().health.clone();
    assert_eq!(health.remarks(), [""; 0]);
    world.quota.go_away(true);
    restarted(&mut world).await;
    let health = world.gateway.as_ref().unwrap().health.clone();
    let remarks = health.remarks();
    assert!(remarks[0].starts_with("gateway: goes by the directory of 2"), "{remarks:?}");
    assert_eq!(ask(&mut world, 100).await.status, 200);
    let mut stranger = world.client().await;
    stranger.send(CHAT, "api-key: wrong\r\n", "{}").await;
    assert_eq!(stranger.head().await.status, 401, "it knows who may call");

    world.quota.go_away(false);
    crate::in_time(async {
        while !health.remarks().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(own(&world.quota.settles(1).await).len(), 1);
}

#[tokio::test]
async fn a_directory_that_is_too_old_is_not_used() {
    let mut world = world(250).await;
    world.quota.go_away(true);
    kept(&world).await;
    world.kill().await;
    age(&world, 25);
    world.launch().await;
    let is_told = |problems: &Vec<String>| problems.iter().any(|it| it.contains("longer ago than the 24 h"));
    world.readiness(is_told).await;
    assert_eq!(ask(&mut world, 100).await.status, 429);
    world.quota.go_away(false);
    world.readiness(Vec::is_empty).await;
    assert_eq!(ask(&mut world, 100).await.status, 200);

    world.quota.go_away(true);
    world.kill().await;
    age(&world, 23);
    world.start().await;
}

#[tokio::test]
async fn a_gateway_that_quota_does_not_know_any_more_does_not_go_by_what_it_kept() {
    let mut world = world(250).await;
    kept(&world).await;
    world.quota.answer_all_with(Some(Code::Unauthenticated));
    world.kill().await;
    world.launch().await;
    world.readiness(|problems| problems.iter().any(|it| it.contains("no directory from quota: "))).await;
    assert_eq!(ask(&mut world, 100).await.status, 429);
}

#[tokio::test]
async fn the_bound_of_an_outage_holds_over_kills_of_the_gateway() {
    let mut world = world(250).await;
    world.quota.go_away(true);
    assert_eq!(ask(&mut world, 100).await.status, 200);
    restarted(&mut world).await;
    let mut broken_off = world.asked(&crate::outage::body(100)).await;
    let _call = world.upstream.call().await;
    restarted(&mut world).await;
    assert_eq!(ask(&mut world, 100).await.status, 429);
    assert_eq!(ask(&mut world, 50).await.status, 200, "what is left");
    restarted(&mut world).await;
    assert_eq!(ask(&mut world, 20).await.status, 429);
    broken_off.chunk().await;

    world.quota.go_away(false);
    let holds = own(&world.quota.settles(3).await);
    assert_eq!(holds.iter().map(|hold| hold.tokens().get()).sum::<u64>(), 250);
    assert_eq!(ask(&mut world, 100).await.header("x-ratelimit-remaining-tokens"), Some("41000"));
    world.quota.go_away(true);
    assert_eq!(ask(&mut world, 250).await.status, 200, "the next outage has its own bound");
}

#[tokio::test]
async fn what_quota_settles_while_it_answers_no_reservation_counts_for_the_bound_after_a_restart() {
    let no_answer = [Answer::Fail; 2];
    let mut world = world(250).await;
    world.quota.answer(no_answer);
    assert_eq!(ask(&mut world, 200).await.status, 200);
    world.stop().await;
    assert_eq!(own(&world.quota.settles(1).await).len(), 1);

    world.start().await;
    world.quota.answer(no_answer);
    assert_eq!(ask(&mut world, 100).await.status, 429);
    world.quota.answer(no_answer);
    assert_eq!(ask(&mut world, 50).await.status, 200);
    assert_eq!(ask(&mut world, 100).await.status, 200, "quota answers");
    world.stop().await;
    let settles = world.quota.settles_now();
    world.start().await;
    world.quota.answer(no_answer);
    assert_eq!(ask(&mut world, 250).await.status, 200, "the outage is over");
    world.stop().await;
    assert_eq!(world.quota.settles_now(), settles + 1, "what is over is not settled again");
}
