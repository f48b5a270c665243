//! What a session's decisions say, beside the hold: as the unary calls say it.

use weir_proto::quota::v1::{Limit, LimitUse, SessionBatch, SessionDecision};

use super::world::{Session, release_in, reserve_in};
use crate::support::*;

impl Session {
    async fn decide(&mut self, service: &Service, number: u128, tokens: u64) -> SessionDecision {
        let reserve = vec![reserve_in(service, number, tokens)];
        self.send(SessionBatch { batch: 1, reserve, ..Default::default() }).await;
        self.answers().await.reserve.remove(0)
    }

    async fn release(&mut self, service: &Service, numbers: &[u128]) -> Vec<bool> {
        let release = numbers.iter().map(|number| release_in(service, *number)).collect();
        self.send(SessionBatch { batch: 2, release, ..Default::default() }).await;
        self.answers().await.release
    }
}

#[tokio::test]
async fn a_reservation_that_was_given_up_is_released_by_its_id_and_holds_nothing_if_it_comes_late() {
    let service = Service::start().await.with_policy().await;
    let (mut session, _) = Session::open(&service, vec![]).await;
    assert_eq!(session.decide(&service, 1, 600).await.refused, None);
    assert_eq!(session.release(&service, &[1, 2, 1]).await, [true, false, false]);
    for number in [1, 2] {
        let late = session.decide(&service, number, 600).await.refused.unwrap();
        assert_eq!(late.limit(), Limit::ReservationOver);
    }
    let headroom = service.headroom("chat").await;
    assert_eq!((headroom.holds, headroom.standing.unwrap().available), (0, 1_000));
    session.end().await;
    service.stop().await;
}

#[tokio::test]
async fn what_is_released_in_a_batch_can_be_held_in_the_same_batch() {
    let service = Service::start().await.with_policy().await;
    let (mut session, _) = Session::open(&service, vec![]).await;
    session.decide(&service, 1, 1_000).await;
    let (reserve, release) = (vec![reserve_in(&service, 2, 1_000)], vec![release_in(&service, 1)]);
    session.send(SessionBatch { batch: 3, reserve, release, ..Default::default() }).await;
    let answers = session.answers().await;
    assert_eq!((answers.release, answers.reserve[0].refused.clone()), (vec![true], None));
    session.end().await;
    service.stop().await;
}

#[tokio::test]
async fn in_shadow_mode_the_limit_is_named_that_would_have_refused() {
    let service = Service::start().await;
    service.apply(policy_with(|allocation| allocation.shadow = true)).await;
    let (mut session, _) = Session::open(&service, vec![]).await;
    let cases = [(1, 1_000, Limit::Unspecified), (2, 500, Limit::Baseline), (3, 1_001, Limit::RequestSize)];
    for (number, tokens, limit) in cases.into_iter().chain(cases) {
        let decision = session.decide(&service, number, tokens).await;
        assert_eq!((decision.refused.clone(), decision.shadowed()), (None, limit), "{number}");
    }
    session.end().await;
    service.stop().await;
}

#[tokio::test]
async fn a_refusal_explains_itself_as_a_unary_one_does() {
    let service = Service::start().await.with_policy().await;
    let (mut session, _) = Session::open(&service, vec![]).await;
    session.decide(&service, 1, 900).await;
    let in_session = session.decide(&service, 2, 250).await.refused.unwrap();
    let bound = LimitUse { used: 900, limit: 1_000, asked: 250, currency: String::new() };
    assert_eq!((in_session.limit(), in_session.r#use.clone()), (Limit::Baseline, Some(bound)));
    let mut client = service.admission().await;
    let unary = refused(&mut client, reserve(&service.reservation(3), 250)).await;
    assert_eq!(unary, in_session);
    session.end().await;
    service.stop().await;
}
