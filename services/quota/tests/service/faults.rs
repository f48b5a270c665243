//! What callers see when the journal fails: no decision, never a wrong one.

use tonic::Code;
use tonic_types::StatusExt;
use weir_proto::quota::v1::reserve_response::Decision;
use weir_proto::record::Topic;
use weir_runtime::journal::memory::Fault;

use crate::support::*;

async fn survives(fault: Fault) {
    let service = Service::start().await.with_policy().await;
    let mut client = service.admission().await;
    let first = service.admit(&mut client, 1, 300).await;
    service.headroom("chat").await;
    service.journal.faults().next_append(Topic::Quota, fault);
    let ask = reserve(&service.reservation(2), 300);
    let status = client.reserve(ask.clone()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.get_details_retry_info().is_some());
    let decision = until_decided!(client.reserve(ask.clone())).decision.unwrap();
    let Decision::Admitted(admitted) = decision else { panic!("{fault:?}: {decision:?}") };
    for (hold, used) in [(first, 300), (admitted.hold_id, 280)] {
        assert!(charged(&mut client, settle(&hold, used)).await, "{fault:?}");
        assert!(!charged(&mut client, settle(&hold, used)).await, "{fault:?}");
    }
    let before = service.headroom("chat").await;
    assert_eq!((before.settled_total, before.holds, before.debt), (580, 0, 0), "{fault:?}");
    assert!(before.standing.unwrap().available <= 420, "{fault:?}: more than was not used");
    let service = service.restart().await;
    assert_eq!(service.headroom("chat").await.settled_total, 580);
    service.stop().await;
}

#[tokio::test]
async fn a_retry_after_an_append_that_was_lost_reserves_once() {
    survives(Fault::Unknown { appended: 0 }).await;
}

#[tokio::test]
async fn a_retry_after_an_append_that_went_through_unseen_is_charged_once() {
    survives(Fault::Unknown { appended: 1 }).await;
}

#[tokio::test]
async fn a_rejected_append_leaves_nothing_behind() {
    survives(Fault::Rejected).await;
}

#[tokio::test]
async fn a_settle_whose_append_went_through_unseen_is_charged_once() {
    let service = Service::start().await.with_policy().await;
    let mut client = service.admission().await;
    let hold = service.admit(&mut client, 1, 300).await;
    service.headroom("chat").await;
    service.journal.faults().next_append(Topic::Quota, Fault::Unknown { appended: 1 });
    assert_eq!(client.settle(settle(&hold, 500)).await.unwrap_err().code(), Code::Unavailable);
    let charged = until_decided!(client.settle(settle(&hold, 500))).charged;
    assert!(!charged, "the first one counts, although nobody was told");
    assert_eq!(service.headroom("chat").await.settled_total, 500);
    service.stop().await;
}

#[tokio::test]
async fn a_journal_that_holds_records_twice_gives_the_same_state() {
    let service = Service::start().await;
    for _ in 0..6 {
        service.journal.faults().next_append(Topic::Quota, Fault::Duplicated);
    }
    let service = service.with_policy().await;
    let mut client = service.admission().await;
    let hold = service.admit(&mut client, 1, 300).await;
    assert!(charged(&mut client, settle(&hold, 310)).await);
    let service = service.restart().await;
    let before = (service.headroom("chat").await, directory_version(&service).await);
    let service = service.restart().await;
    assert_eq!((service.headroom("chat").await, directory_version(&service).await), before);
    assert_eq!((before.0.settled_total, before.0.standing.unwrap().available), (310, 690));
    service.stop().await;
}

async fn directory_version(service: &Service) -> u64 {
    let request = weir_proto::governance::v1::WatchDirectoryRequest { node: "test".into() };
    let mut stream = service.governance().await.watch_directory(request).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap().version
}

#[tokio::test]
async fn a_policy_whose_append_failed_is_completed_by_applying_it_again() {
    for fault in [Fault::Rejected, Fault::Unknown { appended: 0 }, Fault::Unknown { appended: 1 }] {
        let service = Service::start().await;
        let mut client = service.governance().await;
        service.journal.faults().next_append(Topic::Quota, fault);
        let status = client.apply_policy(apply(policy())).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        until_decided!(client.apply_policy(apply(policy())));
        let changes = client.apply_policy(apply(policy())).await.unwrap().into_inner().changes;
        assert_eq!(changes, Vec::<String>::new(), "{fault:?}");
        let version = directory_version(&service).await;
        let service = service.restart().await;
        assert_eq!(directory_version(&service).await, version, "{fault:?}");
        assert_eq!(service.headroom("chat").await.baseline_per_minute, 6_000);
        service.stop().await;
    }
}
