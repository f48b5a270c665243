//! What people are told of the past.

use super::*;
use crate::fact::QuotaFact;
use crate::ids::PoolId;
use crate::ledger::{Moved, Movement};
use crate::org::{Chronicle, Entry};
use crate::policy::sample::{day, id, policy, service};

/// The facts of a change, in the order in which they are recorded, told and made so.
fn told(chronicle: &mut Chronicle, org: &mut Org, change: &PolicyChange, at: Timestamp) -> Vec<Entry> {
    let mut facts: Vec<QuotaFact> = change.intent(&by_at(at)).into_iter().map(QuotaFact::Org).collect();
    for (pool, changes) in &change.pools {
        let terms = org.terms(pool).cloned().unwrap_or_default();
        let events = decide_change(&terms, &by_at(at), changes, None).unwrap();
        facts.extend(events.into_iter().map(|event| QuotaFact::Governed { pool: pool.clone(), event }));
    }
    facts.extend(change.org.iter().cloned().map(QuotaFact::Org));
    make(org, change, at);
    facts.iter().flat_map(|fact| chronicle.tell(fact)).collect()
}

fn what(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.what.as_str()).collect()
}

#[test]
fn history_says_what_a_plan_has_said_and_who_decided_it_and_why() {
    let (mut chronicle, mut org) = (Chronicle::default(), Org::default());
    for (wanted, at) in
        [(policy(), NOW), (Policy { services: vec![service("chat", 30_000)], ..policy() }, day(1))]
    {
        let change = decide_policy(&org, &wanted, &RULES, &by_at(at)).unwrap();
        let entries = told(&mut chronicle, &mut org, &change, at);
        assert_eq!(what(&entries), change.lines);
        assert!(entries.iter().all(|entry| entry.by == Some(by_at(at)) && entry.at == at));
    }
}

#[test]
fn history_says_whom_it_is_about() {
    let (mut chronicle, mut org) = (Chronicle::default(), Org::default());
    let change = decide_policy(&org, &policy(), &RULES, &by()).unwrap();
    let entries = told(&mut chronicle, &mut org, &change, NOW);
    let about = |text: &str| {
        let entry = entries.iter().find(|entry| entry.what.starts_with(text)).unwrap();
        (entry.pool.as_ref().map(PoolId::as_str), entry.service.as_ref().map(crate::ids::ServiceId::as_str))
    };
    assert_eq!(about("pool gpt"), (Some("gpt"), None));
    assert_eq!(about("service chat in pool gpt"), (Some("gpt"), Some("chat")));
    assert_eq!(about("burst launch"), (Some("gpt"), Some("chat")));
    assert_eq!(about("service chat:"), (None, Some("chat")));
    assert_eq!(about("team web"), (None, None));
}

#[test]
fn history_has_the_thresholds_that_budgets_reached_and_nothing_else_about_tokens() {
    let movement = |what| Movement { at: NOW, service: id("chat"), what };
    let movements = vec![
        movement(Moved::BudgetOpened {
            budget: id("month"),
            period: crate::time::Window::try_new(NOW, day(30)).unwrap(),
        }),
        movement(Moved::ThresholdReached { budget: id("month"), percent: 80 }),
    ];
    let entries = Chronicle::default().tell(&QuotaFact::Moved { pool: id("gpt"), movements });
    assert_eq!(what(&entries), ["budget month of service chat in pool gpt: 80 % used"]);
    assert_eq!(entries[0].by, None);
}
