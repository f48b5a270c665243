//! The reserve/commit race: many ask at once while the journal delays and fails. A reader outside of the critical section
//! would see what is then lost, or admit what others have taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use weir_domain::desk::Headroom;
use weir_domain::ids::HoldId;
use weir_proto::record::Topic;
use weir_runtime::journal::memory::Fault;

use super::super::PoolHandle;
use super::world::{World, chat, reserve, settle};

const CALLERS: u128 = 16;
const CALLS: u128 = 40;
const TOKENS: u64 = 7;

/// Asks until there is a decision, as a gateway does.
macro_rules! until_decided {
    ($call:expr) => {
        loop {
            match $call.await {
                Ok(decision) => break decision,
                Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    };
}

#[derive(Default)]
struct Sums {
    admitted: AtomicU64,
    charged: AtomicU64,
}

async fn call(pool: PoolHandle, caller: u128, sums: Arc<Sums>) -> Vec<HoldId> {
    let mut kept = Vec::new();
    for number in 0..CALLS {
        let ask = reserve(caller << 32 | number, TOKENS);
        let Ok(admitted) = until_decided!(pool.reserve(&ask)).decision else { continue };
        sums.admitted.fetch_add(TOKENS, Ordering::SeqCst);
        if number % 2 == 0 {
            kept.push(admitted.hold);
            continue;
        }
        let settle = settle(admitted.hold, TOKENS);
        // One that was recorded although nobody was told is not charged again, and counts once.
        until_decided!(pool.settle(&settle));
        assert!(!until_decided!(pool.settle(&settle)), "charged twice");
        sums.charged.fetch_add(TOKENS, Ordering::SeqCst);
    }
    kept
}

/// What anybody sees holds for ever: sums never fall, and always add up.
fn compare(before: &Headroom, seen: &Headroom) {
    let (was, is) = (before.totals, seen.totals);
    assert_eq!(
        is.drawn + is.overdrawn,
        is.settled + is.outstanding + is.returned + is.lapsed,
        "conservation: {is:?}"
    );
    assert!(was.settled <= is.settled, "a settle was seen and then lost: {was:?}, {is:?}");
    assert!(was.drawn <= is.drawn, "a slice was seen and then lost: {was:?}, {is:?}");
    assert!(was.returned <= is.returned, "what came back was seen and then lost: {was:?}, {is:?}");
}

async fn watch(pool: PoolHandle, over: Arc<AtomicBool>, sums: Arc<Sums>) -> u32 {
    let mut before = until_decided!(pool.headroom(&chat(), None)).unwrap();
    let mut observations = 0;
    while !over.load(Ordering::SeqCst) {
        let charged = sums.charged.load(Ordering::SeqCst);
        let seen = until_decided!(pool.headroom(&chat(), None)).unwrap();
        compare(&before, &seen);
        assert!(seen.totals.settled.get() >= charged, "what was acknowledged is not there");
        (before, observations) = (seen, observations + 1);
        tokio::task::yield_now().await;
    }
    observations
}

async fn disturb(world: &World, over: Arc<AtomicBool>) {
    let faults =
        [Fault::Rejected, Fault::Unknown { appended: 0 }, Fault::Unknown { appended: 1 }, Fault::Duplicated];
    for fault in faults.into_iter().cycle() {
        if over.load(Ordering::SeqCst) {
            return;
        }
        world.journal.faults().delay_appends(Duration::from_millis(2));
        world.journal.faults().next_append(Topic::Quota, fault);
        tokio::time::sleep(Duration::from_millis(23)).await;
        // Faults must not pile up while the ledger is rebuilt, or that never ends.
        until_decided!(world.pool.recorded());
    }
}

/// Settles for the first time. Where the last fault was still to come, it may have been recorded although nobody was told.
async fn settle_kept(pool: &PoolHandle, hold: HoldId) {
    let mut asked_before = false;
    loop {
        match pool.settle(&settle(hold, TOKENS)).await {
            Ok(charged) => return assert!(charged || asked_before, "what was admitted is in the journal"),
            Err(_) => asked_before = true,
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_sees_what_is_lost_nor_gets_what_others_have() {
    let world = Arc::new(World::new().await);
    let (over, sums) = (Arc::new(AtomicBool::new(false)), Arc::new(Sums::default()));
    let watchers: Vec<_> =
        (0..3).map(|_| world.tasks.spawn(watch(world.pool.clone(), over.clone(), sums.clone()))).collect();
    let (disturbed, disturbing) = (world.clone(), over.clone());
    let disturbance = world.tasks.spawn(async move { disturb(&disturbed, disturbing).await });
    let callers =
        (0..CALLERS).map(|caller| world.tasks.spawn(call(world.pool.clone(), caller, sums.clone())));
    let kept: Vec<HoldId> = futures_util::future::join_all(callers.collect::<Vec<_>>())
        .await
        .into_iter()
        .flat_map(Result::unwrap)
        .collect();
    over.store(true, Ordering::SeqCst);
    for watcher in watchers {
        assert!(watcher.await.unwrap() > 0);
    }
    disturbance.await.unwrap();

    assert!(world.pool.losses() > 0, "the journal has failed");
    let admitted = sums.admitted.load(Ordering::SeqCst);
    assert!(admitted <= 1_000, "{admitted} of 1,000 were admitted while the clock stood still");
    let seen = until_decided!(world.pool.headroom(&chat(), None)).unwrap();
    assert_eq!(seen.totals.settled.get(), sums.charged.load(Ordering::SeqCst), "every settle, once");
    for hold in kept {
        settle_kept(&world.pool, hold).await;
    }
    let last = until_decided!(world.pool.headroom(&chat(), None)).unwrap().totals;
    assert_eq!(last.settled.get(), admitted);
    assert_eq!(last, world.replayed().await.totals(), "the journal says the same");
}
