//! Stories of borrowing: from spare only, never at the cost of a guarantee.

use super::story::{Story, may_borrow, service, terms, tpm};
use crate::amount::Tokens;
use crate::ledger::{Bound, Refusal, Retry};
use crate::policy::Terms;

#[test]
fn what_a_guarantee_does_not_cover_is_borrowed_from_what_nobody_uses() {
    let mut story =
        Story::given_pool(60_000).and("chat", may_borrow(6_000, 30_000)).and("other", terms(6_000));
    for _ in 0..20 {
        story.reserve("chat", 1_000).unwrap();
    }
    assert!(story.reserve("other", 1_000).is_ok());
    story.then_replays();
}

#[test]
fn borrowing_ends_at_the_ceiling() {
    let mut story = Story::given_pool(600_000).and("chat", may_borrow(6_000, 12_000));
    let mut taken = 0;
    let refusal = loop {
        match story.reserve("chat", 500) {
            Ok(_) => taken += 500,
            Err(refusal) => break refusal,
        }
    };
    // Ten seconds of the baseline, and a minute of what is between it and the ceiling.
    assert_eq!(taken, 1_000 + 6_000);
    let Refusal::CapacityUsed(used) = refusal else { panic!("{refusal}") };
    assert_eq!(used.bound, Bound::Ceiling);
    assert!(used.retry.after().is_some());
}

#[test]
fn nobody_borrows_what_is_guaranteed_to_others() {
    let mut story = Story::given_pool(6_000)
        .and("chat", may_borrow(0, 60_000))
        .and("other", Terms { request_max: Tokens::new(4_000), ..terms(6_000) });
    let mut taken = 0;
    while story.reserve("chat", 100).is_ok() {
        taken += 100;
    }
    assert_eq!(taken, 2_000);
    assert!(story.reserve("other", 4_000).is_ok());
    let place = story.desk.ledger().place(&service("chat")).unwrap();
    assert_eq!(story.desk.ledger().levels().lent(place), tpm(0));
}

#[test]
fn the_same_request_passes_when_it_was_told_to_come_again() {
    let mut story = Story::given_pool(60_000).and("chat", may_borrow(6_000, 12_000));
    while story.reserve("chat", 700).is_ok() {}
    let refusal = story.reserve("chat", 700).unwrap_err();
    let after = refusal.retry().after().unwrap();
    story.wait_ms(u64::try_from(after.as_millis()).unwrap() + 1);
    assert!(story.reserve("chat", 700).is_ok(), "{refusal}");
}

#[test]
fn whoever_was_told_when_others_leave_enough_passes_then_though_others_go_on() {
    passes_when_it_was_told_to(|story, tokens| story.reserve("guest", tokens).map(drop));
}

#[test]
fn a_gateway_that_was_told_when_others_leave_enough_gets_its_slice_then_though_others_go_on() {
    passes_when_it_was_told_to(|story, tokens| {
        let reservation = story.mint();
        story.gateway_draws_as(reservation, "guest", tokens).map(drop)
    });
}

fn passes_when_it_was_told_to(ask: impl Fn(&mut Story, u64) -> Result<(), Refusal>) {
    let mut story = Story::given_pool(60_000)
        .and("owner", Terms { request_max: Tokens::new(5_000), ..terms(30_000) })
        .and("guest", may_borrow(0, 600_000));
    for round in 0..60 {
        for _ in 0..=round % 5 {
            story.reserve("owner", 20).unwrap();
        }
        while ask(&mut story, 1_000).is_ok() {}
        while ask(&mut story, 10).is_ok() {}
        let refusal = ask(&mut story, 150).unwrap_err();
        let told_ms = refusal.retry().after().unwrap().as_nanos().div_ceil(1_000_000);
        for _ in 0..told_ms {
            story.wait_ms(1);
        }
        assert!(ask(&mut story, 150).is_ok(), "in round {round}: {refusal}");
    }
}

/// Spare rises until the pool is full, and then falls while the owner's guarantee refills: for a while it is more than that
/// of an idle pool. A slice that the owner's desk gives back fills both sooner.
#[test]
fn whoever_asks_for_more_than_an_idle_pool_has_is_told_no_time_that_a_returned_slice_makes_untrue() {
    let mut story = Story::given_pool(600)
        .and("owner", Terms { request_max: Tokens::new(300), ..terms(300) })
        .and("guest", may_borrow(0, 60_000));
    story.reserve("owner", 300).unwrap();
    story.wait_ms(30_000);
    story.reserve("owner", 60).unwrap();
    story.reserve("owner", 10).unwrap();
    assert_eq!(story.desk.in_hand(&service("owner")), Tokens::new(12));
    // Were nothing given back, the pool would have 598 in 8 s and the guarantee 108.
    let refusal = story.reserve("guest", 490).unwrap_err();
    assert_eq!(refusal.retry(), Retry::Unknown);
    for _ in 0..80 {
        story.wait_ms(100);
    }
    assert!(story.reserve("guest", 490).is_err(), "the owner's guarantee has 120 by now");
    assert!(story.reserve("guest", 480).is_ok());
    assert_eq!(story.reserve("guest", 700).unwrap_err().retry(), Retry::Never);
}
