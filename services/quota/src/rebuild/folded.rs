//! The quota topic, folded up to somewhere.

use std::collections::{BTreeMap, HashMap};

use weir_domain::fact::{QuotaFact, QuotaRecorded};
use weir_domain::ids::{EventId, PoolId};
use weir_domain::ledger::{Event, Ledger};
use weir_domain::org::Org;
use weir_proto::codec::{PartitionRead, Snapshot};
use weir_runtime::journal::{Offset, Partition, Position};

use super::RecentIds;

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
    /// By partition the decisions counted last: a journal may hold one twice, and the organisation's version must not.
    decided: BTreeMap<u32, RecentIds>,
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
            QuotaFact::Org(_) | QuotaFact::Governed { .. } if self.is_copy(at.partition, recorded.id) => {}
            QuotaFact::Org(event) => self.org.evolve(event),
            QuotaFact::Governed { pool, event } => {
                self.org.evolve_pool(pool, event);
                self.ledger(pool).evolve(&Event::Governed(event.clone()));
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

    fn is_copy(&mut self, partition: Partition, id: EventId) -> bool {
        !self.decided.entry(partition.index).or_default().is_new(id)
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
        let partitions = self.reached.iter().map(|(partition, reached)| {
            let decided = self.decided.get(partition).into_iter().flat_map(RecentIds::iter).collect();
            (*partition, PartitionRead { next: reached.next.get(), decided })
        });
        Snapshot { partitions: partitions.collect(), org: self.org.image(), pools }
    }

    /// From plain data and the last records that are in it.
    pub(crate) fn from_snapshot(snapshot: Snapshot, last: &BTreeMap<u32, (Offset, EventId)>) -> Self {
        let reached = |(partition, read): (&u32, &PartitionRead)| {
            (*partition, Reached { next: Offset::new(read.next), last: last.get(partition).copied() })
        };
        let decided =
            |(partition, read): (&u32, &PartitionRead)| (*partition, read.decided.iter().copied().collect());
        let ledgers = snapshot.pools.into_iter().map(|(id, image)| (id, Ledger::from_image(image)));
        Self {
            org: Org::from_image(snapshot.org),
            ledgers: ledgers.collect(),
            decided: snapshot
                .partitions
                .iter()
                .filter(|(_, read)| !read.decided.is_empty())
                .map(decided)
                .collect(),
            reached: snapshot.partitions.iter().map(reached).collect(),
        }
    }
}
