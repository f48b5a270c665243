//! A pool over a journal in memory, in which `chat` may take 1,000 at once, and a clock that stands still.

use std::sync::Arc;

use weir_domain::amount::{Money, Tokens, TokensPerMinute};
use weir_domain::authorship::Authorship;
use weir_domain::desk::{Headroom, Reserve};
use weir_domain::ids::{HoldId, NodeId, PoolId, ReservationId, ServiceId};
use weir_domain::ledger::{Account, Change, Ledger, Quantity, Settle};
use weir_domain::policy::{Pool, Terms, Thresholds};
use weir_domain::time::Timestamp;
use weir_proto::record::Topic;
use weir_runtime::clock::ManualClock;
use weir_runtime::journal::memory::MemoryJournal;
use weir_runtime::journal::{Journal, Partition, SharedJournal};
use weir_runtime::tasks::Tasks;

use super::super::{PoolHandle, Pools, Shared};
use crate::rebuild;
use crate::recorder::Recorder;
use crate::snapshot::Snapshots;

pub(super) const NOW: Timestamp = Timestamp::from_secs(1_750_000_000);

pub(super) struct World {
    pub(super) journal: Arc<MemoryJournal>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) tasks: Tasks,
    pub(super) pool: PoolHandle,
}

pub(super) fn chat() -> ServiceId {
    "chat".parse().unwrap()
}

fn gpt() -> PoolId {
    "gpt".parse().unwrap()
}

pub(super) fn reserve(number: u128, tokens: u64) -> Reserve {
    let ms = u128::try_from(NOW.as_millis()).unwrap();
    let reservation = ReservationId::new((ms << 80) | (7 << 76) | number);
    Reserve { reservation, service: chat(), need: quantity(tokens) }
}

pub(super) fn settle(hold: HoldId, tokens: u64) -> Settle {
    Settle { hold, service: chat(), used: quantity(tokens) }
}

fn quantity(tokens: u64) -> Quantity {
    Quantity { tokens: Tokens::new(tokens), money: Money::ZERO }
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with_baseline(6_000).await
    }

    /// `chat` may take a sixth of its baseline a minute at once.
    pub(super) async fn with_baseline(baseline: u64) -> Self {
        let (journal, clock) = (Arc::new(MemoryJournal::new()), Arc::new(ManualClock::new(NOW)));
        let recorder = Recorder::new(journal.clone(), NodeId::try_new("quota-1").unwrap());
        let (shared, tasks) = (Shared::new(recorder, Snapshots::new(None, 0)), Tasks::new());
        let pools = Pools::new(shared, clock.clone(), tasks.clone());
        let pool = pools.start(&gpt(), Ledger::default());
        let define = Change::DefinePool(Pool {
            id: gpt(),
            capacity: TokensPerMinute::new(baseline * 10),
            requests: None,
            thresholds: Thresholds::default(),
            models: vec![],
            deployments: vec![],
        });
        let terms = Terms::guarantee(TokensPerMinute::new(baseline), Tokens::new(baseline / 6));
        let allocate = Change::SetAllocation { service: chat(), terms };
        let by = Authorship { author: "ada".into(), reason: "test".into(), at: NOW, commit: None };
        pool.change(by, vec![define, allocate], None).await.unwrap().unwrap();
        Self { journal, clock, tasks, pool }
    }

    /// Lets every other task run until it waits: on one thread, none runs while this one does.
    pub(super) async fn settle_down(&self) {
        for _ in 0..64 {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until the desk is there again after it was lost.
    pub(super) async fn found_again(&self) {
        while self.pool.recorded().await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// A reservation that must pass.
    pub(super) async fn admit(&self, number: u128, tokens: u64) -> HoldId {
        self.pool.reserve(&reserve(number, tokens)).await.unwrap().decision.unwrap().hold
    }

    pub(super) async fn headroom(&self) -> Headroom {
        self.pool.headroom(&chat(), None).await.unwrap().unwrap()
    }

    /// How many records the journal has.
    pub(super) async fn records(&self) -> u64 {
        let mut count = 0;
        for index in 0..self.journal.partitions(Topic::Quota).await.unwrap() {
            count += self.journal.end(Partition { topic: Topic::Quota, index }).await.unwrap().get();
        }
        count
    }

    /// The account as the journal has it.
    pub(super) async fn replayed(&self) -> Account {
        let journal: SharedJournal = self.journal.clone();
        let folded = rebuild::fold_all(&journal).await.unwrap();
        folded.ledgers[&gpt()].account(&chat()).unwrap().clone()
    }
}
