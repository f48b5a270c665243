//! What a refusal says over the wire beside its sentence: how far the limit is used, what is borrowed and lent, what changes
//! next.

use std::time::Duration;

use weir_proto::governance::v1 as governance;
use weir_proto::quota::v1::{Limit, LimitUse, NextChange, NoRetry};

use crate::support::*;

fn amounts(used: u64, limit: u64, asked: u64) -> LimitUse {
    LimitUse { used, limit, asked, currency: String::new() }
}

/// What a request of `chat` is told that is refused after another of so many tokens was admitted.
async fn told(
    change: impl FnOnce(&mut governance::Allocation),
    admitted: u64,
    asked: u64,
) -> (Limit, LimitUse) {
    let service = Service::start().await;
    service.apply(policy_with(change)).await;
    let mut client = service.admission().await;
    service.admit(&mut client, 1, admitted).await;
    let refused = refused(&mut client, reserve(&service.reservation(2), asked)).await;
    service.stop().await;
    (refused.limit(), refused.r#use.unwrap())
}

#[tokio::test]
async fn every_limit_says_how_far_it_is_used_in_its_own_unit() {
    assert_eq!(told(|_| {}, 700, 301).await, (Limit::Baseline, amounts(700, 1_000, 301)));
    assert_eq!(told(|_| {}, 700, 1_001).await, (Limit::RequestSize, amounts(0, 1_000, 1_001)));
    let ceiling = |allocation: &mut governance::Allocation| allocation.ceiling_per_minute = 6_100;
    assert_eq!(told(ceiling, 960, 200).await, (Limit::Ceiling, amounts(0, 100, 200)));
    let requests = |allocation: &mut governance::Allocation| allocation.requests_per_minute = Some(6);
    assert_eq!(told(requests, 1, 1).await, (Limit::Requests, amounts(1, 1, 1)));
    let in_flight = |allocation: &mut governance::Allocation| allocation.in_flight_max = Some(1);
    assert_eq!(told(in_flight, 1, 1).await, (Limit::InFlight, amounts(1, 1, 1)));
    let budget = |allocation: &mut governance::Allocation| {
        allocation.budgets = vec![governance::Budget {
            id: "daily".into(),
            limit: Some(governance::budget::Limit::Tokens(500)),
            period: governance::Period::Day.into(),
            zone: "UTC".into(),
            soft: false,
            thresholds_percent: vec![],
        }];
    };
    assert_eq!(told(budget, 400, 101).await, (Limit::Budget, amounts(400, 500, 101)));
}

#[tokio::test]
async fn what_others_leave_is_told_of_what_an_idle_pool_leaves_beyond_the_threshold() {
    let service = Service::start().await;
    let large = policy_with(|allocation| {
        (allocation.request_max, allocation.ceiling_per_minute) = (10_000, 60_000);
    });
    service.apply(large).await;
    let mut client = service.admission().await;
    for number in 0..5 {
        service.admit(&mut client, number, 10_000).await;
    }
    let refused = refused(&mut client, reserve(&service.reservation(9), 10_000)).await;
    // Of the pool's 60,000 the guarantee is 10,000, and a fifth of the rest is kept for higher priorities.
    assert_eq!((refused.limit(), refused.r#use), (Limit::Spare, Some(amounts(40_000, 40_000, 10_000))));
    assert_eq!(refused.borrowed, 40_000);
    service.stop().await;
}

#[tokio::test]
async fn a_refusal_says_what_is_borrowed_what_is_lent_and_what_changes_next() {
    let service = Service::start().await;
    let lending = governance::Policy {
        bursts: vec![burst(12_000, (100, 200))],
        ..policy_with(|allocation| allocation.ceiling_per_minute = 12_000)
    };
    service.apply(lending).await;
    let mut client = service.admission().await;
    let large = refused(&mut client, reserve(&service.reservation(1), 1_001)).await;
    assert_eq!((large.limit(), no_retry(&large)), (Limit::RequestSize, NoRetry::Never));
    assert_eq!((large.borrowed, large.lent_per_minute), (0, 6_000), "its guarantee is full: {large:?}");
    let starts = NextChange { at: Some(s(100)), what: "burst launch starts".into() };
    assert_eq!(large.next_change, Some(starts));
    for number in 2..4 {
        service.admit(&mut client, number, 1_000).await;
    }
    let used = refused(&mut client, reserve(&service.reservation(9), 1_001)).await;
    assert!(used.borrowed >= 1_000 && used.lent_per_minute == 0, "{used:?}");
    service.clock.advance(Duration::from_secs(150));
    let within = refused(&mut client, reserve(&service.reservation(10), 1_001)).await;
    assert_eq!(within.next_change, Some(NextChange { at: Some(s(200)), what: "burst launch ends".into() }));
    service.stop().await;
}

#[tokio::test]
async fn nothing_of_a_pool_is_told_to_whoever_has_no_allocation_in_it() {
    let service = Service::start().await.with_policy().await;
    let mut client = service.admission().await;
    let mut ask = reserve(&service.reservation(1), 10);
    ask.service = "nobody".into();
    let told = refused(&mut client, ask).await;
    assert_eq!((told.limit(), no_retry(&told)), (Limit::NoAllocation, NoRetry::Never));
    assert_eq!((told.r#use, told.borrowed, told.lent_per_minute, told.next_change), (None, 0, 0, None));
    service.stop().await;
}

#[tokio::test]
async fn a_prospect_is_explained_as_the_refusal_would_be() {
    let service = Service::start().await.with_policy().await;
    let mut client = service.admission().await;
    service.admit(&mut client, 1, 800).await;
    let told = refused(&mut client, reserve(&service.reservation(2), 300)).await;
    let prospect = service.headroom_for("chat", 300).await.prospect.unwrap().refused.unwrap();
    assert_eq!(prospect, told);
    service.stop().await;
}
