//! A quota topic as some minutes of traffic leave it: four pools, services with budgets that tell their thresholds, bursts,
//! slices drawn, settled and sealed, in group commits as a disk that takes five milliseconds makes them.
//!
//! Made by the pools' own desks in a time of their own, the same every time.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use weir_domain::amount::{Money, Tokens};
use weir_domain::desk::{Desk, Reserve};
use weir_domain::fact::{QuotaFact, QuotaRecorded};
use weir_domain::ids::{HoldId, NodeId, PoolId, ReservationId, ServiceId};
use weir_domain::ledger::{Event, Ledger, Quantity, Settle};
use weir_domain::time::Timestamp;
use weir_proto::codec::quota_event_to_record;
use weir_proto::record::Topic;
use weir_runtime::clock::{Clock, SystemClock};
use weir_runtime::ids;
use weir_runtime::journal::config::{EmbeddedConfig, Fsync};
use weir_runtime::journal::embedded::EmbeddedJournal;
use weir_runtime::journal::{EMBEDDED_DIR, Journal};

use crate::terms::{POOLS, by, organisation, pool_of, service_of, terms};

/// Between two group commits of a pool.
const COMMIT: Duration = Duration::from_millis(5);
/// Commits between two looks after slices and holds, as the service has it.
const COMMITS_PER_TICK: u32 = 20;
/// Requests in a pool between two group commits: 250 a second.
const REQUESTS_PER_COMMIT: f64 = 1.25;
/// Of them, so many come from every tenth service.
const BUSY_SHARE: f64 = 0.8;
/// How long a call takes.
const CALL: Duration = Duration::from_secs(2);
/// How long ago the history began: longer than it takes.
const AGO: Duration = Duration::from_hours(2);
/// Records that are appended at once.
const APPENDED: usize = 4_096;
const HELD_TOKENS: u64 = 1_500;

/// How much history.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    pub(crate) events: usize,
    pub(crate) allocations: usize,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Written {
    pub(crate) events: usize,
    pub(crate) records: usize,
}

/// Writes a history into a journal in a folder.
pub(crate) async fn write(dir: &Path, amount: Amount) -> anyhow::Result<Written> {
    std::fs::create_dir_all(dir)?;
    let settings = EmbeddedConfig { fsync: Fsync::Never, ..EmbeddedConfig::default() };
    let journal = EmbeddedJournal::open(&dir.join(EMBEDDED_DIR), &settings, Arc::new(SystemClock))?;
    let begun = SystemClock.now().minus(AGO);
    let mut writer = Writer { journal, facts: Vec::new(), written: Written::default() };
    for event in organisation(amount.allocations, begun) {
        writer.write(1, QuotaFact::Org(event)).await?;
    }
    let pools = (0..POOLS).map(|pool| PoolAtWork::new(pool, amount.allocations / POOLS, begun));
    let mut pools: Vec<_> = pools.collect::<anyhow::Result<_>>()?;
    let mut commits: u32 = 0;
    while writer.written.events < amount.events {
        commits += 1;
        let now = begun.plus(COMMIT * commits);
        for pool in &mut pools {
            pool.work(now, commits.is_multiple_of(COMMITS_PER_TICK))?;
            for (events, fact) in pool.facts() {
                writer.write(events, fact).await?;
            }
        }
    }
    writer.flush().await?;
    Ok(writer.written)
}

struct Writer {
    journal: EmbeddedJournal,
    facts: Vec<QuotaFact>,
    written: Written,
}

impl Writer {
    async fn write(&mut self, events: usize, fact: QuotaFact) -> anyhow::Result<()> {
        self.written.events += events;
        self.written.records += 1;
        self.facts.push(fact);
        if self.facts.len() == APPENDED { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> anyhow::Result<()> {
        let node = NodeId::try_new("quota-1")?;
        let recorded =
            self.facts.drain(..).map(|fact| QuotaRecorded { id: ids::event_id(), node: node.clone(), fact });
        let records = recorded.map(|recorded| quota_event_to_record(&recorded)).collect();
        self.journal.append(Topic::Quota, records).await?;
        Ok(())
    }
}

/// A pool and its traffic.
struct PoolAtWork {
    id: PoolId,
    number: usize,
    allocations: usize,
    desk: Desk,
    random: StdRng,
    minted: u128,
    under_way: VecDeque<(Timestamp, ServiceId, HoldId)>,
}

impl PoolAtWork {
    fn new(number: usize, allocations: usize, at: Timestamp) -> anyhow::Result<Self> {
        let (id, mut desk) = (pool_of(number), Desk::new(Ledger::default(), at));
        let changes = terms(number, allocations, at);
        let changed = desk.change(&by(at), &changes, None).what;
        ensure!(changed.is_ok(), "the terms were not taken: {changed:?}");
        let random = StdRng::seed_from_u64(number as u64);
        Ok(Self { id, number, allocations, desk, random, minted: 0, under_way: VecDeque::new() })
    }

    /// What happens between two group commits.
    fn work(&mut self, now: Timestamp, tick: bool) -> anyhow::Result<()> {
        self.desk.advance(now);
        if tick {
            self.desk.tick();
        }
        let more = self.random.random_bool(REQUESTS_PER_COMMIT.fract());
        for _ in 0..=usize::from(more) {
            self.reserve(now)?;
        }
        while self.under_way.front().is_some_and(|(until, ..)| *until <= now) {
            let Some((_, service, hold)) = self.under_way.pop_front() else { break };
            let used =
                Quantity { tokens: Tokens::new(self.random.random_range(100..2_000)), money: Money::ZERO };
            self.desk.settle(&Settle { hold, service, used });
        }
        Ok(())
    }

    fn reserve(&mut self, now: Timestamp) -> anyhow::Result<()> {
        let busy = self.random.random_bool(BUSY_SHARE);
        let among = if busy { self.allocations.div_ceil(10) } else { self.allocations };
        let service = service_of(self.number, self.random.random_range(0..among));
        self.minted += 1;
        let minted_at = u128::from(now.as_millis().unsigned_abs()) << 80;
        let reservation = ReservationId::new(minted_at | 7 << 76 | self.minted);
        let need = Quantity { tokens: Tokens::new(HELD_TOKENS), money: Money::ZERO };
        let reserved = self.desk.reserve(&Reserve { reservation, service: service.clone(), need });
        match reserved.what {
            Ok(admitted) => self.under_way.push_back((now.plus(CALL), service, admitted.hold)),
            Err(refusal) => anyhow::bail!("not admitted: {refusal}"),
        }
        Ok(())
    }

    /// The group commit: facts, and of how many events each is. It counts as recorded.
    fn facts(&mut self) -> Vec<(usize, QuotaFact)> {
        let mut events = Vec::new();
        let Some(mark) = self.desk.take_events(&mut events) else { return Vec::new() };
        self.desk.recorded(mark);
        let (mut facts, mut movements) = (Vec::new(), Vec::new());
        for event in events {
            match event {
                Event::Moved(movement) => movements.push(movement),
                Event::Governed(event) => {
                    facts.push((1, QuotaFact::Governed { pool: self.id.clone(), event }));
                }
            }
        }
        if !movements.is_empty() {
            facts.push((movements.len(), QuotaFact::Moved { pool: self.id.clone(), movements }));
        }
        facts
    }
}
