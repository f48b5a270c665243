//! Slices that a node hands out on its own: drawn, handed out, settled, returned, lapsed.

use bytes::Bytes;
use weir_domain::amount::Tokens;
use weir_domain::desk::NODE_SLICE_LIFETIME;
use weir_domain::ids::{HoldId, ReservationId, SliceId};
use weir_proto::codec::timestamp_to_wire;
use weir_proto::quota::v1::{Limit, NoRetry, SessionBatch, SessionDraw, SessionDrawn, SessionReturn};
use weir_runtime::clock::Clock;

use super::world::{Session, bytes_of, settle_in};
use crate::support::*;

impl Session {
    async fn draw(
        &mut self,
        reservation: ReservationId,
        (need, ahead): (u64, u64),
        instead_of: Option<SessionReturn>,
    ) -> SessionDrawn {
        let reservation_id = bytes_of(reservation);
        let draw = vec![SessionDraw { account: 0, need, ahead, instead_of, reservation_id }];
        self.send(SessionBatch { batch: 2, draw, ..Default::default() }).await;
        self.answers().await.draw.remove(0)
    }

    async fn return_slice(&mut self, back: SessionReturn) {
        self.send(SessionBatch { batch: 3, r#return: vec![back], ..Default::default() }).await;
        assert_eq!(self.answers().await.undecided, "");
    }

    async fn settle(&mut self, hold: &Bytes, used: u64) -> bool {
        self.send(SessionBatch { batch: 4, settle: vec![settle_in(hold, used)], ..Default::default() }).await;
        self.answers().await.settle.remove(0)
    }
}

/// A hold that the node hands out from a slice.
fn hand_out(slice: u64, number: u32, tokens: u64) -> Bytes {
    let hold = HoldId::try_pack(SliceId::new(slice), number, Tokens::new(tokens)).unwrap();
    hold.as_u128().to_be_bytes().to_vec().into()
}

const fn rest(slice: u64, free: u64, holds: u32) -> SessionReturn {
    SessionReturn { account: 0, slice, free, holds }
}

async fn available(service: &Service) -> u64 {
    service.headroom("chat").await.standing.unwrap().available
}

#[tokio::test]
async fn a_slice_is_handed_out_settled_and_returned_to_the_token() {
    let service = Service::start().await.with_policy().await;
    let (mut session, _) = Session::open(&service, vec![]).await;
    let drawn = session.draw(service.reservation_id(1), (200, 100), None).await;
    assert_eq!((drawn.tokens, drawn.refused), (300, None));
    let lapses = timestamp_to_wire(service.clock.now().plus(NODE_SLICE_LIFETIME));
    assert_eq!(drawn.hand_out_until, Some(lapses), "no burst ends before");
    assert_eq!(available(&service).await, 700);
    let (one, two) = (hand_out(drawn.slice, 0, 120), hand_out(drawn.slice, 1, 80));
    assert!(session.settle(&one, 70).await);
    let not_handed_out = 100 + (120 - 70);
    session.return_slice(rest(drawn.slice, not_handed_out, 2)).await;
    assert_eq!(available(&service).await, 1_000 - 70 - 80, "all but what was used or is held");
    assert!(session.settle(&two, 90).await);
    for hold in [&one, &two] {
        assert!(!session.settle(hold, 1_000).await, "each is charged once");
    }
    let headroom = service.headroom("chat").await;
    assert_eq!((headroom.settled_total, headroom.held), (160, 0));
    assert_eq!(headroom.standing.unwrap().available, 840);
    session.end().await;
    service.stop().await;
}

#[tokio::test]
async fn near_the_limit_a_slice_shrinks_to_the_need_and_then_is_refused() {
    let service = Service::start().await.with_policy().await;
    let (mut session, _) = Session::open(&service, vec![]).await;
    let first = session.draw(service.reservation_id(1), (900, 500), None).await;
    assert_eq!(first.tokens, 925, "a quarter of what is left beyond the need");
    let refused = session.draw(service.reservation_id(2), (200, 0), None).await;
    assert_eq!((refused.slice, refused.tokens), (0, 0));
    assert_eq!(refused.refused.unwrap().limit(), Limit::Baseline);
    let instead = session.draw(service.reservation_id(3), (200, 0), Some(rest(first.slice, 925, 0))).await;
    assert_eq!((instead.tokens, instead.refused), (200, None), "what the node had went back first");
    session.end().await;
    service.stop().await;
}

#[tokio::test]
async fn a_slice_that_a_node_does_not_return_lapses_and_is_charged_no_more_than_once() {
    let service = Service::start().await.with_policy().await;
    let (mut session, _) = Session::open(&service, vec![]).await;
    let drawn = session.draw(service.reservation_id(1), (300, 0), None).await;
    let hold = hand_out(drawn.slice, 0, 100);
    session.end().await;
    service.clock.advance(NODE_SLICE_LIFETIME);
    let (mut session, _) = Session::open(&service, vec![]).await;
    let before = available(&service).await;
    session.return_slice(rest(drawn.slice, 200, 1)).await;
    assert_eq!(available(&service).await, before, "it counts as spent: the return came too late");
    assert!(session.settle(&hold, 60).await);
    assert!(!session.settle(&hold, 60).await);
    assert_eq!(service.headroom("chat").await.settled_total, 60);
    session.end().await;
    service.stop().await;
}

#[tokio::test]
async fn a_slice_outlives_the_quota_service_that_gave_it() {
    let service = Service::start().await.with_policy().await;
    let (mut session, _) = Session::open(&service, vec![]).await;
    let drawn = session.draw(service.reservation_id(1), (300, 0), None).await;
    let service = service.crash().await;
    assert_eq!(available(&service).await, 700);
    let (mut session, _) = Session::open(&service, vec![]).await;
    assert!(session.settle(&hand_out(drawn.slice, 0, 100), 100).await);
    session.return_slice(rest(drawn.slice, 200, 1)).await;
    assert_eq!(available(&service).await, 900);
    session.end().await;
    service.stop().await;
}

#[tokio::test]
async fn a_draw_whose_answer_was_lost_is_repeated_and_answered_with_the_same_slice() {
    let service = Service::start().await.with_policy().await;
    let (mut session, _) = Session::open(&service, vec![]).await;
    let lost = session.draw(service.reservation_id(1), (300, 100), None).await;
    session.end().await;
    let (mut session, _) = Session::open(&service, vec![]).await;
    for _ in 0..3 {
        assert_eq!(session.draw(service.reservation_id(1), (300, 100), None).await, lost);
    }
    assert_eq!(available(&service).await, 1_000 - lost.tokens, "it was drawn once");
    session.return_slice(rest(lost.slice, lost.tokens, 0)).await;
    let over = session.draw(service.reservation_id(1), (300, 100), None).await;
    assert_eq!((over.slice, over.refused.unwrap().limit()), (0, Limit::ReservationOver));
    assert_eq!(available(&service).await, 1_000);
    session.end().await;
    service.stop().await;
}

#[tokio::test]
async fn in_shadow_mode_a_slice_names_the_limit_that_would_have_refused_it() {
    let service = Service::start().await;
    service.apply(policy_with(|allocation| allocation.shadow = true)).await;
    let (mut session, _) = Session::open(&service, vec![]).await;
    for (number, limit) in [(1, Limit::Unspecified), (2, Limit::Baseline), (2, Limit::Baseline)] {
        let drawn = session.draw(service.reservation_id(number), (900, 0), None).await;
        assert_eq!((drawn.tokens, drawn.shadowed()), (900, limit));
    }
    session.end().await;
    service.stop().await;
}

#[tokio::test]
async fn where_requests_are_limited_slices_are_refused_for_good_and_it_is_said_why() {
    let service = Service::start().await;
    service.apply(policy_with(|allocation| allocation.requests_per_minute = Some(60))).await;
    let (mut session, _) = Session::open(&service, vec![]).await;
    let refused = session.draw(service.reservation_id(1), (300, 0), None).await.refused.unwrap();
    assert_eq!((refused.limit(), no_retry(&refused)), (Limit::Requests, NoRetry::Never));
    assert!(refused.message.contains("requests a minute are limited"), "{}", refused.message);
    session.end().await;
    service.stop().await;
}

#[tokio::test]
async fn nobody_returns_the_slice_of_another() {
    let service = Service::start().await.with_policy().await;
    let (mut owner, _) = Session::open(&service, vec![]).await;
    let (mut other, _) = Session::open_as(&service, "gateway-2", vec![]).await;
    let drawn = owner.draw(service.reservation_id(1), (300, 0), None).await;
    other.return_slice(rest(drawn.slice, 300, 0)).await;
    assert_eq!(available(&service).await, 700);
    for session in [owner, other] {
        session.end().await;
    }
    service.stop().await;
}
