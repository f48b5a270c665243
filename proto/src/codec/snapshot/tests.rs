//! What of a quota node's state survives a snapshot, and what is thrown away.

use super::super::quota::golden::facts;
use super::super::samples;
use super::random::{ledger, org};
use super::*;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use weir_domain::fact::QuotaFact;
use weir_domain::ledger::{Event, Ledger, TermsChanged};
use weir_domain::org::{Decided, Org};
use weir_domain::time::Timestamp;

proptest! {
    #[test]
    fn a_snapshot_survives_the_disk(
        partitions in btree_map(any::<u32>(), partition(), 0..4),
        org in org(),
        pools in vec((samples::name(), ledger()), 0..3),
    ) {
        let snapshot = Snapshot { partitions, org, pools };
        let bytes = snapshot_to_bytes(&snapshot);
        prop_assert_eq!(snapshot_from_bytes(bytes.into()), Ok(snapshot));
    }
}

fn partition() -> impl Strategy<Value = PartitionRead> {
    let decided = vec(any::<u128>().prop_map(EventId::new), 0..4);
    (any::<u64>(), decided).prop_map(|(next, decided)| PartitionRead { next, decided })
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
        partitions: BTreeMap::from([(0, PartitionRead { next: 7, decided: vec![EventId::new(1)] })]),
        org: org.image(),
        pools: vec![("gpt-4o".parse().unwrap(), ledger.image())],
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
    for other in [1, FORMAT + 1] {
        assert_eq!(refused(|snapshot| snapshot.format = other), "format");
    }
    assert_eq!(
        snapshot_from_bytes(Bytes::new()).unwrap_err().to_string().split(';').next(),
        Some("field format is invalid: is 0")
    );
}

#[test]
fn a_snapshot_that_does_not_hold_together_is_not_read() {
    assert_eq!(refused(|snapshot| snapshot.org = None), "org");
    let torn = |snapshot: &mut wire::Snapshot| snapshot.partitions[0].decided = Bytes::from_static(&[1; 17]);
    assert_eq!(refused(torn), "partitions.decided");
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
