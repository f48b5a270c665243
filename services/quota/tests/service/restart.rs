//! What is left after an end, a kill, and a long while.

use std::path::{Path, PathBuf};
use std::time::Duration;

use weir_domain::ids::SliceId;
use weir_domain::time::Timestamp;
use weir_proto::governance::v1::ListCallerKeysRequest;
use weir_proto::quota::v1::reserve_response::Decision;
use weir_proto::quota::v1::{ExtendRequest, Headroom, Limit};

use crate::support::*;

#[tokio::test]
async fn a_restart_finds_everything_as_it_was() {
    let service = Service::start().await.with_policy().await;
    let mut client = service.admission().await;
    let mut kept = Vec::new();
    for number in 0..20 {
        let hold = service.admit(&mut client, number, 50).await;
        match number % 4 {
            0 => assert!(charged(&mut client, settle(&hold, 80)).await),
            1 => assert!(charged(&mut client, settle(&hold, 10)).await),
            2 => assert!(client.release(release(&hold)).await.unwrap().into_inner().released),
            _ => kept.push(hold),
        }
        service.clock.advance(Duration::from_millis(317));
    }
    let before = service.headroom("chat").await;
    let service = service.restart().await;
    let after = service.headroom("chat").await;
    assert_eq!(after.settled_total, before.settled_total);
    let available = |headroom: &Headroom| headroom.standing.unwrap().available;
    assert_eq!(available(&after), available(&before), "a clean end gives back what was drawn ahead");
    assert_eq!((before.holds, after.holds), (5, 0), "whoever has holds declares them anew");
    let mut client = service.admission().await;
    for hold in kept {
        assert!(charged(&mut client, settle(&hold, 50)).await);
        assert!(!charged(&mut client, settle(&hold, 50)).await);
    }
    assert_eq!(service.headroom("chat").await.settled_total, before.settled_total + 5 * 50);
    service.stop().await;
}

#[tokio::test]
async fn what_was_drawn_counts_as_spent_after_a_crash_and_a_late_settle_is_charged_its_excess_alone() {
    let service = Service::start().await.with_policy().await;
    let mut client = service.admission().await;
    let (exact, more) = (service.admit(&mut client, 1, 300).await, service.admit(&mut client, 2, 200).await);
    let drawn = service.headroom("chat").await.held;
    assert!(drawn > 500, "some is drawn ahead");
    let service = service.crash().await;
    let mut client = service.admission().await;
    let available = async |service: &Service| service.headroom("chat").await.standing.unwrap().available;
    assert_eq!(available(&service).await, 1_000 - drawn);
    assert!(charged(&mut client, settle(&exact, 300)).await);
    assert_eq!(available(&service).await, 1_000 - drawn, "it was taken when it was drawn");
    assert!(charged(&mut client, settle(&more, 260)).await);
    assert_eq!(available(&service).await, 1_000 - drawn - 60, "the excess is taken now");
    assert_eq!(service.headroom("chat").await.settled_total, 560);
    service.stop().await;
}

#[tokio::test]
async fn a_journal_from_a_machine_whose_clock_was_ahead_does_not_stop_refill() {
    let service = Service::start().await.with_policy().await;
    service.clock.advance(Duration::from_hours(1));
    let mut client = service.admission().await;
    service.admit(&mut client, 1, 1_000).await;
    service.clock.set(Timestamp::from_secs(START_S));
    let service = service.crash().await;
    assert_eq!(service.headroom("chat").await.standing.unwrap().available, 0);
    service.clock.advance(Duration::from_secs(5));
    assert_eq!(service.headroom("chat").await.standing.unwrap().available, 500);
    service.stop().await;
}

#[tokio::test]
async fn a_hold_of_a_unary_call_counts_as_under_way_again_once_it_is_extended_after_a_restart() {
    let service = Service::start().await;
    service.apply(policy_with(|allocation| allocation.in_flight_max = Some(2))).await;
    let mut client = service.admission().await;
    let (long, short) = (service.admit(&mut client, 1, 100).await, service.admit(&mut client, 2, 100).await);
    let extend =
        |hold: &str| ExtendRequest { hold_id: hold.into(), service: "chat".into(), pool: "gpt".into() };
    let service = service.crash().await;
    let mut client = service.admission().await;
    assert_eq!(service.headroom("chat").await.holds, 0);
    for _ in 0..2 {
        assert!(client.extend(extend(&long)).await.unwrap().into_inner().alive);
        assert_eq!(service.headroom("chat").await.holds, 1);
    }
    assert!(charged(&mut client, settle(&short, 100)).await);
    assert!(!client.extend(extend(&short)).await.unwrap().into_inner().alive, "it is settled");
    service.admit(&mut client, 3, 1).await;
    let next = decision(&mut client, reserve(&service.reservation(4), 1)).await;
    assert!(matches!(&next, Decision::Refused(it) if it.limit() == Limit::InFlight), "{next:?}");
    let service = service.restart().await;
    let mut client = service.admission().await;
    assert!(client.extend(extend(&long)).await.unwrap().into_inner().alive);
    assert!(charged(&mut client, settle(&long, 100)).await);
    assert!(!client.extend(extend(&long)).await.unwrap().into_inner().alive);
    assert_eq!(service.headroom("chat").await.holds, 0);
    service.stop().await;
}

#[tokio::test]
async fn a_settle_is_charged_exactly_once_over_any_restarts_and_however_late() {
    let mut service = Service::start().await.with_policy().await;
    let mut client = service.admission().await;
    let mut holds = Vec::new();
    for number in 0..8 {
        holds.push(service.admit(&mut client, number, 100).await);
    }
    let mut settled = 0;
    for (round, hold) in holds.iter().enumerate() {
        service = if round % 2 == 0 { service.crash().await } else { service.restart().await };
        service.clock.advance(Duration::from_hours(24 * round as u64));
        let mut client = service.admission().await;
        let used = 90 + 5 * round as u64;
        assert!(charged(&mut client, settle(hold, used)).await, "round {round}");
        settled += used;
        for earlier in &holds[..=round] {
            assert!(!charged(&mut client, settle(earlier, 1_000)).await, "round {round}");
        }
        assert_eq!(service.headroom("chat").await.settled_total, settled, "round {round}");
    }
    service.stop().await;
}

#[tokio::test]
async fn what_a_gateway_granted_itself_while_quota_was_away_is_charged_once() {
    use weir_domain::amount::Tokens;
    use weir_domain::ids::HoldId;
    use weir_runtime::clock::Clock;

    let service = Service::start().await.with_policy().await;
    let slice = SliceId::self_granted(7, service.clock.now());
    let hold = HoldId::try_pack(slice, 0, Tokens::new(100)).unwrap().to_string();
    let mut client = service.admission().await;
    assert!(charged(&mut client, settle(&hold, 100)).await);
    let service = service.crash().await;
    let mut client = service.admission().await;
    assert!(!charged(&mut client, settle(&hold, 100)).await);
    let headroom = service.headroom("chat").await;
    assert_eq!((headroom.settled_total, headroom.standing.unwrap().available), (100, 900));
    service.stop().await;
}

async fn with_snapshots(dir: &Path) -> Service {
    let setup = Setup { data_dir: Some(dir.join("quota")), ..Setup::default() };
    let service = Service::start_with(setup).await.with_policy().await;
    let mut client = service.admission().await;
    for number in 0..50 {
        let hold = service.admit(&mut client, number, 90).await;
        if number % 5 != 0 {
            assert!(charged(&mut client, settle(&hold, 80)).await);
        }
        service.clock.advance(Duration::from_secs(1));
    }
    service
}

fn snapshot(dir: &Path) -> PathBuf {
    dir.join("quota").join("quota.snapshot")
}

async fn seen(service: &Service) -> (Headroom, Vec<String>) {
    let mut client = service.governance().await;
    let keys = client.list_caller_keys(ListCallerKeysRequest {}).await;
    let keys = keys.unwrap().into_inner().keys;
    (service.headroom("chat").await, keys.into_iter().map(|key| key.id).collect())
}

#[tokio::test]
async fn a_start_from_a_snapshot_its_tail_or_the_journal_alone_finds_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let service = with_snapshots(dir.path()).await;
    service.governance().await.create_caller_key(key("first", 1)).await.unwrap();
    let service = service.restart().await;
    let whole = std::fs::read(snapshot(dir.path())).expect("a clean end has left a snapshot");
    let from_snapshot = seen(&service).await;
    service.governance().await.create_caller_key(key("second", 2)).await.unwrap();
    let mut client = service.admission().await;
    let hold = service.admit(&mut client, 100, 70).await;
    assert!(charged(&mut client, settle(&hold, 60)).await);
    let service = service.crash().await;
    let from_tail = seen(&service).await;
    assert_eq!(from_tail.1, ["first", "second"]);
    assert_eq!(from_tail.0.settled_total, from_snapshot.0.settled_total + 60);
    let mut setup = service.kill().await;
    for content in [None, Some(&whole[..whole.len() / 2]), Some(&b"not a snapshot"[..]), Some(&whole[..])] {
        match content {
            None => std::fs::remove_file(snapshot(dir.path())).unwrap(),
            Some(bytes) => std::fs::write(snapshot(dir.path()), bytes).unwrap(),
        }
        let service = Service::start_with(setup).await;
        assert_eq!(seen(&service).await, from_tail);
        setup = service.kill().await;
    }
}
