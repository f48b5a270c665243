//! What callers see when the journal fails: no decision, never a wrong one.

use tonic::Code;
use tonic_types::StatusExt;
use weir_proto::record::Topic;
use weir_runtime::journal::memory::Fault;

use crate::support::*;

/// Repeats a call until a decision is made, as a gateway does.
async fn until_decided(client: &mut Admission, request: weir_proto::quota::v1::ReserveRequest) -> bool {
    loop {
        match client.reserve(request.clone()).await {
            Ok(_) => return admitted(client, request).await,
            Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status}"),
        }
    }
}

async fn survives(fault: Fault) {
    let service = Service::start().await.with_policy().await;
    let mut client = service.admission().await;
    assert!(admitted(&mut client, reserve(&service.hold(1), 300)).await);
    service.journal.faults().next_append(Topic::Quota, fault);
    let status = client.reserve(reserve(&service.hold(2), 300)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.get_details_retry_info().is_some());
    assert!(until_decided(&mut client, reserve(&service.hold(2), 300)).await);
    let headroom = service.headroom("chat").await;
    assert_eq!((headroom.held, headroom.holds, headroom.standing.unwrap().available), (600, 2, 400));
    let before = service.headroom("chat").await;
    let service = service.restart().await;
    assert_eq!(service.headroom("chat").await, before);
    service.stop().await;
}

#[tokio::test]
async fn a_retry_after_an_append_that_was_lost_reserves_once() {
    survives(Fault::Unknown { appended: 0 }).await;
}

#[tokio::test]
async fn a_retry_after_an_append_that_went_through_unseen_reserves_once() {
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
    let hold = service.hold(1);
    assert!(admitted(&mut client, reserve(&hold, 300)).await);
    service.journal.faults().next_append(Topic::Quota, Fault::Unknown { appended: 1 });
    assert_eq!(client.settle(settle(&hold, 500)).await.unwrap_err().code(), Code::Unavailable);
    let charged = client.settle(settle(&hold, 500)).await.unwrap().into_inner().charged;
    assert!(!charged, "the first one counts, although nobody was told");
    assert_eq!(service.headroom("chat").await.settled_total, 500);
    service.stop().await;
}

#[tokio::test]
async fn a_journal_that_holds_records_twice_gives_the_same_state() {
    let service = Service::start().await;
    for _ in 0..3 {
        service.journal.faults().next_append(Topic::Quota, Fault::Duplicated);
    }
    let service = service.with_policy().await;
    let mut client = service.admission().await;
    assert!(admitted(&mut client, reserve(&service.hold(1), 300)).await);
    let before = (service.headroom("chat").await, directory_version(&service).await);
    let service = service.restart().await;
    assert_eq!((service.headroom("chat").await, directory_version(&service).await), before);
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
        client.apply_policy(apply(policy())).await.unwrap();
        let changes = client.apply_policy(apply(policy())).await.unwrap().into_inner().changes;
        assert_eq!(changes, Vec::<String>::new(), "{fault:?}");
        let version = directory_version(&service).await;
        let service = service.restart().await;
        assert_eq!(directory_version(&service).await, version, "{fault:?}");
        assert_eq!(service.headroom("chat").await.baseline_per_minute, 6_000);
        service.stop().await;
    }
}
