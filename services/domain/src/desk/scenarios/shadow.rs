//! Stories of shadow mode: everything passes and is told, but for what the pool has no room for.

use super::out_of_hand::{shadow, shadowed_in_all};
use super::story::{Story, may_borrow, service};
use crate::amount::Tokens;
use crate::ids::{CALL_TOKENS_MAX, HOLD_TOKENS_MAX};
use crate::ledger::{Limit, Refusal};
use crate::policy::Terms;

/// What an idle pool holds.
const DEPTH: u64 = 60_000;

fn given() -> Story {
    Story::given_pool(DEPTH).and("chat", shadow(600)).and("guest", may_borrow(0, 60_000))
}

#[test]
fn what_no_hold_can_have_takes_nothing_from_those_who_borrow() {
    let large = Terms { request_max: CALL_TOKENS_MAX, ..shadow(600) };
    for (capacity, terms) in [(DEPTH, shadow(600)), (1 << 42, large)] {
        let mut story = Story::given_pool(capacity).and("chat", terms).and("guest", may_borrow(0, 60_000));
        let before = story.available("guest");
        let told = story.reserve("chat", CALL_TOKENS_MAX.get()).unwrap_err();
        assert_eq!(told.limit(), Limit::RequestSize);
        let Refusal::RequestTooLarge { request_max, .. } = told else { panic!("{told}") };
        assert!(request_max <= HOLD_TOKENS_MAX);
        assert_eq!((story.draws(), story.available("guest")), (0, before));
    }
}

#[test]
fn what_an_idle_pool_would_not_hold_is_refused_and_takes_nothing_from_those_who_borrow() {
    let mut story = given();
    let (before, request_max) = (story.available("guest"), Tokens::new(DEPTH));
    for asked in [100_000_000_000, DEPTH + 1] {
        let too_large = Refusal::RequestTooLarge { asked: Tokens::new(asked), request_max };
        assert_eq!(story.reserve("chat", asked), Err(too_large.clone()));
        let reservation = story.mint();
        assert_eq!(story.gateway_draws_as(reservation, "chat", asked), Err(too_large));
    }
    assert_eq!((story.draws(), story.available("guest")), (0, before));
    assert!(story.reserve("guest", 1_000).is_ok());
}

#[test]
fn no_slice_that_is_not_enforced_takes_more_than_an_idle_pool_holds() {
    let mut story = given();
    for _ in 0..3 {
        let hold = story.reserve("chat", DEPTH - 1_000).unwrap();
        story.settle(hold, 0);
        story.wait_ms(1_100);
    }
    let most = |story: &Story| story.desk.ledger().slices().map(|(_, slice)| slice.tokens()).max();
    story.reserve("chat", 30_000).unwrap();
    assert!(most(&story).unwrap() <= Tokens::new(DEPTH), "{:?}", most(&story));
    story.then_replays();
}

#[test]
fn what_passes_at_a_node_is_told() {
    let mut story = given();
    let (first, second) = (story.gateway_draws("chat", 100), story.gateway_draws("chat", 4_000));
    assert_eq!(shadowed_in_all(&story), (1, Tokens::new(4_000)));
    story.gateway_returns(first, 100, 0);
    story.gateway_returns(second, 4_000, 0);
    assert_eq!(shadowed_in_all(&story), (1, Tokens::new(4_000)), "once");
    assert_eq!(story.available("chat"), story.desk.standing(&service("chat")).unwrap().depth.get());
    story.then_replays();
}
