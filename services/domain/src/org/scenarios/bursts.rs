//! Who may have a burst, who may decide on one, and what stays revoked.

use super::*;
use crate::burst::{Approval, Burst, Category, GrantedBurst};
use crate::ledger::Change;
use crate::org::BurstRefused;
use crate::policy::sample::{day, exception, id, orphan, policy, rate, service};
use crate::policy::{Exception, Rules};
use crate::time::Window;

const BY_ANOTHER: Rules = Rules { requester_may_approve: false, ..RULES };

/// 10,000 a minute more for `chat` from a day until another, asked for by Bo.
fn burst(from: u64, to: u64) -> Burst {
    Burst {
        id: id("launch"),
        service: id("chat"),
        pool: id("gpt"),
        extra: rate(10_000),
        window: Window::try_new(day(from), day(to)).unwrap(),
        category: Category::Demo,
        reason: "launch".into(),
        requester: "bo".into(),
    }
}

fn granted(from: u64, to: u64) -> GrantedBurst {
    GrantedBurst { burst: burst(from, to), approval: Approval::Guaranteed, approver: "ada".into() }
}

/// Nobody answers for `chat`, which has no more than the sandbox.
fn with_orphan(exceptions: Vec<Exception>) -> Policy {
    let services = vec![orphan("chat", 1_000), service("search", 10_000)];
    Policy { services, bursts: vec![], exceptions, ..policy() }
}

fn owned(bursts: Vec<GrantedBurst>) -> Policy {
    Policy { services: vec![service("chat", 1_000)], bursts, ..policy() }
}

fn approve() -> Change {
    Change::ApproveBurst { burst: id("launch"), approval: Approval::Guaranteed }
}

fn extend(to: u64) -> Change {
    Change::ExtendBurst { burst: id("launch"), end: day(to) }
}

fn revoke() -> Change {
    Change::RevokeBurst { burst: id("launch") }
}

fn check(org: &Org, change: &Change, rules: Rules, author: &str) -> Result<(), BurstRefused> {
    let by = Authorship { author: author.into(), ..by() };
    org.check_burst(org.terms(&id("gpt")).unwrap(), change, rules, &by)
}

fn may(org: &Org, change: &Change) -> Result<(), BurstRefused> {
    check(org, change, RULES, "ada")
}

/// Does it whether or not it may be done, as when it might be done before.
fn make_so(org: &mut Org, change: Change, at: Timestamp) {
    let pools = [(id("gpt"), vec![change])].into();
    make(org, &PolicyChange { pools, ..PolicyChange::default() }, at);
}

#[test]
fn a_service_for_which_nobody_answers_is_given_no_burst() {
    let mut org = organised(&with_orphan(vec![]));
    let refused = may(&org, &Change::RequestBurst(burst(1, 2))).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "burst launch: service chat names no owner or no use case, so it has the sandbox and no burst; name both in the \
         policy, or grant an exception that waives the sandbox limit until 2025-06-17T15:06:40Z at least"
    );
    make_so(&mut org, Change::RequestBurst(burst(1, 2)), NOW);
    assert!(matches!(may(&org, &approve()), Err(BurstRefused::Sandbox { .. })));
    let by_files = Policy { bursts: vec![granted(1, 2)], ..with_orphan(vec![]) };
    assert_eq!(self::refused(&Org::default(), &by_files), [refused.to_string()]);
}

#[test]
fn an_exception_lets_it_have_a_burst_that_ends_no_later_than_the_exception() {
    let mut org = organised(&with_orphan(vec![exception("late", "chat", 5)]));
    assert_eq!(may(&org, &Change::RequestBurst(burst(1, 5))), Ok(()));
    assert!(may(&org, &Change::RequestBurst(burst(1, 6))).is_err());
    make_so(&mut org, Change::RequestBurst(burst(1, 4)), NOW);
    assert_eq!(may(&org, &approve()), Ok(()));
    make_so(&mut org, approve(), NOW);
    assert_eq!(may(&org, &extend(5)), Ok(()));
    assert!(may(&org, &extend(6)).is_err());
}

#[test]
fn a_burst_that_stands_by_an_exception_ends_with_it_when_it_is_ended_or_shortened() {
    let covered = Policy { bursts: vec![granted(1, 4)], ..with_orphan(vec![exception("late", "chat", 5)]) };
    let org = organised(&covered);
    let ended = org.end_exception(&id("late"), &RULES, &by()).unwrap();
    assert_eq!(ended.lines, ["burst launch: revoked", "exception late: ended"]);
    let shorter = org.grant_exception(&exception("late", "chat", 3), &RULES, &by()).unwrap();
    assert_eq!(shorter.lines[0], "burst launch: revoked");
    let enough = org.grant_exception(&exception("late", "chat", 4), &RULES, &by()).unwrap();
    assert_eq!(enough.pools, [].into());
}

#[test]
fn a_service_that_loses_its_owner_cannot_keep_a_burst_that_goes_on() {
    let mut org = organised(&owned(vec![granted(1, 2)]));
    let problems = refused(&org, &with_orphan(vec![]));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("burst launch: service chat names no owner"), "{problems:?}");
    make_so(&mut org, revoke(), NOW);
    assert!(decide_policy(&org, &with_orphan(vec![]), &RULES, &by()).is_ok());
}

#[test]
fn what_was_revoked_is_not_granted_again_by_the_same_files() {
    let mut org = organised(&owned(vec![granted(1, 4)]));
    make_so(&mut org, extend(5), NOW);
    make_so(&mut org, revoke(), NOW);
    let again = decide_policy(&org, &owned(vec![granted(1, 4)]), &RULES, &by()).unwrap();
    assert!(again.is_empty(), "{again:?}");
    assert_eq!(
        texts(&again.warnings),
        [
            "burst launch: was revoked by ada at 2025-06-15T15:06:40Z (test) and stays so; take it out of the policy, or \
          state another name to grant one anew"
        ]
    );
    let mut other = granted(1, 4);
    other.burst.id = id("launch-2");
    let anew = decide_policy(&org, &owned(vec![other]), &RULES, &by()).unwrap();
    assert!(anew.lines[0].starts_with("burst launch-2: new"), "{:?}", anew.lines);
    assert_eq!(texts(&anew.warnings), [""; 0]);
}

#[test]
fn where_two_are_wanted_whoever_asked_for_a_burst_neither_approves_nor_extends_it() {
    let mut org = organised(&owned(vec![]));
    make_so(&mut org, Change::RequestBurst(burst(1, 4)), NOW);
    for author in ["bo", "grace (by bo)"] {
        let refused = check(&org, &approve(), BY_ANOTHER, author).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "burst launch was asked for by bo; somebody else must decide on it",
            "{author}"
        );
        assert_eq!(check(&org, &approve(), RULES, author), Ok(()), "one person may be all there is");
    }
    assert_eq!(check(&org, &approve(), BY_ANOTHER, "ada"), Ok(()));
    make_so(&mut org, approve(), NOW);
    assert_eq!(check(&org, &approve(), BY_ANOTHER, "bo"), Ok(()), "it is so already");
    assert!(check(&org, &extend(5), BY_ANOTHER, "bo").is_err());
    assert_eq!(check(&org, &revoke(), BY_ANOTHER, "bo"), Ok(()), "to take one's own back is well");
}

#[test]
fn where_two_are_wanted_files_name_two() {
    let mut alone = granted(1, 4);
    alone.approver = "bo".into();
    let decide = |org: &Org, rules: &Rules| decide_policy(org, &owned(vec![alone.clone()]), rules, &by());
    let problems = decide(&Org::default(), &BY_ANOTHER).unwrap_err();
    assert_eq!(
        texts(&problems),
        ["burst launch: bo asked for it and approved it; somebody else must approve it"]
    );
    let org = organised(&owned(vec![alone.clone()]));
    assert!(decide(&org, &BY_ANOTHER).unwrap().is_empty(), "what was granted before stays");
}
