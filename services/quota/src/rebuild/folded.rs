//! The quota topic, folded up to somewhere.

use std::collections::{BTreeMap, HashMap, HashSet};

use weir_domain::fact::{QuotaFact, QuotaRecorded};
use weir_domain::ids::{EventId, PoolId};
use weir_domain::ledger::{Event, Ledger};
use weir_domain::org::Org;
use weir_proto::codec::Snapshot;
use weir_runtime::journal::{Offset, Partition, Position};

/// How far a partition was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reached {
    /// What is read next.
    pub(crate) next: Offset,
    /// The last record before it, if there is one, and its id: by them it is known again.
    pub(crate) last: Option<(Offset, EventId)>,
}

/// The state that records come to.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Folded {
    pub(crate) org: Org,
    pub(crate) ledgers: HashMap<PoolId, Ledger>,
    /// Decisions already counted: a journal may hold one twice, and the organisation's version must not.
    decided: HashSet<EventId>,
    /// By partition.
    reached: BTreeMap<u32, Reached>,
}

impl Folded {
    /// What a partition is to be read from.
    pub(crate) fn next(&self, partition: u32) -> Offset {
        self.reached.get(&partition).map_or(Offset::ZERO, |reached| reached.next)
    }

    /// How far each partition was read.
    pub(crate) fn reached(&self) -> &BTreeMap<u32, Reached> {
        &self.reached
    }

    /// Takes a record, in order of its partition.
    pub(super) fn take(&mut self, at: Position, recorded: &QuotaRecorded) {
        let last = Some((at.offset, recorded.id));
        self.reached.insert(at.partition.index, Reached { next: at.offset.next(), last });
        match &recorded.fact {
            QuotaFact::Org(event) => {
                if self.decided.insert(recorded.id) {
                    self.org.evolve(event);
                }
            }
            QuotaFact::Governed { pool, event } => {
                if self.decided.insert(recorded.id) {
                    self.org.evolve_pool(pool, event);
                    self.ledger(pool).evolve(&Event::Governed(event.clone()));
                }
            }
            QuotaFact::Moved { pool, movements } => {
                let ledger = self.ledger(pool);
                for movement in movements {
                    ledger.evolve_moved(movement);
                }
            }
            QuotaFact::Resumed { .. } => {}
        }
    }

    /// A partition was read up to here.
    pub(super) fn reach(&mut self, partition: Partition, end: Offset) {
        let reached = self.reached.entry(partition.index).or_default();
        reached.next = reached.next.max(end);
    }

    fn ledger(&mut self, pool: &PoolId) -> &mut Ledger {
        if !self.ledgers.contains_key(pool) {
            self.ledgers.insert(pool.clone(), Ledger::default());
        }
        self.ledgers.get_mut(pool).expect("inserted above")
    }

    /// As plain data, in an order that does not depend on chance.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut pools: Vec<_> =
            self.ledgers.iter().map(|(id, ledger)| (id.clone(), ledger.image())).collect();
        pools.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let mut decided: Vec<_> = self.decided.iter().copied().collect();
        decided.sort_unstable();
        let next = self.reached.iter().map(|(partition, reached)| (*partition, reached.next.get()));
        Snapshot { next: next.collect(), org: self.org.image(), pools, decided }
    }

    /// From plain data and the last records that are in it.
    pub(crate) fn from_snapshot(snapshot: Snapshot, last: &BTreeMap<u32, (Offset, EventId)>) -> Self {
        let reached = |(partition, next): (u32, u64)| {
            (partition, Reached { next: Offset::new(next), last: last.get(&partition).copied() })
        };
        let ledgers = snapshot.pools.into_iter().map(|(id, image)| (id, Ledger::from_image(image)));
        Self {
            org: Org::from_image(snapshot.org),
            ledgers: ledgers.collect(),
            decided: snapshot.decided.into_iter().collect(),
            reached: snapshot.next.into_iter().map(reached).collect(),
        }
    }
}
