//! Plans, fits and decisions against a naive sum, over random pools.

use proptest::prelude::*;

use super::story::*;
use crate::amount::{RequestsPerMinute, Tokens, TokensPerMinute};
use crate::bucket::Level;
use crate::burst::Approval::{self, BestEffort, Guaranteed};
use crate::burst::{Burst, BurstRecord};
use crate::ids::ServiceId;
use crate::ledger::{Change, Governed, PoolTerms, Shortage, decide_change, shortage};
use crate::policy::{Pool, Terms};
use crate::time::Timestamp;

const SERVICES: [&str; 4] = ["chat", "search", "batch", "demo"];
const BURSTS: [&str; 6] = ["one", "two", "three", "four", "five", "six"];
/// All edges are at whole seconds before this one.
const SECONDS: i64 = 60;

fn changes() -> impl Strategy<Value = Change> {
    let service = || prop::sample::select(&SERVICES[..]);
    let name = || prop::sample::select(&BURSTS[..]);
    let approval = || prop::sample::select(&[Guaranteed, BestEffort][..]);
    let bursts = || (name(), service(), 0..300_u64, 0..40_i64, 1..20_i64).prop_map(a_burst);
    prop_oneof![
        2 => (0..1_000_u64, prop::option::weighted(0.3, 50..200_u64)).prop_map(a_pool),
        1 => Just(Change::RemovePool),
        6 => (service(), terms()).prop_map(|(name, terms)| allocated(name, terms)),
        1 => service().prop_map(no_allocation),
        4 => (bursts(), approval()).prop_map(|(burst, approval)| granted(burst, approval)),
        4 => bursts().prop_map(asked),
        6 => (name(), approval()).prop_map(|(burst, approval)| approved(burst, approval)),
        1 => name().prop_map(denied),
        2 => name().prop_map(revoked),
        3 => (name(), 1..SECONDS).prop_map(|(burst, end)| extended(burst, end)),
    ]
}

fn a_pool((capacity, requests): (u64, Option<u64>)) -> Change {
    Change::DefinePool(Pool { requests: requests.map(rpm), ..pool_of(capacity) })
}

fn a_burst((id, name, extra, start, length): (&str, &str, u64, i64, i64)) -> Burst {
    burst(id, name, extra, (start, start + length))
}

fn terms() -> impl Strategy<Value = Terms> {
    let requests = prop::option::weighted(0.8, 0..60_u64);
    let lapse = prop::option::weighted(0.3, (0..SECONDS, 0..300_u64));
    (0..300_u64, 0..300_u64, 1..400_u64, requests, lapse).prop_map(
        |(baseline, more, request_max, requests, lapse)| {
            let terms = Terms {
                ceiling: tpm(baseline + more),
                requests: requests.map(rpm),
                ..guarantee(baseline, request_max)
            };
            lapse.map_or(terms.clone(), |(second, to)| lapses(terms, second, to))
        },
    )
}

/// A pool for which every change was made, whether it may be or not.
fn whatever(changes: &[Change]) -> PoolTerms {
    let mut terms = PoolTerms::default();
    for change in changes {
        if let Some(what) = terms.difference(change) {
            terms.evolve(&Governed { by: by(s(0)), what });
        }
    }
    terms
}

/// What a service is guaranteed and may borrow at an instant, by looking at every burst of the pool.
fn naive(terms: &PoolTerms, service: &ServiceId, at: Timestamp) -> (u64, u64) {
    let Some(held) = terms.allocations().get(service) else { return (0, 0) };
    let most = held.lapse.filter(|lapse| lapse.at <= at).map_or(u64::MAX, |lapse| lapse.to.get());
    let (baseline, ceiling) = (held.baseline.get().min(most), held.ceiling.get().min(most));
    let extra = |approval: Approval| {
        let bursts = terms.bursts().values().filter(|record| record.approval() == Some(approval));
        let of_service = bursts.map(|record| &record.burst).filter(|burst| burst.service == *service);
        of_service.filter(|burst| burst.window.contains(at)).map(|burst| burst.extra.get()).sum::<u64>()
    };
    (baseline + extra(Guaranteed), ceiling - baseline + extra(BestEffort))
}

fn naive_depth(terms: &PoolTerms, service: &ServiceId, at: Timestamp) -> Level {
    let (rate, _) = naive(terms, service, at);
    let window = Level::from_rate(tpm(rate), 10_000_000_000);
    let largest = terms.allocations().get(service).map_or(Tokens::ZERO, |held| held.request_max);
    if rate == 0 { Level::ZERO } else { window.max(Level::from_tokens(largest)) }
}

/// By how much guarantees exceed the pool at an instant.
fn naive_shortage(terms: &PoolTerms, at: Timestamp) -> Shortage {
    let services = || terms.allocations().keys();
    let rate: u64 = services().map(|service| naive(terms, service, at).0).sum();
    let depth = services().map(|service| naive_depth(terms, service, at)).fold(Level::ZERO, Level::plus);
    let most = Level::from_rate(terms.capacity(), 60_000_000_000);
    let limit = terms.pool().and_then(|pool| pool.requests);
    let stated = || terms.allocations().values().map(|held| held.requests);
    let requests: u64 = stated().flatten().map(RequestsPerMinute::get).sum();
    Shortage {
        at,
        rate: TokensPerMinute::new(rate).saturating_sub(terms.capacity()),
        depth: most.minus(depth).debt(),
        requests: limit.map_or(rpm(0), |limit| rpm(requests).saturating_sub(limit)),
        requests_unstated: limit.map_or(0, |_| stated().filter(Option::is_none).count() as u64),
    }
}

fn fits(short: &Shortage) -> bool {
    *short == Shortage { at: short.at, ..Shortage::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn plans_are_the_naive_sum_at_every_instant(
        changes in prop::collection::vec(changes(), 1..60),
        instants in prop::collection::vec(-1_000_000_000..SECONDS * 1_000_000_000, 20),
    ) {
        let terms = whatever(&changes);
        let edges = (0..=SECONDS).map(s);
        for at in instants.into_iter().map(Timestamp::from_nanos).chain(edges) {
            for service in SERVICES.map(service) {
                let guarantee = terms.plan_of_guarantee(&service).at(at);
                let borrowing = terms.plan_of_borrowing(&service).at(at);
                let rates = (guarantee.rate.get(), borrowing.rate.get());
                prop_assert_eq!(rates, naive(&terms, &service, at), "{} at {}", service, at);
                prop_assert_eq!(guarantee.depth, naive_depth(&terms, &service, at));
                prop_assert_eq!(borrowing.depth, Level::from_rate(borrowing.rate, 60_000_000_000));
            }
        }
    }

    #[test]
    fn the_shortage_is_the_worst_instant_to_come(
        changes in prop::collection::vec(changes(), 1..60),
        now in 0..SECONDS,
    ) {
        let terms = whatever(&changes);
        let seconds = (now..=SECONDS).map(|second| naive_shortage(&terms, s(second)));
        let worst = seconds.reduce(|worst, next| {
            if (next.rate, next.depth) > (worst.rate, worst.depth) { next } else { worst }
        });
        prop_assert_eq!(shortage(&terms, s(now)), worst.filter(|worst| !fits(worst)));
    }

    #[test]
    fn whatever_is_decided_fits_from_then_on_and_is_decided_once(
        steps in prop::collection::vec((0..3_i64, prop::collection::vec(changes(), 1..4)), 1..60),
    ) {
        let (mut terms, mut now) = (PoolTerms::default(), 0);
        for (later, changes) in steps {
            now += later;
            let Ok(events) = decide_change(&terms, &by(s(now)), &changes, None) else { continue };
            let version = terms.version();
            for event in &events {
                prop_assert_eq!(event.by.at, s(now));
                terms.evolve(event);
            }
            prop_assert_eq!(terms.version(), version + events.len() as u64);
            prop_assert_eq!(shortage(&terms, s(now)), None);
            for second in now..SECONDS {
                prop_assert!(fits(&naive_shortage(&terms, s(second))), "at {}", second);
            }
            let again = decide_change(&terms, &by(s(now)), &changes, Some(version));
            prop_assert!(!matches!(again, Ok(more) if !more.is_empty()));
        }
    }

    #[test]
    fn the_bursts_of_a_service_are_found_without_looking_at_others(
        changes in prop::collection::vec(changes(), 1..60),
    ) {
        let terms = whatever(&changes);
        for service in SERVICES.map(service) {
            let theirs = |record: &&BurstRecord| record.burst.service == service;
            let open = terms.bursts().values().filter(theirs).filter(|record| record.phase(s(0)).is_open());
            prop_assert!(terms.bursts_of(&service).eq(open));
        }
    }

    #[test]
    fn a_pool_is_its_parts(changes in prop::collection::vec(changes(), 1..60)) {
        let terms = whatever(&changes);
        let bursts = terms.bursts().values().cloned();
        let parts = (terms.pool().cloned(), terms.allocations().clone(), terms.version());
        prop_assert_eq!(PoolTerms::from_parts(parts.0, parts.1, bursts, parts.2), terms);
    }
}
