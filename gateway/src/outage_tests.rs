//! Outages: the bound is kept to the token, and no hold comes twice.

use super::*;
use std::collections::HashSet;
use weir_domain::ids::TeamId;

const BOUND: u64 = 10_000;
const NOW: Timestamp = Timestamp::from_secs(1_750_000_000);

fn outages() -> Outages {
    Outages::new(&NodeId::try_new("gateway-1").unwrap(), [])
}

fn service(name: &str) -> ServiceEntry {
    let (id, team) = (ServiceId::try_new(name).unwrap(), TeamId::try_new("t").unwrap());
    ServiceEntry { id, team, pools: vec![] }
}

fn pool(name: &str) -> PoolId {
    PoolId::try_new(name).unwrap()
}

fn open(bound: u64) -> FailureMode {
    FailureMode::Open { tokens_per_outage: Tokens::new(bound) }
}

fn ask(outages: &Outages, who: &str, failure: FailureMode, tokens: u64) -> Option<HoldId> {
    let (service, pool) = (service(who), pool("chat"));
    let asked = Unanswered { service: &service, pool: &pool, failure, tokens: Tokens::new(tokens) };
    outages.admit(&asked, NOW)
}

#[test]
fn an_open_allocation_gets_its_bound_and_not_a_token_more() {
    let outages = outages();
    assert!(ask(&outages, "bot", open(BOUND), BOUND + 1).is_none());
    assert!(ask(&outages, "bot", open(BOUND), BOUND - 1).is_some());
    assert!(ask(&outages, "bot", open(BOUND), 2).is_none());
    assert!(ask(&outages, "bot", open(BOUND), 1).is_some());
    assert!(ask(&outages, "bot", open(BOUND), 1).is_none());
    assert!(
        ask(&outages, "other", open(BOUND), BOUND).is_some(),
        "another allocation has a bound of its own"
    );
}

#[test]
fn a_closed_allocation_gets_nothing() {
    assert_eq!(ask(&outages(), "bot", FailureMode::Closed, 0), None);
}

#[test]
fn an_answer_in_the_pool_ends_its_outage_and_no_other() {
    let outages = outages();
    assert!(ask(&outages, "bot", open(BOUND), BOUND).is_some());
    outages.end(&pool("embeddings"));
    assert!(ask(&outages, "bot", open(BOUND), 1).is_none());
    outages.end(&pool("chat"));
    assert!(ask(&outages, "bot", open(BOUND), BOUND).is_some(), "the next outage has a bound of its own");
}

#[test]
fn the_bound_holds_however_many_ask_at_once() {
    const ASKERS: u64 = 8;
    let outages = outages();
    let admitted = std::thread::scope(|scope| {
        let asker = |tokens: u64| {
            let outages = &outages;
            scope.spawn(move || {
                let asked = (0..BOUND).filter_map(|_| ask(outages, "bot", open(BOUND), tokens));
                asked.collect::<Vec<_>>()
            })
        };
        let askers: Vec<_> = (1..=ASKERS).map(asker).collect();
        askers.into_iter().flat_map(|asker| asker.join().unwrap()).collect::<Vec<_>>()
    });
    // Whoever asks for one token at a time gets the last ones.
    assert_eq!(admitted.iter().map(|hold| hold.tokens().get()).sum::<u64>(), BOUND);
    assert_eq!(admitted.iter().collect::<HashSet<_>>().len(), admitted.len(), "no hold twice");
}

#[test]
fn a_slice_has_no_more_holds_than_quota_tells_apart() {
    let outages = outages();
    let holds = u64::from(HOLDS_PER_SLICE) * 2 + 1;
    let admitted: Vec<_> = (0..holds).map(|_| ask(&outages, "bot", open(holds), 1).unwrap()).collect();
    assert!(admitted.iter().all(|hold| hold.number() < HOLDS_PER_SLICE && hold.slice().is_self_granted()));
    assert_eq!(admitted.iter().collect::<HashSet<_>>().len(), admitted.len());
    assert_eq!(admitted.iter().map(|hold| hold.slice()).collect::<HashSet<_>>().len(), 3);
}

#[test]
fn no_slice_comes_twice_within_a_millisecond_nor_after_a_restart() {
    let before = outages();
    let holds = ["a", "b", "c"].map(|who| ask(&before, who, open(1), 1).unwrap());
    let taken = holds.map(HoldId::slice);
    assert_eq!(taken.iter().collect::<HashSet<_>>().len(), 3);
    let after = restarted(holds.map(|hold| admitted("a", hold)));
    let slice = ask(&after, "b", open(1), 1).unwrap().slice();
    assert!(!taken.contains(&slice));
}

/// An attempt that was begun on a hold.
fn admitted(who: &str, hold: HoldId) -> AttemptStarted {
    let (service, pool) = (ServiceId::try_new(who).unwrap(), pool("chat"));
    AttemptStarted { hold, service, pool, ..crate::wal::tests::started(1) }
}

fn restarted(unfinished: impl IntoIterator<Item = AttemptStarted>) -> Outages {
    let unfinished: Vec<_> = unfinished.into_iter().collect();
    Outages::new(&NodeId::try_new("gateway-1").unwrap(), &unfinished)
}

#[test]
fn a_restart_within_an_outage_leaves_what_is_left_of_the_bound() {
    let before = outages();
    let mut holds = [100, 300].map(|tokens| ask(&before, "bot", open(BOUND), tokens).unwrap()).to_vec();
    let after = restarted(holds.iter().map(|hold| admitted("bot", *hold)));
    assert!(ask(&after, "bot", open(BOUND), BOUND - 399).is_none());
    assert!(ask(&after, "other", open(BOUND), BOUND).is_some());
    holds.push(ask(&after, "bot", open(BOUND), BOUND - 401).unwrap());
    let again = restarted(holds.iter().map(|hold| admitted("bot", *hold)));
    assert!(ask(&again, "bot", open(BOUND), 2).is_none());
    holds.push(ask(&again, "bot", open(BOUND), 1).unwrap());
    assert_eq!(holds.iter().map(|hold| hold.tokens().get()).sum::<u64>(), BOUND);
    assert_eq!(holds.iter().collect::<HashSet<_>>().len(), 4, "no hold twice");
    again.end(&pool("chat"));
    assert!(ask(&again, "bot", open(BOUND), BOUND).is_some(), "the next outage has its own bound");
}

#[test]
fn what_quota_has_granted_is_of_no_outage() {
    let after = restarted([admitted("bot", HoldId::new(1))]);
    assert!(ask(&after, "bot", open(BOUND), BOUND).is_some());
}

#[test]
fn what_is_settled_within_an_outage_is_kept_until_it_is_over() {
    let (outages, attempt) = (outages(), AttemptId::new(7));
    assert!(!outages.keeps(&pool("chat"), attempt), "there is none");
    ask(&outages, "bot", open(BOUND), 1).unwrap();
    assert!(outages.keeps(&pool("chat"), attempt));
    assert!(!outages.keeps(&pool("embeddings"), AttemptId::new(8)));
    assert_eq!(outages.end(&pool("chat")), [attempt]);
    assert!(!outages.keeps(&pool("chat"), attempt));
    assert_eq!(outages.end(&pool("chat")), []);
}

#[test]
fn an_outage_keeps_no_more_than_it_may() {
    let outages = outages();
    ask(&outages, "bot", open(BOUND), 1).unwrap();
    for number in 0..SETTLED_MAX {
        assert!(outages.keeps(&pool("chat"), AttemptId::new(number as u128)));
    }
    assert!(ask(&outages, "bot", open(BOUND), 1).is_none());
}

#[test]
fn gateways_are_told_apart() {
    let other = Outages::new(&NodeId::try_new("gateway-2").unwrap(), []);
    let slice = |outages: &Outages| ask(outages, "bot", open(1), 1).unwrap().slice();
    assert_ne!(slice(&outages()), slice(&other));
}
