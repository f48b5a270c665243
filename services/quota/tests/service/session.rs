//! Sessions: batches, slices for nodes, limits that are pushed.

mod decisions;
mod slices;
mod world;

use std::time::Duration;

use tonic::Code;
use weir_domain::desk::{HOLD_LIFETIME, NODE_SLICE_LIFETIME};
use weir_proto::codec::duration_from_wire;
use weir_proto::governance::v1 as governance;
use weir_proto::quota::v1::session_request::Request as Asked;
use weir_proto::quota::v1::session_response::Response as Said;
use weir_proto::quota::v1::{Limit, SessionBatch, SessionDraw, SessionOpen, SessionRelease, SessionReserve};
use weir_proto::record::Topic;
use weir_runtime::journal::memory::Fault;

use crate::support::*;
use world::{Session, account, admitted_in, extend_in, outstanding, reserve_in, settle_in};

#[tokio::test]
async fn a_session_says_how_long_slices_and_holds_are_kept() {
    let service = Service::start().await.with_policy().await;
    let (session, opened) = Session::open(&service, vec![]).await;
    assert_eq!(duration_from_wire(&opened.slice_lifetime.unwrap()), NODE_SLICE_LIFETIME);
    assert_eq!(duration_from_wire(&opened.hold_lifetime.unwrap()), HOLD_LIFETIME);
    assert_eq!(opened.alive, 0);
    assert_eq!(session.end().await, None);
    service.stop().await;
}

#[tokio::test]
async fn batches_are_answered_in_their_order_and_items_in_theirs() {
    let service = Service::start().await.with_policy().await;
    let (mut session, _) = Session::open(&service, vec![]).await;
    for batch in 0..20_u64 {
        let tokens = [3, 2_000, 5];
        let reserve = (0..3).map(|item| {
            let number = u128::from(batch) * 3 + item as u128;
            reserve_in(&service, number, tokens[item])
        });
        session.send(SessionBatch { batch, reserve: reserve.collect(), ..Default::default() }).await;
    }
    let mut holds = Vec::new();
    for batch in 0..20 {
        let answers = session.answers().await;
        assert_eq!((answers.batch, answers.undecided.as_str()), (batch, ""));
        let [first, refused, last] = answers.reserve.try_into().unwrap();
        assert_eq!(refused.refused.unwrap().limit(), Limit::RequestSize);
        assert!(refused.hold_id.is_empty());
        holds.extend([first, last].map(|decision| admitted_in(&decision)));
    }
    let settle: Vec<_> = holds.iter().chain(&holds).map(|hold| settle_in(hold, 4)).collect();
    session.send(SessionBatch { batch: 99, settle, ..Default::default() }).await;
    let charged = session.answers().await.settle;
    assert_eq!(charged.iter().position(|charged| !charged), Some(40), "each once, then not again");
    let headroom = service.headroom("chat").await;
    assert_eq!((headroom.settled_total, headroom.holds), (160, 0));
    session.end().await;
    service.stop().await;
}

#[tokio::test]
async fn one_batch_asks_several_pools() {
    let service = Service::start().await;
    let mut both = policy();
    both.pools.push(governance::Pool { id: "mini".into(), ..both.pools[0].clone() });
    both.pools[1].models.clear();
    both.pools[1].deployments.clear();
    let allocation = both.services[0].allocations[0].clone();
    both.services[0].allocations.push(governance::Allocation { pool: "mini".into(), ..allocation });
    service.apply(both).await;
    let (mut session, _) = Session::open(&service, vec![]).await;
    let mut reserve: Vec<_> = (0..6).map(|number| reserve_in(&service, number, 400)).collect();
    for item in reserve.iter_mut().step_by(2) {
        item.account = 7;
    }
    let accounts = vec![account(7, "chat", "mini")];
    session.send(SessionBatch { batch: 1, accounts, reserve, ..Default::default() }).await;
    let answers = session.answers().await;
    let passed: Vec<bool> = answers.reserve.iter().map(|decision| decision.refused.is_none()).collect();
    assert_eq!(passed, [true, true, true, true, false, false], "two of 400 fit each of them");
    session.end().await;
    service.stop().await;
}

#[tokio::test]
async fn answers_that_need_no_journal_do_not_wait_but_keep_their_place() {
    let service = Service::start().await.with_policy().await;
    let (mut waiting, _) = Session::open(&service, vec![]).await;
    let (mut other, _) = Session::open_as(&service, "gateway-2", vec![]).await;
    let hold = waiting.admit(&service, 1, 10).await;
    waiting.admit(&service, 2, 10).await;
    service.headroom("chat").await;
    service.journal.faults().hold_appends();
    waiting.send(SessionBatch { batch: 10, settle: vec![settle_in(&hold, 10)], ..Default::default() }).await;
    let fast = |batch, number| SessionBatch {
        batch,
        reserve: vec![reserve_in(&service, number, 1)],
        ..Default::default()
    };
    other.send(fast(20, 20)).await;
    assert_eq!(other.answers().await.batch, 20, "another session's reservation is answered at once");
    waiting.send(fast(11, 11)).await;
    other.send(SessionBatch { batch: 21, extend: vec![extend_in(&hold)], ..Default::default() }).await;
    service.journal.faults().release_appends();
    for batch in [10, 11] {
        assert_eq!(waiting.answers().await.batch, batch);
    }
    assert_eq!(other.answers().await.batch, 21);
    for session in [waiting, other] {
        session.end().await;
    }
    service.stop().await;
}

#[tokio::test]
async fn holds_that_are_declared_after_a_restart_count_as_under_way_again() {
    let service = Service::start().await;
    service.apply(policy_with(|allocation| allocation.in_flight_max = Some(3))).await;
    let (mut session, _) = Session::open(&service, vec![]).await;
    let mut holds = Vec::new();
    for number in 0..3 {
        holds.push(session.admit(&service, number, 10).await);
    }
    let settle = vec![settle_in(&holds[0], 10)];
    session.send(SessionBatch { batch: 5, settle, ..Default::default() }).await;
    assert_eq!(session.answers().await.settle, [true]);
    let service = service.crash().await;
    assert_eq!(service.headroom("chat").await.holds, 0);
    let (mut session, opened) = Session::open(&service, outstanding(&holds)).await;
    assert_eq!(opened.alive, 2, "the settled one does not");
    assert_eq!(service.headroom("chat").await.holds, 2);
    session.admit(&service, 10, 10).await;
    let over = reserve_in(&service, 11, 10);
    session.send(SessionBatch { batch: 6, reserve: vec![over], ..Default::default() }).await;
    let refused = session.answers().await.reserve.remove(0).refused.unwrap();
    assert_eq!(refused.limit(), Limit::InFlight);
    session.end().await;
    service.stop().await;
}

#[tokio::test]
async fn a_batch_whose_append_failed_is_undecided_and_the_same_again_is_charged_once() {
    for fault in [Fault::Rejected, Fault::Unknown { appended: 0 }, Fault::Unknown { appended: 1 }] {
        let service = Service::start().await.with_policy().await;
        let (mut session, _) = Session::open(&service, vec![]).await;
        let hold = session.admit(&service, 1, 100).await;
        service.headroom("chat").await;
        service.journal.faults().next_append(Topic::Quota, fault);
        let reserve = vec![reserve_in(&service, 2, 50)];
        let batch =
            SessionBatch { batch: 7, settle: vec![settle_in(&hold, 90)], reserve, ..Default::default() };
        session.send(batch.clone()).await;
        let undecided = session.answers().await;
        assert_eq!(undecided.batch, 7);
        assert!(!undecided.undecided.is_empty() && undecided.settle.is_empty(), "{undecided:?}");
        assert_eq!(session.ended().await, Some(Code::Unavailable), "its holds must be declared anew");
        let decided = loop {
            let (mut session, _) = Session::open(&service, outstanding(std::slice::from_ref(&hold))).await;
            session.send(batch.clone()).await;
            let answers = session.answers().await;
            if answers.undecided.is_empty() {
                break answers;
            }
        };
        let was_recorded = matches!(fault, Fault::Unknown { appended: 1 });
        assert_eq!(decided.settle, [!was_recorded], "{fault:?}");
        assert!(decided.reserve[0].refused.is_none());
        assert_eq!(service.headroom("chat").await.settled_total, 90);
        service.stop().await;
    }
}

/// `chat` may use a second pool, `o1`.
fn policy_of_two_pools() -> governance::Policy {
    let mut policy = policy();
    let mut other = policy.pools[0].clone();
    other.id = "o1".into();
    other.models[0].name = "o1".into();
    other.deployments[0].model = "o1".into();
    policy.pools.push(other);
    let allocations = &mut policy.services[0].allocations;
    allocations.push(governance::Allocation { pool: "o1".into(), ..allocations[0].clone() });
    policy
}

#[tokio::test]
async fn a_batch_that_one_of_its_pools_cannot_decide_is_decided_by_none() {
    let service = Service::start().await;
    service.apply(policy_of_two_pools()).await;
    let (mut session, _) = Session::open(&service, vec![]).await;
    session.admit(&service, 1, 10).await;
    assert_eq!(service.headroom("chat").await.holds, 1);
    service.journal.faults().lose_appends_after(Topic::Quota, 0, 0);
    let in_other = |number| SessionReserve { account: 1, ..reserve_in(&service, number, 10) };
    let accounts = vec![account(1, "chat", "o1")];
    let lost = SessionBatch { batch: 2, accounts, reserve: vec![in_other(2)], ..Default::default() };
    session.send(lost.clone()).await;
    assert!(!session.answers().await.undecided.is_empty(), "the other pool is lost");
    session.ended().await;
    let (mut session, _) = Session::open(&service, vec![]).await;
    let both = SessionBatch { reserve: vec![reserve_in(&service, 3, 10), in_other(4)], ..lost };
    session.send(both.clone()).await;
    let answers = session.answers().await;
    assert!(!answers.undecided.is_empty() && answers.reserve.is_empty(), "{answers:?}");
    assert_eq!(service.headroom("chat").await.holds, 1, "nobody holds what nobody was told of");
    service.journal.faults().mend_appends();
    session.end().await;
    service.stop().await;
}

#[tokio::test]
async fn a_node_is_told_of_new_limits_when_they_are_decided_and_when_a_burst_begins() {
    let service = Service::start().await.with_policy().await;
    let (mut session, _) = Session::open(&service, vec![]).await;
    let lower = policy_with(|allocation| allocation.baseline_per_minute = 3_000);
    service.apply(governance::Policy { bursts: vec![burst(12_000, (100, 200))], ..lower }).await;
    let limits = session.limits().await;
    assert_eq!((limits.account, limits.standing.unwrap().rate_per_minute), (0, 3_000));
    service.clock.advance(Duration::from_secs(100));
    assert_eq!(session.limits().await.standing.unwrap().rate_per_minute, 15_000);
    service.clock.advance(Duration::from_secs(100));
    assert_eq!(session.limits().await.standing.unwrap().rate_per_minute, 3_000);
    service.apply(governance::Policy { services: vec![], prices: vec![], ..policy() }).await;
    assert_eq!(session.limits().await.standing, None, "it has no allocation any more");
    session.end().await;
    service.stop().await;
}

#[tokio::test]
async fn a_session_that_says_nonsense_is_told_which_field() {
    let service = Service::start().await.with_policy().await;
    let open =
        |node: &str, accounts| Asked::Open(SessionOpen { node: node.into(), accounts, outstanding: vec![] });
    let chat = || vec![account(0, "chat", "gpt")];
    let good = || reserve_in(&service, 1, 1);
    let batch = |change: &dyn Fn(&mut SessionBatch)| {
        let mut batch = SessionBatch { batch: 1, reserve: vec![good(), good()], ..Default::default() };
        change(&mut batch);
        Asked::Batch(batch)
    };
    let cases = [
        ("open", vec![batch(&|_| ())]),
        ("node", vec![open("No Name", chat())]),
        ("accounts[0].pool", vec![open("gateway-1", vec![account(0, "chat", "nowhere")])]),
        ("accounts[0].number", vec![open("gateway-1", vec![account(1 << 20, "chat", "gpt")])]),
        (
            "accounts[1].number",
            vec![open("gateway-1", vec![account(0, "chat", "gpt"), account(0, "other", "gpt")])],
        ),
        ("comes a second time", vec![open("gateway-1", chat()), open("gateway-1", chat())]),
        ("reserve[1]", vec![open("gateway-1", chat()), batch(&|batch| batch.reserve[1].account = 5)]),
        (
            "reserve[0]",
            vec![open("gateway-1", chat()), batch(&|batch| batch.reserve[0].reservation_id = vec![1].into())],
        ),
        (
            "release[0]",
            vec![open("gateway-1", chat()), batch(&|batch| batch.release = vec![SessionRelease::default()])],
        ),
        (
            "draw[0]",
            vec![open("gateway-1", chat()), batch(&|batch| batch.draw = vec![SessionDraw::default()])],
        ),
        (
            "1024 is the most",
            vec![open("gateway-1", chat()), batch(&|batch| batch.reserve = vec![good(); 1_025])],
        ),
    ];
    for (told, asked) in cases {
        let status = Session::refused(&service, asked).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().contains(told), "{told}: {status}");
    }
    service.stop().await;
}

#[tokio::test]
async fn the_service_ends_although_sessions_are_open() {
    let service = Service::start().await.with_policy().await;
    let (mut session, _) = Session::open(&service, vec![]).await;
    session.admit(&service, 1, 10).await;
    service.stop().await;
    assert!(session.next().await.is_none_or(|said| !matches!(said, Said::Answers(_))));
}
