//! The writer's critical section: nobody sees what the journal does not have.

use futures_util::poll;
use std::pin::pin;
use std::task::Poll;
use weir_domain::amount::{Tokens, TokensPerMinute};
use weir_domain::ids::{HoldId, NodeId};
use weir_domain::ledger::Terms;
use weir_domain::policy::Pool;
use weir_domain::time::Timestamp;
use weir_proto::record::Topic;
use weir_runtime::clock::ManualClock;
use weir_runtime::journal::memory::{Fault, MemoryJournal};

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_750_000_000);

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

fn reserve(number: u128, tokens: u64) -> Reserve {
    let ms = u128::try_from(NOW.as_millis()).unwrap();
    Reserve {
        hold: HoldId::new((ms << 80) | (7 << 76) | number),
        service: id("chat"),
        tokens: Tokens::new(tokens),
    }
}

/// A pool in which `chat` may take 1,000 at once.
async fn pool(journal: &Arc<MemoryJournal>) -> PoolHandle {
    let recorder = Recorder::new(journal.clone(), NodeId::try_new("quota-1").unwrap());
    let pools = Pools::new(recorder, Arc::new(ManualClock::new(NOW)), Tasks::new());
    let handle = pools.start(&id("gpt"), Ledger::default());
    let capacity = TokensPerMinute::new(60_000);
    let define = Change::DefinePool(Pool { id: id("gpt"), capacity, models: vec![], deployments: vec![] });
    let terms = Terms { baseline: TokensPerMinute::new(6_000), request_max: Tokens::new(1_000) };
    let allocate = Change::SetAllocation { service: id("chat"), terms };
    let by = Authorship { author: "ada".into(), reason: "test".into(), at: NOW };
    handle.change(by, vec![define, allocate]).await.unwrap().unwrap();
    handle
}

/// Lets every other task run until it waits: on one thread, none runs while this one does.
async fn settle_down() {
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn nobody_is_told_of_a_reservation_before_the_journal_has_it() {
    let journal = Arc::new(MemoryJournal::new());
    let pool = pool(&journal).await;
    journal.faults().hold_appends();
    let (mut reserving, mut reading) = (pin!(pool.reserve(reserve(1, 300))), pin!(pool.headroom(id("chat"))));
    assert!(poll!(&mut reserving).is_pending());
    assert!(poll!(&mut reading).is_pending());
    settle_down().await;
    assert!(poll!(&mut reserving).is_pending(), "admitted before it was recorded");
    assert!(poll!(&mut reading).is_pending(), "shown before it was recorded");
    journal.faults().release_appends();
    assert!(reserving.await.unwrap().decision.is_ok());
    assert_eq!(reading.await.unwrap().unwrap().totals.held, Tokens::new(300));
}

#[tokio::test]
async fn what_was_decided_together_fails_together_and_leaves_nothing() {
    let journal = Arc::new(MemoryJournal::new());
    let pool = pool(&journal).await;
    journal.faults().next_append(Topic::Quota, Fault::Rejected);
    let (one, two, seen) =
        tokio::join!(pool.reserve(reserve(1, 900)), pool.reserve(reserve(2, 900)), pool.headroom(id("chat")));
    assert!(matches!(one, Err(NoDecision::NotRecorded { .. })), "{one:?}");
    assert!(
        matches!(two, Err(NoDecision::NotRecorded { .. })),
        "a refusal that rests on what was lost: {two:?}"
    );
    assert!(seen.is_err(), "{seen:?}");
    assert!(pool.reserve(reserve(2, 900)).await.unwrap().decision.is_ok());
}

#[tokio::test]
async fn more_calls_than_the_writer_takes_are_told_so_at_once() {
    let journal = Arc::new(MemoryJournal::new());
    let pool = pool(&journal).await;
    journal.faults().hold_appends();
    let first = pool.reserve(reserve(0, 1));
    let mut first = pin!(first);
    assert!(poll!(&mut first).is_pending());
    settle_down().await;
    let mut waiting: Vec<_> =
        (1..=WAITING_MAX as u128).map(|number| Box::pin(pool.reserve(reserve(number, 0)))).collect();
    for call in &mut waiting {
        assert!(poll!(call).is_pending());
    }
    let mut turned_away = pin!(pool.headroom(id("chat")));
    assert!(matches!(
        poll!(&mut turned_away),
        Poll::Ready(Err(NoDecision::Busy { waiting: WAITING_MAX, .. }))
    ));
    journal.faults().release_appends();
    assert!(first.await.unwrap().decision.is_ok());
    for call in waiting {
        assert!(call.await.unwrap().decision.is_ok());
    }
}

#[tokio::test]
async fn while_the_journal_is_away_nobody_waits_for_ever() {
    let journal = Arc::new(MemoryJournal::new());
    let pool = pool(&journal).await;
    for _ in 0..3 {
        journal.faults().next_append(Topic::Quota, Fault::Rejected);
    }
    let mut undecided = 0;
    while pool.reserve(reserve(1, 300)).await.is_err() {
        undecided += 1;
    }
    assert!((1..=3).contains(&undecided), "{undecided}");
    assert_eq!(pool.headroom(id("chat")).await.unwrap().unwrap().totals.held, Tokens::new(300));
}
