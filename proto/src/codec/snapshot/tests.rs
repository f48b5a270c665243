//! What of a quota node's state survives a snapshot, and what is thrown away.

use super::super::quota::golden::facts;
use super::super::samples;
use super::*;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use weir_domain::amount::TokensPerMinute;
use weir_domain::authorship::Authorship;
use weir_domain::bucket::{Level, Plan, Segment};
use weir_domain::burst::Approval;
use weir_domain::fact::QuotaFact;
use weir_domain::ids::{BurstId, ServiceId, SliceId};
use weir_domain::ledger::levels::{self, LevelsImage, Place};
use weir_domain::ledger::{
    AccountImage, Event, Governed, Ledger, PoolTerms, Quantity, SliceImage, SliceState, TermsChanged, Totals,
};
use weir_domain::org::{Decided, Org};
use weir_domain::time::Timestamp;

const SERVICES: [&str; 3] = ["chat", "search", "batch"];

fn by() -> impl Strategy<Value = Authorship> {
    (samples::text(), samples::text(), samples::instant()).prop_map(|(author, reason, at)| Authorship {
        author,
        reason,
        at,
        commit: None,
    })
}

fn service() -> impl Strategy<Value = ServiceId> {
    select(&SERVICES[..]).prop_map(|name| name.parse().unwrap())
}

fn burst_id() -> impl Strategy<Value = BurstId> {
    select(vec!["one", "two"]).prop_map(|name| name.parse().unwrap())
}

/// Whatever can be decided about a pool, whether it makes sense or not.
fn changed() -> impl Strategy<Value = TermsChanged> {
    let granted = (samples::granted_burst(), burst_id(), service()).prop_map(|(mut granted, id, service)| {
        (granted.burst.id, granted.burst.service) = (id, service);
        granted
    });
    let requested = (samples::burst(), burst_id(), service())
        .prop_map(|(burst, id, service)| weir_domain::burst::Burst { id, service, ..burst });
    prop_oneof![
        2 => samples::pool().prop_map(TermsChanged::PoolDefined),
        1 => Just(TermsChanged::PoolRemoved),
        4 => (service(), samples::terms())
            .prop_map(|(service, terms)| TermsChanged::AllocationSet { service, terms }),
        1 => service().prop_map(|service| TermsChanged::AllocationRemoved { service }),
        3 => granted.prop_map(TermsChanged::BurstGranted),
        3 => requested.prop_map(TermsChanged::BurstRequested),
        2 => burst_id()
            .prop_map(|burst| TermsChanged::BurstApproved { burst, approval: Approval::BestEffort }),
        2 => burst_id().prop_map(|burst| TermsChanged::BurstDenied { burst }),
        2 => burst_id().prop_map(|burst| TermsChanged::BurstRevoked { burst }),
    ]
}

fn terms() -> impl Strategy<Value = PoolTerms> {
    vec((by(), changed()), 0..12).prop_map(|decisions| {
        let mut terms = PoolTerms::default();
        for (by, what) in decisions {
            terms.evolve(&Governed { by, what });
        }
        terms
    })
}

fn level() -> impl Strategy<Value = Level> {
    any::<i128>().prop_map(Level::from_units)
}

fn rate() -> impl Strategy<Value = TokensPerMinute> {
    any::<u64>().prop_map(TokensPerMinute::new)
}

fn plan() -> impl Strategy<Value = Plan> {
    let later = proptest::collection::btree_map(any::<i64>(), (rate(), level()), 0..3);
    (rate(), level(), later).prop_map(|(rate, depth, later)| {
        let segment = |(from, (rate, depth))| Segment { from: Timestamp::from_nanos(from), rate, depth };
        Plan::flat(rate, depth).followed_by(later.into_iter().map(segment))
    })
}

fn quantity() -> impl Strategy<Value = Quantity> {
    (samples::tokens(), samples::money()).prop_map(|(tokens, money)| Quantity { tokens, money })
}

fn account() -> impl Strategy<Value = (levels::AccountImage, AccountImage)> {
    let guarantee = (level(), plan(), of(rate())).prop_map(|(level, plan, lending)| levels::AccountImage {
        level,
        plan,
        lending,
    });
    let totals = vec(samples::tokens(), 6).prop_map(|totals| Totals {
        drawn: totals[0],
        overdrawn: totals[1],
        settled: totals[2],
        outstanding: totals[3],
        returned: totals[4],
        lapsed: totals[5],
    });
    let borrow = (level(), samples::instant(), plan());
    let account = (borrow, vec(samples::budget_state(), 0..3), quantity(), totals).prop_map(
        |((borrow_level, borrow_at, borrow_plan), budgets, outstanding, totals)| AccountImage {
            service: "named-later".parse().unwrap(),
            borrow_level,
            borrow_at,
            borrow_plan,
            budgets,
            outstanding,
            totals,
        },
    );
    (guarantee, account)
}

fn slice() -> impl Strategy<Value = SliceImage> {
    let state = prop_oneof![
        Just(SliceState::Open),
        any::<u32>().prop_map(|holds| SliceState::Sealed { holds }),
        Just(SliceState::Lapsed),
    ];
    let holder = of(select(vec!["gateway-1", "gateway-2"]));
    let place = (0..2_u32).prop_map(Place::new);
    (any::<u64>(), place, holder, state, quantity(), (level(), level()), vec(any::<u64>(), 0..4)).prop_map(
        |(id, place, holder, state, outstanding, (borrowed, unenforced), settled)| SliceImage {
            id: SliceId::new(id),
            place,
            holder: holder.map(|name| name.parse().unwrap()),
            state,
            outstanding,
            borrowed,
            unenforced,
            settled,
        },
    )
}

fn ledger() -> impl Strategy<Value = LedgerImage> {
    let levels = (samples::instant(), rate(), level(), level());
    let accounts = vec(account(), 2..=SERVICES.len());
    let ids = (of(any::<u64>()), of(any::<u64>()));
    (terms(), any::<bool>(), levels, accounts, vec(slice(), 0..5), ids).prop_map(
        |(terms, opened, (at, pool_rate, pool_depth, pool), accounts, slices, (last, forgotten))| {
            let (guarantees, mut accounts): (Vec<_>, Vec<AccountImage>) = accounts.into_iter().unzip();
            for (account, name) in accounts.iter_mut().zip(SERVICES) {
                account.service = name.parse().unwrap();
            }
            let levels = LevelsImage { at, pool_rate, pool_depth, pool, accounts: guarantees };
            let (last_slice, forgotten) = (last.map(SliceId::new), forgotten.map(SliceId::new));
            LedgerImage { terms, opened, levels, accounts, slices, last_slice, forgotten }
        },
    )
}

fn org() -> impl Strategy<Value = OrgImage> {
    let revoked_keys = vec((samples::name(), samples::hash()), 0..3);
    let revoked_access_keys = vec((samples::name(), samples::hash()), 0..3);
    let named = (vec(samples::team(), 0..3), vec(samples::service(), 0..3), vec(samples::price(), 0..3));
    let exceptions = (vec(samples::exception(), 0..3), vec(samples::name(), 0..3));
    (
        any::<u64>(),
        named,
        vec((samples::name(), terms()), 0..3),
        exceptions,
        revoked_keys,
        revoked_access_keys,
    )
        .prop_map(
            |(version, (teams, services, prices), pools, (exceptions, ended), revoked, access_revoked)| {
                OrgImage {
                    version,
                    teams,
                    services,
                    pools,
                    prices,
                    exceptions,
                    ended,
                    revoked,
                    access_revoked,
                    ..OrgImage::default()
                }
            },
        )
}

proptest! {
    #[test]
    fn a_snapshot_survives_the_disk(
        next in proptest::collection::btree_map(any::<u32>(), any::<u64>(), 0..4),
        org in org(),
        pools in vec((samples::name(), ledger()), 0..3),
        decided in vec(any::<u128>().prop_map(EventId::new), 0..4),
    ) {
        let snapshot = Snapshot { next, org, pools, decided };
        let bytes = snapshot_to_bytes(&snapshot);
        prop_assert_eq!(snapshot_from_bytes(bytes.into()), Ok(snapshot));
    }
}

/// Whether it takes something away, so that less would be left to look at.
fn removes(fact: &QuotaFact) -> bool {
    match fact {
        QuotaFact::Governed { event, .. } => {
            matches!(event.what, TermsChanged::PoolRemoved | TermsChanged::AllocationRemoved { .. })
        }
        QuotaFact::Org(event) => matches!(
            event.what,
            Decided::TeamRemoved(_) | Decided::ServiceRemoved(_) | Decided::PriceRemoved { .. }
        ),
        QuotaFact::Moved { .. } | QuotaFact::Resumed { .. } => false,
    }
}

/// The state after one of every other fact there is.
fn folded() -> (Org, Ledger) {
    let (mut org, mut ledger) = (Org::default(), Ledger::default());
    let facts = facts::of_pools().into_iter().filter(|fact| !removes(fact));
    let (moved, decided): (Vec<_>, Vec<_>) = facts.partition(|fact| matches!(fact, QuotaFact::Moved { .. }));
    let of_the_organisation = facts::of_the_organisation().into_iter().filter(|fact| !removes(fact));
    for fact in decided.into_iter().chain(moved).chain(of_the_organisation) {
        match fact {
            QuotaFact::Org(event) => org.evolve(&event),
            QuotaFact::Governed { pool, event } => {
                org.evolve_pool(&pool, &event);
                ledger.evolve(&Event::Governed(event));
            }
            QuotaFact::Moved { movements, .. } => {
                for movement in movements {
                    ledger.evolve(&Event::Moved(movement));
                }
            }
            QuotaFact::Resumed { .. } => {}
        }
    }
    (org, ledger)
}

fn snapshot() -> Snapshot {
    let (org, ledger) = folded();
    Snapshot {
        next: BTreeMap::from([(0, 7)]),
        org: org.image(),
        pools: vec![("gpt-4o".parse().unwrap(), ledger.image())],
        decided: vec![EventId::new(1)],
    }
}

#[test]
fn a_node_that_starts_from_a_snapshot_is_the_node_that_wrote_it() {
    let (org, ledger) = folded();
    let read = snapshot_from_bytes(snapshot_to_bytes(&snapshot()).into()).unwrap();
    assert_eq!(Org::from_image(read.org), org);
    let (_, image) = read.pools.into_iter().next().unwrap();
    assert_eq!(Ledger::from_image(image), ledger);
}

#[test]
fn an_access_key_that_was_revoked_stays_so() {
    let org = folded().0;
    let read = snapshot_from_bytes(snapshot_to_bytes(&snapshot()).into()).unwrap().org;
    let revoked = read.access_revoked[0].1;
    let read = Org::from_image(read);
    assert_eq!(read.principal_of(&revoked, Timestamp::EPOCH), None);
    let valid = org.access_keys().next().unwrap().hash;
    assert!(read.principal_of(&valid, Timestamp::EPOCH).is_some());
}

/// The field that is named when the message is changed in one place.
fn refused(change: impl FnOnce(&mut wire::Snapshot)) -> &'static str {
    let mut message = wire::Snapshot::decode(Bytes::from(snapshot_to_bytes(&snapshot()))).unwrap();
    change(&mut message);
    match snapshot_from_bytes(message.encode_to_vec().into()) {
        Err(DecodeError::Field { field, .. }) => field,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_snapshot_of_another_format_is_not_read() {
    assert_eq!(refused(|snapshot| snapshot.format = 2), "format");
    assert_eq!(
        snapshot_from_bytes(Bytes::new()).unwrap_err().to_string().split(';').next(),
        Some("field format is invalid: is 0")
    );
}

#[test]
fn a_snapshot_that_does_not_hold_together_is_not_read() {
    assert_eq!(refused(|snapshot| snapshot.org = None), "org");
    assert_eq!(refused(|snapshot| snapshot.decided = Bytes::from_static(&[1; 17])), "decided");
    assert_eq!(refused(|snapshot| snapshot.pools[0].accounts.truncate(1)), "pools.accounts");
    assert_eq!(refused(|snapshot| snapshot.pools[0].slices[0].account = 9), "pools.slices.account");
    assert_eq!(refused(|snapshot| snapshot.pools[0].slices[0].state = 0), "pools.slices.state");
    assert_eq!(refused(|snapshot| snapshot.pools[0].accounts[0].borrow_plan.clear()), "plan");
    let twice = |snapshot: &mut wire::Snapshot| {
        let accounts = &mut snapshot.pools[0].accounts;
        accounts[0].service = accounts[1].service.clone();
    };
    assert_eq!(refused(twice), "pools.accounts.service");
    let backwards = |snapshot: &mut wire::Snapshot| {
        let plan = &mut snapshot.pools[0].accounts[0].borrow_plan;
        plan.extend([2, 1].map(|from| wire::PlanSegment { from, ..Default::default() }));
    };
    assert_eq!(refused(backwards), "plan.from");
}
