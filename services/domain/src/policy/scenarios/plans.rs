//! What a plan says of numbers beyond sense, and of budgets that are used up already.

use super::*;
use crate::amount::{RequestsPerMinute, Tokens};
use crate::authorship::Authorship;
use crate::desk::BudgetStanding;
use crate::ledger::{Change, PoolTerms};
use crate::policy::sample::{rate, terms};

#[test]
fn rates_beyond_sense_are_warned_of_by_their_field() {
    let slip = 1_000_000_000_001;
    let told = surprises(|policy| {
        policy.pools[0].capacity = rate(4 * slip);
        policy.pools[0].requests = Some(RequestsPerMinute::new(4 * slip));
        for service in &mut policy.services {
            service.allocations[0].terms.requests = Some(RequestsPerMinute::new(1));
        }
        policy.services[0].allocations[0].terms.baseline = rate(slip);
        policy.services[0].allocations[0].terms.ceiling = rate(2 * slip);
        policy.services[1].allocations[0].terms.requests = Some(RequestsPerMinute::new(slip));
    });
    let places: Vec<_> = told.iter().map(|told| told.split(": ").next().unwrap_or_default()).collect();
    assert_eq!(
        places,
        [
            "pool gpt, tokens_per_minute",
            "pool gpt, requests_per_minute",
            "service chat, allocation in pool gpt, baseline",
            "service chat, allocation in pool gpt, ceiling",
            "service search, allocation in pool gpt, requests_per_minute",
        ]
    );
    assert!(
        told[0].contains("is 4000000000004 tokens a minute, and more than 1000000000000 is a slip"),
        "{told:?}"
    );
    assert_eq!(surprises(|policy| policy.pools[0].capacity = rate(slip - 1)), [""; 0]);
}

#[test]
fn a_request_that_could_never_be_borrowed_is_warned_of_and_one_that_could_is_not() {
    let told = |ceiling, request_max, percent| {
        surprises(|policy| {
            policy.pools[0].thresholds.standard_percent = percent;
            let batch = service("batch", 0);
            policy.services.push(batch);
            let borrows =
                Terms { ceiling: rate(ceiling), ..Terms::guarantee(rate(0), Tokens::new(request_max)) };
            policy.services[2].allocations[0].terms = borrows;
        })
    };
    assert_eq!(told(5_000, 5_000, 20), [""; 0], "a minute of its ceiling");
    let warning = |request_max, most| {
        format!(
            "service batch, allocation in pool gpt, request_max: request_max is {request_max}, and without a baseline {most} \
             tokens at most can be borrowed at once: larger requests are refused, bursts aside; lower it, or state a baseline"
        )
    };
    assert_eq!(told(5_000, 5_001, 20), [warning(5_001, 5_000)]);
    // Guarantees keep 6,666 and 1,666 of the pool's 60,000; a fifth of the rest is for higher priorities.
    assert_eq!(told(60_000, 41_334, 20), [""; 0]);
    assert_eq!(told(60_000, 41_335, 20), [warning(41_335, 41_334)]);
    assert_eq!(told(0, 1_000, 20), [""; 0], "it lives by bursts");
}

#[test]
fn a_request_that_a_burst_may_carry_is_warned_of_once_the_burst_is_over() {
    let told = |approval, days| {
        surprises(|policy| {
            policy.services.push(service("batch", 0));
            let borrows = Terms { ceiling: rate(600), ..Terms::guarantee(rate(0), Tokens::new(10_000)) };
            policy.services[2].allocations[0].terms = borrows;
            policy.bursts.push(burst_of("batch", approval, days));
        })
    };
    assert_eq!(told(Approval::Guaranteed, 1), [""; 0], "its guarantee is as deep as its largest request");
    assert_eq!(told(Approval::BestEffort, 1), [""; 0], "it may borrow more");
    let after = told(Approval::Guaranteed, 0);
    let batch = "service batch, allocation in pool gpt, request_max: request_max is 10000, and without a baseline 600 ";
    assert!(after[0].starts_with(batch), "{after:?}");
    assert!(after[1].starts_with("burst of-batch: is over"), "{after:?}");
}

/// What is at stake of budgets where some terms take the place of others.
fn at_stake(before: Option<Terms>, after: Terms) -> Vec<String> {
    let mut decided = PoolTerms::default();
    let by = Authorship { author: "ada".into(), reason: "test".into(), at: NOW, commit: None };
    let set = |terms| Change::SetAllocation { service: id("chat"), terms };
    let first = before.map(set);
    for governed in crate::ledger::decide_change(
        &decided,
        &by,
        &[Change::DefinePool(pool("gpt", 60_000, "gpt-4o"))],
        None,
    )
    .unwrap()
    {
        decided.evolve(&governed);
    }
    for governed in crate::ledger::decide_change(&decided, &by, &Vec::from_iter(first), None).unwrap() {
        decided.evolve(&governed);
    }
    let found = budgets_at_stake(&decided, &[set(after)]);
    found.into_iter().flat_map(|(_, budgets)| budgets).map(|budget| budget.id.to_string()).collect()
}

#[test]
fn a_budget_is_at_stake_if_it_is_new_or_other_or_begins_to_be_enforced() {
    let with = |budgets: Vec<crate::budget::Budget>| Terms { budgets, ..terms(1_000) };
    let (small, large) = (budget("monthly", 1), budget("monthly", 2));
    let shadow = Terms { enforcement: Enforcement::Shadow, ..with(vec![small.clone()]) };
    let soft = crate::budget::Budget { kind: BudgetKind::Soft, ..small.clone() };
    let one = ["monthly".to_owned()];
    assert_eq!(at_stake(None, with(vec![small.clone()])), one);
    assert_eq!(at_stake(Some(with(vec![large])), with(vec![small.clone()])), one);
    assert_eq!(at_stake(Some(shadow.clone()), with(vec![small.clone()])), one);
    assert_eq!(at_stake(Some(with(vec![soft.clone()])), with(vec![small.clone()])), one);
    assert_eq!(at_stake(Some(with(vec![small.clone()])), with(vec![small])), [""; 0], "it refused before");
    assert_eq!(at_stake(None, with(vec![soft])), [""; 0]);
    assert_eq!(at_stake(None, shadow), [""; 0]);
}

#[test]
fn a_budget_is_warned_of_from_the_first_token_that_it_has_not() {
    let standing = |used| BudgetStanding { budget: budget("monthly", 50), used, period: None };
    let told = |used| warn_of_used_up(&id("gpt"), &id("chat"), &standing(used)).map(|told| told.to_string());
    assert_eq!(told(50_000_000_000 - 1), None);
    let warning = "service chat, allocation in pool gpt, budget monthly: 50.00 USD are used in its period already, and it is \
                   50.00 USD: every request is refused; raise it, or make it soft";
    assert_eq!(told(50_000_000_000).as_deref(), Some(warning));
}
