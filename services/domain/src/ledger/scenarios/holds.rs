//! Reserving, settling, releasing.

use super::story::*;
use crate::ledger::{Event, HOLDS_MAX, Moved, Movement, Refusal, Totals};

/// A pool of 60,000 a minute in which `chat` is guaranteed 6,000 a minute: 1,000 at once, 100 more each second.
fn chat() -> Story {
    given().and(pool(60_000)).and(allocation("chat", 6_000, 1_000))
}

#[test]
fn what_a_guarantee_holds_is_admitted_and_no_more() {
    chat()
        .when(reserve(hold(1), "chat", 1_000))
        .then_done()
        .available("chat", 0)
        .when(reserve(hold(2), "chat", 1))
        .then_refused_for_ms(10);
}

#[test]
fn a_retry_does_not_reserve_twice() {
    chat()
        .after(reserve(hold(1), "chat", 400))
        .when(reserve(hold(1), "chat", 400))
        .then_nothing_more()
        .available("chat", 600);
}

#[test]
fn what_was_not_used_comes_back_to_the_guarantee_and_the_pool() {
    let story = chat().after(reserve(hold(1), "chat", 400)).pool_holds(59_600);
    let story = story.after(settle(hold(1), "chat", 150)).available("chat", 850).pool_holds(59_850);
    let returned =
        Totals { drawn: tokens(400), settled: tokens(150), returned: tokens(250), ..Totals::default() };
    assert_eq!(story.totals("chat"), returned);
}

#[test]
fn use_above_the_hold_is_debt_that_the_refill_repays() {
    chat()
        .after(reserve(hold(1), "chat", 1_000))
        .after(settle(hold(1), "chat", 1_500))
        .debt("chat", 500)
        .pool_holds(58_500)
        .when(reserve(hold(2), "chat", 100))
        .then_refused_until(Some(6))
        .at(6)
        .when(reserve(hold(2), "chat", 100))
        .then_done();
}

#[test]
fn a_settle_is_charged_once_however_often_it_comes() {
    chat()
        .after(reserve(hold(1), "chat", 400))
        .after(settle(hold(1), "chat", 300))
        .when(settle(hold(1), "chat", 300))
        .then_nothing_more()
        .at(3_600)
        .when(settle(hold(1), "chat", 300))
        .then_nothing_more()
        .available("chat", 1_000);
}

#[test]
fn a_settle_for_a_hold_that_was_never_seen_is_charged_in_full_and_remembered() {
    chat()
        .after(settle(hold(1), "chat", 300))
        .available("chat", 700)
        .when(settle(hold(1), "chat", 300))
        .then_nothing_more()
        .when(reserve(hold(1), "chat", 300))
        .then_nothing_more()
        .available("chat", 700);
}

#[test]
fn a_settle_after_a_release_is_charged_and_a_release_after_a_settle_changes_nothing() {
    chat()
        .after(reserve(hold(1), "chat", 400))
        .after(release(hold(1), "chat"))
        .available("chat", 1_000)
        .after(settle(hold(1), "chat", 300))
        .available("chat", 700)
        .when(release(hold(1), "chat"))
        .then_nothing_more()
        .available("chat", 700);
}

#[test]
fn a_release_that_overtakes_its_reservation_leaves_nothing_held() {
    chat()
        .after(release(hold(1), "chat"))
        .when(reserve(hold(1), "chat", 400))
        .then_nothing_more()
        .available("chat", 1_000);
}

#[test]
fn an_outstanding_hold_is_never_forgotten() {
    let day = 86_400;
    chat()
        .after(reserve(hold(1), "chat", 400))
        .at(day)
        .when(reserve(hold(1), "chat", 400))
        .then_nothing_more()
        .when(settle(hold(1), "chat", 1_400))
        .then_done()
        .available("chat", 0);
}

#[test]
fn an_id_too_old_to_be_remembered_begins_nothing() {
    let stale = Refusal::HoldIdStale { hold: hold(1) };
    chat().at(899).when(reserve(hold(2), "chat", 1)).then_done();
    chat().at(900).when(reserve(hold(1), "chat", 1)).then_refused(&stale);
    chat()
        .when(reserve(minted_at(901, 1), "chat", 1))
        .then_refused(&Refusal::HoldIdStale { hold: minted_at(901, 1) });
}

#[test]
fn a_hold_of_one_service_is_no_hold_of_another() {
    chat()
        .and(allocation("search", 600, 100))
        .after(reserve(hold(1), "chat", 100))
        .when(reserve(hold(1), "search", 100))
        .then_refused(&Refusal::HoldOfAnother { hold: hold(1) })
        .when(settle(hold(1), "search", 150))
        .then_done()
        .available("search", 100)
        .available("chat", 850);
}

#[test]
fn a_request_larger_than_the_largest_never_fits() {
    let too_large = Refusal::RequestTooLarge { asked: tokens(1_001), request_max: tokens(1_000) };
    chat().when(reserve(hold(1), "chat", 1_001)).then_refused(&too_large).then_refused_until(None);
}

#[test]
fn a_service_without_an_allocation_is_refused_and_still_charged() {
    chat()
        .when(reserve(hold(1), "search", 1))
        .then_refused(&Refusal::NoAllocation)
        .when(settle(hold(1), "search", 50))
        .then_done()
        .debt("search", 50)
        .pool_holds(59_950);
}

#[test]
fn a_clock_that_goes_back_gives_nothing() {
    chat()
        .at(100)
        .after(reserve(hold(1), "chat", 1_000))
        .at(50)
        .when(reserve(hold(2), "chat", 100))
        .then_refused_until(Some(101));
}

#[test]
fn the_number_of_holds_is_bounded() {
    let mut story = given().and(pool(60_000_000)).and(allocation("chat", 60_000_000, 1));
    for number in 0..HOLDS_MAX as u128 {
        let what = Moved::Held { tokens: tokens(0) };
        let held = Movement { at: s(0), hold: hold(number), service: service("chat"), what };
        story.ledger.evolve(&Event::Moved(held));
    }
    story
        .when(reserve(hold(HOLDS_MAX as u128), "chat", 0))
        .then_refused(&Refusal::HoldsFull { outstanding: HOLDS_MAX })
        .after(release(hold(0), "chat"))
        .when(reserve(hold(HOLDS_MAX as u128), "chat", 0))
        .then_done();
}
