//! What is left of a change when its end could not be recorded, and pools have gone on meanwhile.

use weir_domain::amount::{Money, Tokens, TokensPerMinute};
use weir_domain::desk::Reserve;
use weir_domain::ids::{NodeId, ReservationId, ServiceId};
use weir_domain::ledger::{Quantity, Settle};
use weir_domain::policy::{Pool, Terms, Thresholds};
use weir_domain::time::Timestamp;
use weir_proto::record::Topic;
use weir_runtime::clock::ManualClock;
use weir_runtime::journal::memory::MemoryJournal;
use weir_runtime::tasks::Tasks;

use super::*;
use crate::pool::{PoolHandle, Shared};
use crate::snapshot::Snapshots;

const NOW: Timestamp = Timestamp::from_secs(1_750_000_000);

fn chat() -> ServiceId {
    "chat".parse().unwrap()
}

fn quantity(tokens: u64) -> Quantity {
    Quantity { tokens: Tokens::new(tokens), money: Money::ZERO }
}

fn by() -> Authorship {
    Authorship { author: "ada".into(), reason: "test".into(), at: NOW, commit: None }
}

struct World {
    journal: Arc<MemoryJournal>,
    pool: PoolHandle,
    writer: OrgWriter,
}

impl World {
    /// A pool in which `chat` may take 1,000 at once.
    async fn new() -> Self {
        let (journal, clock) = (Arc::new(MemoryJournal::new()), Arc::new(ManualClock::new(NOW)));
        let recorder = Recorder::new(journal.clone(), NodeId::try_new("quota-1").unwrap());
        let shared = Shared::new(recorder.clone(), Snapshots::new(None, 0));
        let pools = Arc::new(Pools::new(shared, clock.clone(), Tasks::new()));
        let pool = pools.start(&"gpt".parse().unwrap(), Ledger::default());
        let define = Change::DefinePool(Pool {
            id: "gpt".parse().unwrap(),
            capacity: TokensPerMinute::new(60_000),
            requests: None,
            thresholds: Thresholds::default(),
            models: vec![],
            deployments: vec![],
        });
        let terms = Terms::guarantee(TokensPerMinute::new(6_000), Tokens::new(1_000));
        let allocate = Change::SetAllocation { service: chat(), terms };
        pool.change(by(), vec![define, allocate], None).await.unwrap().unwrap();
        let org = pools.fold_all().await.unwrap().org;
        let rules = Rules { sandbox: TokensPerMinute::new(6_000), requester_may_approve: true };
        let (writer, _) = OrgWriter::new(org, Means { pools, recorder, clock, rules });
        Self { journal, pool, writer }
    }

    /// Uses so much more than `chat` has that it owes some of it.
    async fn overdraw(&self, number: u128, tokens: u64) {
        let ms = u128::try_from(NOW.as_millis()).unwrap();
        let reservation = ReservationId::new((ms << 80) | (7 << 76) | number);
        let ask = Reserve { reservation, service: chat(), need: quantity(0) };
        let hold = self.pool.reserve(&ask).await.unwrap().decision.unwrap().hold;
        assert!(self.pool.settle(&Settle { hold, service: chat(), used: quantity(tokens) }).await.unwrap());
    }

    async fn debt(&self) -> u64 {
        self.pool.headroom(&chat(), None).await.unwrap().unwrap().debt.tokens.get()
    }

    async fn forgive(&mut self) -> Result<Outcome, NoDecision> {
        let command =
            Command::ForgiveDebt(Forgiveness { pool: "gpt".parse().unwrap(), service: chat(), seen: None });
        let id = Some(CommandId { name: "4711".into(), digest: [1; 32] });
        self.writer.decide(Ask { command, by: by(), expected: None, id, dry_run: false }).await
    }
}

#[tokio::test]
async fn what_is_owed_since_a_debt_was_forgiven_stays_owed_when_the_rest_of_that_decision_is_made() {
    let mut world = World::new().await;
    world.overdraw(1, 2_000).await;
    assert_eq!(world.debt().await, 1_000);
    // The intent and the pool's own fact pass; that the command was made does not.
    world.journal.faults().lose_appends_after(Topic::Quota, 2, 0);
    assert!(matches!(world.forgive().await, Err(NoDecision::NotRecorded { .. })));
    assert!(world.journal.faults().mend_appends());
    assert_eq!(world.debt().await, 0);
    world.overdraw(2, 500).await;
    world.writer.try_rebuild().await.unwrap();
    assert_eq!(world.writer.org.intent(), None, "it has ended");
    assert_eq!(world.debt().await, 500, "nobody has decided to forgive that");
    assert!(!world.forgive().await.unwrap().unwrap().changed, "it is known when it comes again");
    assert_eq!(world.debt().await, 500);
}
