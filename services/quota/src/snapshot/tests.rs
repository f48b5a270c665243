//! Snapshots hold what the journal says, and are left aside when in doubt.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use weir_domain::amount::{Money, Tokens, TokensPerMinute};
use weir_domain::authorship::Authorship;
use weir_domain::fact::QuotaFact;
use weir_domain::ids::{HoldId, NodeId, PoolId, SliceId};
use weir_domain::ledger::{Drawn, Governed, Moved, Movement, Quantity, TermsChanged};
use weir_domain::org::{Decided, Event};
use weir_domain::policy::{Pool, Team, Terms, Thresholds};
use weir_domain::time::Timestamp;
use weir_runtime::framed_log::{self, FramedLog};
use weir_runtime::journal::memory::MemoryJournal;

use super::*;

const POOLS: [&str; 3] = ["gpt", "claude", "embeddings"];

fn at(second: i64) -> Timestamp {
    Timestamp::from_secs(1_750_000_000 + second)
}

fn by(second: i64) -> Authorship {
    Authorship { author: "ada".into(), reason: "test".into(), at: at(second), commit: None }
}

fn defined(pool: &PoolId) -> [QuotaFact; 2] {
    let whole = Pool {
        id: pool.clone(),
        capacity: TokensPerMinute::new(60_000),
        requests: None,
        thresholds: Thresholds::default(),
        models: vec![],
        deployments: vec![],
    };
    let terms = Terms::guarantee(TokensPerMinute::new(6_000), Tokens::new(1_000));
    let set = TermsChanged::AllocationSet { service: "chat".parse().unwrap(), terms };
    [TermsChanged::PoolDefined(whole), set]
        .map(|what| QuotaFact::Governed { pool: pool.clone(), event: Governed { by: by(0), what } })
}

/// A slice is drawn in a second, and a hold of it is settled.
fn moved(pool: &PoolId, second: i64) -> QuotaFact {
    let slice = SliceId::after(None, at(second));
    let hold = HoldId::try_pack(slice, 0, Tokens::new(50)).unwrap();
    let tokens = |tokens| Quantity { tokens: Tokens::new(tokens), money: Money::ZERO };
    let drawn = Drawn {
        slice,
        holder: None,
        tokens: Tokens::new(80),
        borrowed: weir_domain::bucket::Level::ZERO,
        unenforced: weir_domain::bucket::Level::ZERO,
        money: Money::ZERO,
    };
    let movement = |what| Movement { at: at(second), service: "chat".parse().unwrap(), what };
    let movements = vec![
        movement(Moved::Drawn(drawn)),
        movement(Moved::Settled { hold, held: Money::ZERO, used: tokens(60), metered: true }),
    ];
    QuotaFact::Moved { pool: pool.clone(), movements }
}

fn team(name: &str, second: i64) -> QuotaFact {
    let team = Team { id: name.parse().unwrap(), title: name.to_owned(), contact: String::new() };
    QuotaFact::Org(Event { by: by(second), what: Decided::TeamDefined(team) })
}

struct World {
    journal: SharedJournal,
    recorder: Recorder,
    snapshots: Snapshots,
    dir: tempfile::TempDir,
}

impl World {
    /// Three pools, one team, and ten seconds of use.
    async fn new() -> Self {
        let journal: SharedJournal = Arc::new(MemoryJournal::new());
        let recorder = Recorder::new(journal.clone(), NodeId::try_new("quota-1").unwrap());
        let dir = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::new(Some(dir.path().join("quota")), 10);
        let world = Self { journal, recorder, snapshots, dir };
        world.append(team("web", 0)).await;
        for pool in POOLS {
            for fact in defined(&pool.parse().unwrap()) {
                world.append(fact).await;
            }
        }
        world.use_for(1..11).await;
        world
    }

    async fn append(&self, fact: QuotaFact) {
        self.recorder.append(vec![fact]).await.unwrap();
    }

    async fn use_for(&self, seconds: std::ops::Range<i64>) {
        for second in seconds {
            for pool in POOLS {
                self.append(moved(&pool.parse().unwrap(), second)).await;
            }
        }
    }

    async fn truth(&self) -> Folded {
        rebuild::fold_all(&self.journal).await.unwrap()
    }

    async fn with_snapshot(&self) -> Folded {
        self.snapshots.fold_all(&self.journal, Haste::AtStart).await.unwrap()
    }

    async fn take(&self) {
        self.snapshots.take(&self.journal, Haste::Beside).await;
    }

    fn file(&self) -> std::path::PathBuf {
        self.dir.path().join("quota").join(FILE)
    }

    /// How many records a start reads beyond the snapshot.
    async fn tail(&self) -> u64 {
        let begun = self.snapshots.load(&self.journal).await;
        let mut tail = 0;
        for index in 0..self.journal.partitions(Topic::Quota).await.unwrap() {
            let end = self.journal.end(Partition { topic: Topic::Quota, index }).await.unwrap();
            tail += end.get() - begun.next(index).get();
        }
        tail
    }
}

#[tokio::test]
async fn a_snapshot_and_its_tail_come_to_what_the_journal_says() {
    let world = World::new().await;
    world.take().await;
    assert_eq!(world.tail().await, 0);
    assert_eq!(world.with_snapshot().await, world.truth().await);
    world.append(team("search", 20)).await;
    world.use_for(21..25).await;
    assert_eq!(world.tail().await, 1 + 4 * 3);
    assert_eq!(world.with_snapshot().await, world.truth().await);
}

#[tokio::test]
async fn a_snapshot_of_a_snapshot_is_one_of_the_journal() {
    let world = World::new().await;
    for round in 0..3 {
        world.use_for(100 * (round + 1)..100 * (round + 1) + 5).await;
        world.take().await;
        assert_eq!(world.tail().await, 0);
    }
    assert_eq!(world.with_snapshot().await, world.truth().await);
}

#[tokio::test]
async fn one_pool_is_rebuilt_up_to_a_mark_from_a_snapshot_as_from_the_journal() {
    let world = World::new().await;
    world.take().await;
    world.use_for(30..32).await;
    let pool: PoolId = "gpt".parse().unwrap();
    let mark = world.recorder.mark(Some(pool.clone()), at(33)).await.unwrap().unwrap();
    world.use_for(34..36).await;
    let none = Folded::default();
    let truth = rebuild::fold_pool(&world.journal, none, &pool, mark).await.unwrap();
    assert_eq!(world.snapshots.fold_pool(&world.journal, &pool, mark).await.unwrap(), truth);
    assert_ne!(truth, world.truth().await.ledgers[&pool], "what came after the mark is not in it");
}

/// Whatever is done to the file, the state is what the journal says.
async fn is_left_aside(world: &World, harm: impl FnOnce(&Path)) {
    harm(&world.file());
    let records = u64::try_from(1 + POOLS.len() * 12).unwrap();
    assert_eq!(world.tail().await, records, "all is read from the journal");
    assert_eq!(world.with_snapshot().await, world.truth().await);
    world.take().await;
    assert_eq!(world.tail().await, 0, "the next snapshot is in its place");
}

#[tokio::test]
async fn a_snapshot_that_is_gone_torn_or_damaged_anywhere_is_left_aside() {
    let world = World::new().await;
    world.take().await;
    is_left_aside(&world, |file| fs::remove_file(file).unwrap()).await;
    let whole = fs::read(world.file()).unwrap();
    for cut in [0, 5, 40, whole.len() / 2, whole.len() - 1] {
        is_left_aside(&world, |file| fs::write(file, &whole[..cut]).unwrap()).await;
    }
    for place in (0..whole.len()).step_by(whole.len() / 23) {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x10;
        is_left_aside(&world, |file| fs::write(file, &damaged).unwrap()).await;
    }
}

#[tokio::test]
async fn a_snapshot_of_an_older_format_is_left_aside() {
    let world = World::new().await;
    world.take().await;
    is_left_aside(&world, |file| {
        let frames = framed_log::read_from(file, 0).unwrap();
        let mut frames: Vec<_> = frames.map(|frame| frame.unwrap().1).collect();
        assert_eq!(frames[1][0], 8, "the format stands first");
        frames[1][1] -= 1;
        fs::remove_file(file).unwrap();
        let (mut log, _) = FramedLog::open(file).unwrap();
        for frame in &frames {
            log.append(frame).unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_of_another_journal_or_ahead_of_this_one_is_left_aside() {
    let (here, elsewhere) = (World::new().await, World::new().await);
    elsewhere.take().await;
    here.take().await;
    is_left_aside(&here, |file| assert!(fs::copy(elsewhere.file(), file).is_ok())).await;
    elsewhere.use_for(40..60).await;
    elsewhere.take().await;
    is_left_aside(&here, |file| assert!(fs::copy(elsewhere.file(), file).is_ok())).await;
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_made_after_so_many_events_and_not_before() {
    let world = World::new().await;
    let stop = CancellationToken::new();
    let tasks = weir_runtime::tasks::Tasks::new();
    tasks.spawn(world.snapshots.clone().keep(world.recorder.clone(), stop.clone()));
    tokio::time::sleep(LOOK * 3).await;
    assert!(!world.file().exists(), "nothing has happened since it began");
    world.use_for(70..72).await;
    until(|| world.file().exists()).await;
    assert_eq!(world.with_snapshot().await, world.truth().await);
    stop.cancel();
    assert!(tasks.drain(LOOK * 3).await);
}

async fn until(mut so: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if so() {
            return;
        }
        tokio::time::sleep(LOOK / 100).await;
        std::thread::yield_now();
    }
    panic!("it never became so");
}
