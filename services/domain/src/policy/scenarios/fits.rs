//! What a plan says of guarantees that do not fit their pool: whose they are.

use super::*;
use crate::amount::Tokens;
use crate::authorship::Authorship;
use crate::ledger::{Change, PoolTerms};
use crate::org::{Org, decide_policy};
use crate::policy::sample::{RULES, terms};

/// What a plan refuses of the sample policy after a change.
fn refused(change: impl FnOnce(&mut Policy)) -> Vec<String> {
    let mut policy = policy();
    change(&mut policy);
    let by = Authorship { author: "ada".into(), reason: "test".into(), at: NOW, commit: None };
    decide_policy(&Org::default(), &policy, &RULES, &by)
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn request_max(policy: &mut Policy, service: usize, tokens: u64) {
    policy.services[service].allocations[0].terms.request_max = Tokens::new(tokens);
}

#[test]
fn a_request_that_its_pool_never_holds_is_refused_where_it_is_stated() {
    assert_eq!(
        refused(|policy| request_max(policy, 1, 70_000)),
        [
            "service search, allocation in pool gpt, request_max: request_max 70000 is more than the 60000 tokens that pool \
          gpt ever holds, a minute of its capacity, and is kept for its guarantee; lower it, or raise the pool's capacity"
        ]
    );
}

#[test]
fn of_requests_that_do_not_fit_together_the_largest_are_refused_as_many_as_it_takes() {
    let told = refused(|policy| {
        policy.services.push(service("small", 600));
        request_max(policy, 0, 34_000);
        request_max(policy, 1, 33_000);
        request_max(policy, 2, 200);
    });
    // Of search 31,334 are beyond ten seconds of its baseline, of chat 26,834 beyond those of its burst too: one of them is
    // enough.
    assert_eq!(
        told,
        [
            "service search, allocation in pool gpt, request_max: request_max 33000 does not fit: a guarantee is as deep as its \
          largest request, and together they are 7200 tokens deeper than the 60000 that pool gpt holds; lower it, or raise \
          the pool's capacity"
        ]
    );
}

#[test]
fn a_request_that_only_a_burst_guarantees_is_refused_where_it_is_stated_and_a_small_one_is_not() {
    let told = refused(|policy| {
        for (number, name) in [(2, "one"), (3, "other")] {
            policy.services.push(service(name, 0));
            policy.bursts.push(burst_of(name, Approval::Guaranteed, 1));
            request_max(policy, number, 40_000);
        }
        request_max(policy, 1, 1_700);
    });
    assert_eq!(
        told,
        [
            "service one, allocation in pool gpt, request_max: request_max 40000 does not fit: a guarantee is as deep as its \
          largest request, and together they are 28867 tokens deeper than the 60000 that pool gpt holds; lower it, or raise \
          the pool's capacity"
        ]
    );
}

#[test]
fn a_request_is_not_blamed_for_the_depth_that_a_burst_brings_anyway() {
    let told = refused(|policy| {
        request_max(policy, 0, 34_000);
        request_max(policy, 1, 28_800);
    });
    // Of search 27,134 are beyond ten seconds of its baseline, of chat 27,334, but 26,834 beyond those of its burst too.
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("service search, allocation in pool gpt, request_max: request_max 28800"),
        "{told:?}"
    );
}

#[test]
fn what_a_burst_that_goes_on_adds_is_weighed_where_the_policy_leaves_it_out() {
    let by = Authorship { author: "ada".into(), reason: "test".into(), at: NOW, commit: None };
    let mut before = PoolTerms::default();
    let stated = [
        Change::DefinePool(pool("gpt", 60_000, "gpt-4o")),
        Change::SetAllocation { service: id("one"), terms: terms(0) },
        Change::GrantBurst(burst_of("one", Approval::Guaranteed, 1)),
    ];
    for governed in crate::ledger::decide_change(&before, &by, &stated, None).unwrap() {
        before.evolve(&governed);
    }
    let deep = Terms { request_max: Tokens::new(70_000), ..terms(0) };
    let found =
        misfits(&before, &id("gpt"), &[Change::SetAllocation { service: id("one"), terms: deep }], &by);
    let places: Vec<_> = found.iter().map(|found| found.place.as_str()).collect();
    assert_eq!(places, ["service one, allocation in pool gpt, request_max"]);
}

#[test]
fn depth_that_the_requests_named_do_not_explain_stays_a_problem_of_the_pool() {
    let told = refused(|policy| {
        policy.services[0] = service("chat", 55_000);
        request_max(policy, 0, 59_990);
        request_max(policy, 1, 61_000);
    });
    // Of search 59,334 are beyond ten seconds of its baseline; the rest is of rates that do not fit either.
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].starts_with(
            "pool gpt: guarantees exceed the pool by 8000 tokens a minute and by 60990 tokens at once"
        ),
        "{told:?}"
    );
    assert!(told[1].starts_with("service search, allocation in pool gpt, request_max:"), "{told:?}");
}

#[test]
fn rates_that_do_not_fit_are_a_problem_of_the_pool_and_a_request_besides_is_one_of_its_own() {
    let told = refused(|policy| {
        policy.services[0] = service("chat", 55_000);
        request_max(policy, 1, 70_000);
    });
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].starts_with("pool gpt: guarantees exceed the pool by 8000 tokens a minute, worst at"),
        "{told:?}"
    );
    assert!(told[1].starts_with("service search, allocation in pool gpt, request_max:"), "{told:?}");
}
