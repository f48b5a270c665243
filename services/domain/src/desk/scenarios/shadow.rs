//! Stories of shadow mode: everything passes and is told, and keeps nobody from what is theirs before it is used.

use super::out_of_hand::{shadow, shadowed_in_all};
use super::story::{Story, may_borrow, service, terms};
use crate::amount::Tokens;
use crate::ids::{CALL_TOKENS_MAX, HOLD_TOKENS_MAX, HoldId};
use crate::ledger::{Limit, Refusal};
use crate::policy::Terms;

fn given() -> Story {
    Story::given_pool(60_000).and("chat", shadow(600)).and("guest", may_borrow(0, 60_000))
}

#[test]
fn what_no_hold_can_have_is_refused_in_shadow_mode_too_and_draws_nothing() {
    let large = Terms { request_max: CALL_TOKENS_MAX, ..shadow(600) };
    for (capacity, terms) in [(60_000, shadow(600)), (1 << 42, large)] {
        let mut story = Story::given_pool(capacity).and("chat", terms);
        let told = story.reserve("chat", CALL_TOKENS_MAX.get()).unwrap_err();
        assert_eq!(told.limit(), Limit::RequestSize);
        let Refusal::RequestTooLarge { request_max, .. } = told else { panic!("{told}") };
        assert!(request_max <= HOLD_TOKENS_MAX);
        assert_eq!(story.draws(), 0);
    }
}

#[test]
fn what_is_asked_for_in_shadow_mode_keeps_nobody_from_borrowing_however_much_it_is() {
    let mut story = given();
    let before = story.available("guest");
    let holds = [100_000_000_000, 90_000, 50_000].map(|tokens| story.reserve("chat", tokens).unwrap());
    story.gateway_draws("chat", 100_000_000_000);
    assert_eq!(story.available("guest"), before);
    for hold in holds {
        assert!(story.settle(hold, 0));
    }
    (0..20).for_each(|_| story.wait_ms(100));
    assert_eq!(story.available("guest"), before, "nor does it get more when that is given back");
    assert!(story.reserve("guest", 1_000).is_ok());
    story.then_replays();
}

#[test]
fn what_is_used_in_shadow_mode_is_taken_from_the_pool_once_it_is() {
    let mut story = given();
    let before = story.available("guest");
    let (here, slice) = (story.reserve("chat", 50_000).unwrap(), story.gateway_draws("chat", 50_000));
    let at_gateway = HoldId::try_pack(slice, 0, Tokens::new(50_000)).unwrap();
    assert!(story.settle(here, 7_000));
    assert_eq!(story.available("guest"), before - 7_000);
    assert!(story.settle(at_gateway, 8_000) && !story.settle(at_gateway, 8_000));
    assert_eq!(story.available("guest"), before - 15_000);
    story.gateway_returns(slice, 0, 1);
    story.crash();
    assert_eq!(story.available("guest"), before - 15_000);
    story.then_replays();
}

#[test]
fn what_is_used_in_shadow_mode_beyond_the_pool_keeps_nobody_from_what_is_guaranteed() {
    let mut story = given().and("owner", terms(6_000));
    let hold = story.reserve("chat", 90_000).unwrap();
    assert!(story.settle(hold, 90_000));
    assert!(story.desk.ledger().deficit() > crate::bucket::Level::ZERO);
    let refusal = story.reserve("guest", 100).unwrap_err();
    assert!(refusal.retry().after().unwrap().as_secs() < 60, "{refusal}");
    assert!(story.reserve("owner", 1_000).is_ok());
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
