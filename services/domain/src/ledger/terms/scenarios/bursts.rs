//! Bursts: whether they fit, and when they count.

use super::story::*;
use crate::burst::Approval::{BestEffort, Guaranteed};
use crate::burst::GrantedBurst;
use crate::ledger::{BURSTS_KEPT_MAX, BURSTS_OPEN_MAX, ChangeRefused, Governed, TermsChanged};

/// A pool of 60,000 a minute in which two services are guaranteed nothing.
fn two_services() -> Story {
    given().and(pool(60_000)).and(allocation("chat", 0)).and(allocation("search", 0))
}

#[test]
fn a_burst_that_overlaps_another_is_weighed_at_its_worst_instant() {
    two_services()
        .and(granted(burst("launch", "chat", 30_000, (day(1), day(3))), Guaranteed))
        .and(asked(burst("demo", "search", 40_000, (day(2), day(4)))))
        .when([approved("demo", Guaranteed)])
        .then_refused(short_of(10_000, day(2)))
        .when([approved("demo", BestEffort)])
        .then_done();
}

#[test]
fn a_burst_fits_where_it_touches_another_and_does_not_overlap() {
    two_services()
        .and(granted(burst("launch", "chat", 60_000, (day(1), day(2))), Guaranteed))
        .and(granted(burst("demo", "search", 60_000, (day(2), day(3))), Guaranteed))
        .guaranteed("chat", day(2) - 1, 60_000)
        .guaranteed("chat", day(2), 0)
        .guaranteed("search", day(2), 60_000);
}

#[test]
fn only_guaranteed_bursts_take_room() {
    two_services()
        .and(granted(burst("launch", "chat", 90_000, (day(1), day(3))), BestEffort))
        .and(asked(burst("fair", "chat", 90_000, (day(1), day(3)))))
        .and(granted(burst("demo", "search", 60_000, (day(2), day(4))), Guaranteed));
}

#[test]
fn the_worst_of_several_instants_is_named_and_the_first_of_equal_ones() {
    two_services()
        .and(granted(burst("one", "chat", 30_000, (10, 20)), Guaranteed))
        .and(granted(burst("two", "chat", 50_000, (30, 40)), Guaranteed))
        .and(granted(burst("three", "chat", 50_000, (50, 60)), Guaranteed))
        .when([granted(burst("demo", "search", 40_000, (0, 100)), Guaranteed)])
        .then_refused(short_of(30_000, 30));
}

#[test]
fn a_burst_that_is_over_or_was_denied_or_revoked_takes_no_room() {
    two_services()
        .and(granted(burst("launch", "chat", 60_000, (0, 10)), Guaranteed))
        .and(asked(burst("fair", "chat", 60_000, (0, 100))))
        .and(denied("fair"))
        .and(granted(burst("demo", "chat", 60_000, (20, 100)), Guaranteed))
        .and(revoked("demo"))
        .at(9)
        .when([allocation("search", 60_000)])
        .then_refused(short_of(60_000, 9))
        .at(10)
        .when([allocation("search", 60_000)])
        .then_done();
}

#[test]
fn a_guaranteed_burst_is_extended_only_as_far_as_it_fits() {
    two_services()
        .and(granted(burst("launch", "chat", 30_000, (10, 20)), Guaranteed))
        .and(granted(burst("demo", "search", 40_000, (30, 40)), Guaranteed))
        .when([extended("launch", 31)])
        .then_refused(short_of(10_000, 30))
        .when([extended("launch", 30)])
        .then_done()
        .guaranteed("chat", 29, 30_000)
        .guaranteed("chat", 30, 0);
}

#[test]
fn a_burst_is_extended_to_a_year_and_not_beyond() {
    const YEAR_S: i64 = 366 * 86_400;
    two_services()
        .and(granted(burst("launch", "chat", 30_000, (0, 20)), Guaranteed))
        .when([extended("launch", YEAR_S + 1)])
        .then_refused_because(
            "end is 1971-01-02T00:00:01Z, more than 366 days after the start 1970-01-01T00:00:00Z; what lasts longer \
             belongs into the baseline",
        )
        .when([extended("launch", YEAR_S)])
        .then_done();
}

#[test]
fn a_best_effort_burst_is_extended_whatever_is_guaranteed() {
    two_services()
        .and(granted(burst("launch", "chat", 30_000, (10, 20)), BestEffort))
        .and(granted(burst("demo", "search", 60_000, (20, 40)), Guaranteed))
        .and(extended("launch", 31))
        .borrowable("chat", 30, 30_000)
        .borrowable("chat", 31, 0);
}

#[test]
fn a_best_effort_burst_is_guaranteed_once_it_fits() {
    two_services()
        .and(granted(burst("demo", "search", 60_000, (0, 40)), Guaranteed))
        .and(granted(burst("launch", "chat", 30_000, (10, 20)), BestEffort))
        .borrowable("chat", 10, 30_000)
        .when([approved("launch", Guaranteed)])
        .then_refused(short_of(30_000, 10))
        .and(revoked("demo"))
        .and(approved("launch", Guaranteed))
        .borrowable("chat", 10, 0)
        .guaranteed("chat", 10, 30_000);
}

#[test]
fn an_allocation_makes_room_for_the_bursts_to_come() {
    two_services()
        .and(granted(burst("launch", "chat", 30_000, (10, 20)), Guaranteed))
        .when([allocation("search", 40_000)])
        .then_refused(short_of(10_000, 10))
        .when([allocation("search", 30_000), allocation("chat", 10_000)])
        .then_refused(short_of(10_000, 10))
        .when([allocation("search", 30_000)])
        .then_done();
}

#[test]
fn a_burst_needs_an_allocation_to_be_on_top_of() {
    let refused = || ChangeRefused::BurstWithoutAllocation { service: service("chat") };
    given()
        .when([asked(burst("demo", "chat", 1, (0, 1)))])
        .then_refused(ChangeRefused::NoPool)
        .and(pool(60_000))
        .when([asked(burst("demo", "chat", 1, (0, 1)))])
        .then_refused(refused())
        .when([granted(burst("demo", "chat", 1, (0, 1)), Guaranteed)])
        .then_refused(refused());
}

#[test]
fn a_policy_grants_a_burst_whatever_was_known_of_its_name() {
    two_services()
        .and(asked(burst("launch", "chat", 30_000, (10, 20))))
        .and(denied("launch"))
        .and(granted(burst("launch", "search", 20_000, (10, 30)), Guaranteed))
        .guaranteed("chat", 10, 0)
        .guaranteed("search", 29, 20_000)
        .when([granted(burst("launch", "search", 20_000, (10, 30)), Guaranteed)])
        .then_nothing_more()
        .when([granted(burst("launch", "search", 20_000, (10, 30)), BestEffort)])
        .then_done()
        .guaranteed("search", 29, 0);
}

#[test]
fn an_allocation_has_so_many_open_bursts_and_those_that_are_over_leave_room() {
    let mut story = two_services();
    let max = i64::try_from(BURSTS_OPEN_MAX).unwrap();
    for number in 0..max {
        story = story.and(asked(burst(&format!("b{number}"), "chat", 1, (10 + number, 11 + number))));
    }
    let another = || asked(burst("another", "chat", 1, (200, 210)));
    story
        .when([another()])
        .then_refused_because(
            "service chat has 64 bursts in the pool that are asked for, coming or active, which is the most; deny or \
             revoke one of them, or ask again when one has ended",
        )
        .when([granted(burst("another", "chat", 1, (200, 210)), Guaranteed)])
        .then_refused(ChangeRefused::TooManyBursts { service: service("chat"), open: BURSTS_OPEN_MAX })
        .and(asked(burst("theirs", "search", 1, (200, 210))))
        .and(denied("b5"))
        .and(another())
        .when([asked(burst("more", "chat", 1, (200, 210)))])
        .then_refused(ChangeRefused::TooManyBursts { service: service("chat"), open: BURSTS_OPEN_MAX })
        .at(11)
        .and(asked(burst("more", "chat", 1, (200, 210))));
}

#[test]
fn bursts_that_are_over_cost_what_is_kept_of_them_and_no_plan() {
    let mut story = two_services();
    let last = i64::try_from(BURSTS_KEPT_MAX).unwrap() + 500;
    for at in 0..=last {
        let burst = burst(&format!("b{at}"), "chat", 30_000, (at, at + 1));
        let approver = "grace".to_owned();
        let granted = GrantedBurst { burst, approval: Guaranteed, approver };
        story.terms.evolve(&Governed { by: by(s(at)), what: TermsChanged::BurstGranted(granted) });
    }
    assert_eq!(story.terms.bursts().len(), BURSTS_KEPT_MAX, "the first to have ended are forgotten");
    let known = |number: i64| story.terms.bursts().contains_key(&named(&format!("b{number}")));
    assert!(known(last) && known(last - 4_000) && !known(0));
    assert_eq!(story.terms.bursts_of(&service("chat")).count(), 1);
    assert_eq!(story.terms.plan_of_guarantee(&service("chat")).segments().len(), 3);
    story.guaranteed("chat", last, 30_000).guaranteed("chat", last + 1, 0).at(last + 1).and(asked(burst(
        "b0",
        "chat",
        1,
        (last + 1, last + 2),
    )));
}

#[test]
fn a_burst_that_can_still_count_is_never_forgotten() {
    let mut story = given().and(pool(60_000));
    let services = BURSTS_KEPT_MAX / BURSTS_OPEN_MAX;
    for number in 0..services {
        let name = format!("s{number}");
        story = story.and(allocation(&name, 1));
        for at in 0..BURSTS_OPEN_MAX {
            story = story.and(asked(burst(&format!("{name}-{at}"), &name, 1, (10, 20))));
        }
    }
    story
        .and(allocation("late", 1))
        .when([asked(burst("late", "late", 1, (10, 20)))])
        .then_refused(ChangeRefused::BurstsFull { kept: BURSTS_KEPT_MAX })
        .at(20)
        .and(asked(burst("late", "late", 1, (30, 40))));
}
