//! What a service may have for which nobody answers, and the exceptions from it.

use super::*;
use crate::ids::ExceptionId;
use crate::org::{Decided, ExceptionRefused};
use crate::policy::sample::{day, exception, id, orphan, policy, rate, service};
use crate::policy::{Exception, Lapse, Terms, Waiver};

/// Nobody answers for `chat`, which has 40,000 a minute.
fn with_orphan(exceptions: Vec<Exception>) -> Policy {
    let services = vec![orphan("chat", 40_000), service("search", 10_000)];
    Policy { services, bursts: vec![], exceptions, ..policy() }
}

fn terms_of(org: &Org, service: &str) -> Terms {
    org.terms(&id("gpt")).unwrap().allocations()[&id(service)].clone()
}

fn lapse(org: &Org) -> Option<Timestamp> {
    let lapse = terms_of(org, "chat").lapse?;
    assert_eq!(lapse.to, RULES.sandbox);
    Some(lapse.at)
}

fn grant(org: &mut Org, exception: &Exception, at: Timestamp) -> PolicyChange {
    let change = org.grant_exception(exception, &RULES, &by_at(at)).unwrap();
    make(org, &change, at);
    change
}

fn end(org: &mut Org, exception: &str, at: Timestamp) -> PolicyChange {
    let change = org.end_exception(&id(exception), &RULES, &by_at(at)).unwrap();
    make(org, &change, at);
    change
}

#[test]
fn without_owner_and_use_case_a_service_has_the_sandbox_and_no_more() {
    let problem = "service chat, allocation in pool gpt: baseline 40000 and ceiling 40000 may be 1000 at most, \
                   the sandbox, because the service names no owner or no use case; name both, lower them, or \
                   grant an exception that waives the sandbox limit";
    assert_eq!(refused(&Org::default(), &with_orphan(vec![])), [problem]);
    let mut half = with_orphan(vec![]);
    half.services[0].purpose.owner = "Ada".into();
    assert_eq!(refused(&Org::default(), &half), [problem]);
    half.services[0].purpose.use_case = "support".into();
    assert_eq!(lapse(&organised(&half)), None);
    let mut small = with_orphan(vec![]);
    small.services[0] = orphan("chat", 1_000);
    assert_eq!(lapse(&organised(&small)), None);
    small.services[0].allocations[0].terms.ceiling = rate(1_001);
    assert_eq!(refused(&Org::default(), &small).len(), 1, "borrowing counts too");
}

#[test]
fn an_exception_lets_it_have_more_until_it_ends() {
    let wanted = with_orphan(vec![exception("late", "chat", 30), exception("later", "chat", 20)]);
    let org = organised(&wanted);
    assert_eq!(lapse(&org), Some(day(30)));
    assert_eq!(org.policy(NOW), wanted, "the lapse follows from it and is not stated");
    let over = with_orphan(vec![exception("late", "chat", 0)]);
    assert_eq!(refused(&Org::default(), &over).len(), 1);
    let other = Exception { waives: Waiver::Other("review".into()), ..exception("late", "chat", 9) };
    assert_eq!(refused(&Org::default(), &with_orphan(vec![other])).len(), 1);
}

#[test]
fn when_the_exception_has_ended_the_policy_is_what_is_left() {
    let mut org = organised(&with_orphan(vec![exception("late", "chat", 20)]));
    let left = org.policy(day(20));
    assert_eq!(
        (left.services[0].allocations[0].terms.baseline, &left.exceptions[..]),
        (rate(1_000), &[][..])
    );
    assert!(apply_at(&mut org, &left, day(20)).is_empty());
    let problems = decide_policy(&org, &with_orphan(vec![]), &RULES, &by_at(day(20))).unwrap_err();
    assert_eq!(problems.len(), 1, "the old files ask for more than it may have now");
}

#[test]
fn an_exception_that_was_granted_apart_holds_for_a_policy_too() {
    let mut org = organised(&with_orphan(vec![exception("late", "chat", 20)]));
    assert!(apply(&mut org, &with_orphan(vec![])).is_empty());
    let longer = grant(&mut org, &exception("late", "chat", 40), NOW);
    assert_eq!(
        longer.lines,
        [
            "service chat in pool gpt: lapse to 1000 at 2025-07-05T15:06:40Z → to 1000 at 2025-07-25T15:06:40Z",
            "exception late: end 2025-07-05T15:06:40Z → 2025-07-25T15:06:40Z",
        ]
    );
    assert_eq!(lapse(&org), Some(day(40)));
    assert!(grant(&mut org, &exception("late", "chat", 40), NOW).is_empty());
}

#[test]
fn an_exception_that_is_ended_takes_what_stood_by_it_at_once() {
    let mut org =
        organised(&with_orphan(vec![exception("late", "chat", 20), exception("later", "chat", 30)]));
    end(&mut org, "later", day(1));
    assert_eq!(lapse(&org), Some(day(20)), "the other one still holds");
    let change = end(&mut org, "late", day(1));
    assert_eq!(
        change.lines,
        [
            "service chat in pool gpt: lapse to 1000 at 2025-07-05T15:06:40Z → to 1000 at 2025-06-16T15:06:40Z",
            "exception late: ended",
        ]
    );
    assert_eq!(terms_of(&org, "chat").standing_at(day(1)).ceiling, rate(1_000));
    assert!(end(&mut org, "late", day(2)).is_empty());
    assert_eq!(lapse(&org), Some(day(1)));
}

#[test]
fn an_exception_renewed_after_its_end_brings_back_what_lapsed_if_it_still_fits() {
    let mut org = organised(&with_orphan(vec![exception("late", "chat", 20)]));
    let renewed = grant(&mut org, &exception("late", "chat", 40), day(21));
    assert_eq!(
        renewed.lines[0],
        "service chat in pool gpt: baseline 1000 → 40000, ceiling 1000 → 40000, \
         lapse none → to 1000 at 2025-07-25T15:06:40Z"
    );

    let mut org = organised(&with_orphan(vec![exception("late", "chat", 20)]));
    let mut given_away = org.policy(day(21));
    given_away.services[1] = service("search", 50_000);
    apply_at(&mut org, &given_away, day(21));
    let refused = org.grant_exception(&exception("late", "chat", 40), &RULES, &by_at(day(21))).unwrap_err();
    assert!(matches!(&refused, ExceptionRefused::DoesNotFit { pool, .. } if *pool == id("gpt")), "{refused}");
}

#[test]
fn a_service_that_finds_an_owner_keeps_what_it_has() {
    let mut org = organised(&with_orphan(vec![exception("late", "chat", 20)]));
    let mut owned = with_orphan(vec![]);
    owned.services[0].purpose = service("chat", 0).purpose;
    let lines = apply(&mut org, &owned).lines;
    assert_eq!(lines[0], "service chat in pool gpt: lapse to 1000 at 2025-07-05T15:06:40Z → none");
    assert_eq!(lapse(&org), None);
    assert!(end(&mut org, "late", NOW).pools.is_empty());
    assert_eq!(lapse(&org), None);
}

#[test]
fn exceptions_are_listed_until_they_end_the_soonest_first() {
    let mut org = organised(&policy());
    let other = Exception { waives: Waiver::Other("review".into()), ..exception("a", "search", 30) };
    assert_eq!(grant(&mut org, &other, NOW).pools, [].into());
    grant(&mut org, &exception("b", "search", 20), NOW);
    let listed = |at| -> Vec<ExceptionId> {
        org.exceptions(at).into_iter().map(|exception| exception.id.clone()).collect()
    };
    assert_eq!(listed(NOW), [id("b"), id("a")]);
    assert_eq!(listed(day(20)), [id("a")]);
    assert_eq!(listed(day(30)), []);
}

#[test]
fn an_exception_has_a_service_an_owner_a_reason_and_an_end_to_come() {
    let org = organised(&policy());
    let refused = |exception: &Exception| org.grant_exception(exception, &RULES, &by()).unwrap_err();
    assert_eq!(refused(&exception("a", "nobody", 1)), ExceptionRefused::NoService { service: id("nobody") });
    assert_eq!(refused(&exception("a", "chat", 0)), ExceptionRefused::EndPast { id: id("a"), end: NOW });
    let unsound = Exception { owner: String::new(), reason: String::new(), ..exception("a", "chat", 1) };
    assert_eq!(
        refused(&unsound).to_string(),
        "exception a: names nobody who answers for it; state owner; exception a: says no reason; state reason"
    );
    let ended = org.end_exception(&id("a"), &RULES, &by()).unwrap_err();
    assert_eq!(ended, ExceptionRefused::NoException { id: id("a") });
}

#[test]
fn a_grant_that_comes_again_after_the_end_revives_nothing() {
    let mut org = organised(&policy());
    let late = exception("late", "chat", 20);
    grant(&mut org, &late, NOW);
    assert!(grant(&mut org, &late, day(20)).is_empty(), "it has ended by itself");
    end(&mut org, "late", day(1));
    let refused = org.grant_exception(&late, &RULES, &by_at(day(2))).unwrap_err();
    assert_eq!(refused, ExceptionRefused::NameTaken { id: id("late") });
    let change = apply(&mut org, &Policy { exceptions: vec![late.clone()], ..policy() });
    assert_eq!(change.org[0].what, Decided::ExceptionGranted(late), "a policy says so");
}

#[test]
fn a_decision_that_was_recorded_in_half_is_completed_by_the_same_decision() {
    let mut org = organised(&with_orphan(vec![exception("late", "chat", 20)]));
    let longer = exception("late", "chat", 40);
    let half = org.grant_exception(&longer, &RULES, &by()).unwrap();
    make(&mut org, &PolicyChange { pools: [].into(), ..half.clone() }, NOW);
    assert_eq!(lapse(&org), Some(day(20)));
    let rest = grant(&mut org, &longer, NOW);
    assert_eq!((rest.org, rest.pools), (vec![], half.pools));
    assert_eq!(terms_of(&org, "chat").lapse, Some(Lapse { at: day(40), to: RULES.sandbox }));
}
