//! The life of a burst: who decides what about it, and what can no more be decided.

use super::story::*;
use crate::burst::Approval::{BestEffort, Guaranteed};
use crate::burst::{BurstPhase, Verdict};
use crate::ledger::{Change, ChangeRefused};

/// A burst that was asked for, from second 10 to second 20.
fn requested() -> Story {
    given().and(pool(60_000)).and(allocation("chat", 6_000)).and(asked(launch(12_000)))
}

fn launch(extra: u64) -> crate::burst::Burst {
    burst("launch", "chat", extra, (10, 20))
}

#[test]
fn a_burst_counts_from_its_approval_within_its_window_with_nobody_calling() {
    let story = requested().guaranteed("chat", 10, 6_000).by("grace").and(approved("launch", Guaranteed));
    let story =
        story.guaranteed("chat", 9, 6_000).guaranteed("chat", 10, 18_000).guaranteed("chat", 20, 6_000);
    let record = story.burst("launch");
    let (approver, reason) = ("grace".into(), "because".into());
    assert_eq!(record.verdict, Verdict::Approved { approval: Guaranteed, approver, reason });
    let phases = [9, 10, 19, 20].map(|second| record.phase(s(second)));
    assert_eq!(phases, [BurstPhase::Upcoming, BurstPhase::Active, BurstPhase::Active, BurstPhase::Expired]);
}

#[test]
fn a_denial_and_a_revocation_keep_who_and_why() {
    let story = requested().by("grace").and(denied("launch"));
    assert_eq!(
        story.burst("launch").verdict,
        Verdict::Denied { by: "grace".into(), reason: "because".into() }
    );
    let story = requested().and(approved("launch", Guaranteed)).at(12).by("grace").and(revoked("launch"));
    assert_eq!(
        story.burst("launch").verdict,
        Verdict::Revoked { by: "grace".into(), reason: "because".into(), at: s(12) }
    );
    story.guaranteed("chat", 13, 6_000);
}

#[test]
fn whatever_is_asked_twice_is_done_once() {
    let again = |story: Story, what: Change| story.and(what.clone()).when([what]).then_nothing_more();
    requested().when([asked(launch(12_000))]).then_nothing_more();
    again(requested(), approved("launch", Guaranteed))
        .at(30)
        .when([asked(launch(12_000))])
        .then_nothing_more();
    again(requested(), approved("launch", BestEffort));
    again(requested(), denied("launch"));
    again(requested(), revoked("launch"));
    again(requested().and(approved("launch", Guaranteed)), extended("launch", 30))
        .at(40)
        .when([extended("launch", 30)])
        .then_nothing_more()
        .when([approved("launch", Guaranteed)])
        .then_nothing_more();
}

#[test]
fn a_name_is_used_once() {
    requested()
        .when([asked(launch(12_001))])
        .then_refused(ChangeRefused::BurstNameTaken { burst: named("launch") })
        .and(revoked("launch"))
        .when([asked(launch(12_001))])
        .then_refused(ChangeRefused::BurstNameTaken { burst: named("launch") });
}

#[test]
fn a_burst_that_is_over_cannot_be_asked_for() {
    requested()
        .at(20)
        .when([asked(burst("demo", "chat", 1, (10, 20)))])
        .then_refused_because("burst demo is expired, so it cannot be requested");
}

#[test]
fn what_was_decided_stays_decided() {
    let phases = [
        ("denied", requested().and(denied("launch"))),
        ("revoked", requested().and(revoked("launch"))),
        ("expired", requested().at(20)),
    ];
    for (phase, story) in phases {
        let because = |asked| format!("burst launch is {phase}, so it cannot be {asked}");
        let mut story =
            story.when([approved("launch", Guaranteed)]).then_refused_because(&because("approved"));
        story = story.when([extended("launch", 30)]).then_refused_because(&because("extended"));
        if phase != "denied" {
            story = story.when([denied("launch")]).then_refused_because(&because("denied"));
        }
        if phase != "revoked" {
            story.when([revoked("launch")]).then_refused_because(&because("revoked"));
        }
    }
}

#[test]
fn an_approved_burst_is_revoked_not_denied() {
    requested()
        .and(approved("launch", BestEffort))
        .when([denied("launch")])
        .then_refused_because("burst launch is upcoming, so it cannot be denied; revoke it instead")
        .at(10)
        .when([denied("launch")])
        .then_refused_because("burst launch is active, so it cannot be denied; revoke it instead")
        .and(revoked("launch"));
}

#[test]
fn a_late_approval_does_not_take_a_guarantee_away() {
    requested()
        .and(approved("launch", BestEffort))
        .and(approved("launch", Guaranteed))
        .when([approved("launch", BestEffort)])
        .then_refused_because("burst launch is guaranteed, so it cannot be approved as best effort");
}

#[test]
fn only_an_approved_burst_is_extended_and_only_to_a_later_end() {
    requested()
        .when([extended("launch", 30)])
        .then_refused_because("burst launch is requested, so it cannot be extended")
        .and(approved("launch", Guaranteed))
        .when([extended("launch", 19)])
        .then_refused(ChangeRefused::NotLater { burst: named("launch"), end: s(20) })
        .and(extended("launch", 30))
        .at(30)
        .when([extended("launch", 40)])
        .then_refused_because("burst launch is expired, so it cannot be extended");
}

#[test]
fn a_burst_that_nobody_knows_is_said_to_be_unknown() {
    let changes = [approved("x", Guaranteed), denied("x"), revoked("x"), extended("x", 30)];
    for change in changes {
        requested().when([change]).then_refused(ChangeRefused::NoBurst { burst: named("x") });
    }
}
