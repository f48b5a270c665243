//! The critical section and the writer behind it: nobody sees what the journal does not have.

mod race;
mod steady;
mod world;

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::poll;
use weir_domain::amount::Tokens;
use weir_domain::ledger::Refusal;
use weir_proto::record::Topic;
use weir_runtime::journal::memory::Fault;

use super::section::{TICK, WAITING_MAX};
use crate::no_decision::NoDecision;
use world::{World, chat, reserve, settle};

/// After the first hold, of 300 out of 1,000: a quarter of the rest is drawn ahead of more demand.
const HELD_AND_AHEAD: Tokens = Tokens::new(300 + 700 / 4);

#[tokio::test]
async fn nobody_is_told_of_a_reservation_before_the_journal_has_it() {
    let world = World::new().await;
    world.journal.faults().hold_appends();
    let (ask, chat) = (reserve(1, 300), chat());
    let (mut reserving, mut reading) =
        (pin!(world.pool.reserve(&ask)), pin!(world.pool.headroom(&chat, None)));
    assert!(poll!(&mut reserving).is_pending());
    assert!(poll!(&mut reading).is_pending());
    world.settle_down().await;
    assert!(poll!(&mut reserving).is_pending(), "admitted before it was recorded");
    assert!(poll!(&mut reading).is_pending(), "shown before it was recorded");
    world.journal.faults().release_appends();
    assert!(reserving.await.unwrap().decision.is_ok());
    assert_eq!(reading.await.unwrap().unwrap().totals.outstanding, HELD_AND_AHEAD);
}

#[tokio::test]
async fn what_a_recorded_slice_covers_is_admitted_at_once_while_an_append_is_in_flight() {
    let world = World::new().await;
    let first = world.admit(1, 10).await;
    world.admit(2, 10).await;
    world.settle_down().await;
    world.journal.faults().hold_appends();
    let settle = settle(first, 10);
    let mut settling = pin!(world.pool.settle(&settle));
    assert!(poll!(&mut settling).is_pending());
    world.settle_down().await;
    let ask = reserve(3, 5);
    let Poll::Ready(Ok(reserved)) = poll!(&mut pin!(world.pool.reserve(&ask))) else {
        panic!("what was drawn ahead suffices");
    };
    assert!(reserved.decision.is_ok());
    assert!(poll!(&mut settling).is_pending(), "settled before it was recorded");
    world.journal.faults().release_appends();
    assert!(settling.await.unwrap());
}

#[tokio::test]
async fn what_was_decided_together_fails_together_and_leaves_nothing() {
    let world = World::new().await;
    world.journal.faults().next_append(Topic::Quota, Fault::Rejected);
    let (one, two, three, chat) = (reserve(1, 900), reserve(2, 900), reserve(3, 5), chat());
    let (one, two, seen) =
        tokio::join!(world.pool.reserve(&one), world.pool.reserve(&two), world.pool.headroom(&chat, None));
    assert!(matches!(one, Err(NoDecision::NotRecorded { .. })), "{one:?}");
    assert!(
        matches!(two, Err(NoDecision::NotRecorded { .. })),
        "a refusal that rests on what was lost: {two:?}"
    );
    assert!(seen.is_err(), "{seen:?}");
    let now = world.pool.reserve(&three).await;
    assert!(matches!(now, Err(NoDecision::NotRecorded { .. })), "the ledger is not rebuilt yet: {now:?}");
    world.found_again().await;
    world.admit(2, 900).await;
}

#[tokio::test]
async fn a_refusal_names_what_is_left() {
    let world = World::new().await;
    world.admit(1, 900).await;
    let refused = world.pool.reserve(&reserve(2, 900)).await.unwrap().decision.unwrap_err();
    let Refusal::CapacityUsed(used) = &refused.refusal else { panic!("{refused:?}") };
    assert_eq!((used.asked, used.guaranteed), (Tokens::new(900), Tokens::new(100)));
}

#[tokio::test]
async fn more_calls_than_may_wait_are_told_so_at_once() {
    let world = World::new().await;
    world.journal.faults().hold_appends();
    let asks: Vec<_> = (0..WAITING_MAX as u128).map(|number| reserve(number, 0)).collect();
    let mut waiting: Vec<_> = asks.iter().map(|ask| Box::pin(world.pool.reserve(ask))).collect();
    for call in &mut waiting {
        assert!(poll!(call).is_pending());
    }
    let turned_away = world.pool.headroom(&chat(), None).await;
    assert!(matches!(turned_away, Err(NoDecision::Busy { waiting: WAITING_MAX, .. })), "{turned_away:?}");
    world.journal.faults().release_appends();
    for call in waiting {
        assert!(call.await.unwrap().decision.is_ok());
    }
    assert!(world.pool.headroom(&chat(), None).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn while_the_journal_is_away_everybody_is_told_at_once_and_then_it_goes_on() {
    let world = World::new().await;
    for _ in 0..3 {
        world.journal.faults().next_append(Topic::Quota, Fault::Rejected);
    }
    for _ in 0..100 {
        assert!(world.pool.reserve(&reserve(1, 300)).await.is_err());
    }
    world.found_again().await;
    world.admit(1, 300).await;
    assert_eq!(world.headroom().await.totals.outstanding, HELD_AND_AHEAD);
    assert_eq!(world.pool.losses(), 1);
}

#[tokio::test]
async fn a_step_that_panics_is_forgotten_and_the_ledger_is_rebuilt() {
    let world = World::new().await;
    world.admit(1, 300).await;
    let pool = world.pool.clone();
    let panicked = std::thread::spawn(move || {
        let _ = pool.step(1, |_| -> weir_domain::desk::Answer<()> { panic!("on purpose") });
    });
    assert!(panicked.join().is_err());
    assert!(world.pool.reserve(&reserve(2, 1)).await.is_err(), "nobody trusts the desk now");
    world.found_again().await;
    assert_eq!(world.headroom().await.totals.outstanding, HELD_AND_AHEAD, "what was drawn counts as spent");
    world.admit(3, 1).await;
}

#[tokio::test(start_paused = true)]
async fn what_lies_idle_comes_back_within_a_second_with_nobody_asking() {
    let world = World::new().await;
    let hold = world.admit(1, 400).await;
    world.admit(2, 100).await;
    world.admit(3, 100).await;
    assert!(world.pool.settle(&settle(hold, 100)).await.unwrap());
    world.settle_down().await;
    assert!(world.replayed().await.totals().outstanding > Tokens::new(200), "some lies idle");
    world.clock.advance(Duration::from_secs(1));
    tokio::time::sleep(TICK * 2).await;
    assert_eq!(world.replayed().await.totals().outstanding, Tokens::new(200), "only what is held");
}

#[tokio::test]
async fn a_clean_end_gives_back_what_is_in_hand() {
    let world = World::new().await;
    world.admit(1, 100).await;
    world.admit(2, 100).await;
    world.settle_down().await;
    assert!(world.headroom().await.totals.outstanding > Tokens::new(200), "some is drawn ahead");
    world.tasks.begin_shutdown();
    assert!(world.tasks.drain(Duration::from_secs(10)).await);
    let after = world.pool.reserve(&reserve(3, 1)).await;
    assert_eq!(after, Err(NoDecision::ShuttingDown));
    assert_eq!(world.replayed().await.totals().outstanding, Tokens::new(200));
}
