//! How much a steady stream of requests puts into the journal: a bounded number of records a second, whatever its rate.

use std::time::Duration;

use weir_domain::fact::QuotaFact;
use weir_domain::ledger::Moved;
use weir_proto::codec::quota_event_from_record;
use weir_proto::record::Topic;
use weir_runtime::journal::{Journal, Partition};

use super::super::pace::COMMITS_PER_SECOND_MAX;
use super::world::{World, reserve, settle};

/// Movements of slices in the journal: drawn, sealed.
async fn slices(world: &World) -> (usize, usize) {
    let (mut drawn, mut sealed) = (0, 0);
    for index in 0..world.journal.partitions(Topic::Quota).await.unwrap() {
        let partition = Partition { topic: Topic::Quota, index };
        let end = world.journal.end(partition).await.unwrap().get();
        let mut reader = world.journal.read(partition, weir_runtime::journal::Offset::ZERO).await.unwrap();
        let count = usize::try_from(end).unwrap();
        let records = if count == 0 { vec![] } else { reader.next(count, Duration::ZERO).await.unwrap() };
        for stored in records {
            let fact = quota_event_from_record(&stored.record).unwrap().fact;
            let QuotaFact::Moved { movements, .. } = fact else { continue };
            drawn += movements.iter().filter(|moved| matches!(moved.what, Moved::Drawn(_))).count();
            sealed += movements.iter().filter(|moved| matches!(moved.what, Moved::Sealed { .. })).count();
        }
    }
    (drawn, sealed)
}

#[tokio::test(start_paused = true)]
async fn a_steady_stream_of_reservations_draws_a_few_slices_a_second() {
    const SECONDS: u128 = 10;
    const PER_SECOND: u128 = 100;
    let world = World::with_baseline(6_000_000).await;
    for number in 0..SECONDS * PER_SECOND {
        let at = world.pool.reserve(&reserve(number, 500)).await.unwrap();
        assert!(at.decision.is_ok(), "{number}: {at:?}");
        world.clock.advance(Duration::from_millis(10));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (drawn, sealed) = slices(&world).await;
    let most = usize::try_from(SECONDS * 4).unwrap();
    assert!((10..=most).contains(&drawn), "{drawn} slices for {} requests", SECONDS * PER_SECOND);
    assert!(sealed <= drawn, "{sealed} of {drawn}");
    let records = world.records().await;
    assert!(records <= 10 * 12, "{records} records in {SECONDS} s");
}

#[tokio::test(start_paused = true)]
async fn settles_one_after_another_make_no_more_commits_a_second_than_the_pace_allows() {
    const SETTLES: u128 = 6_000;
    let world = World::with_baseline(6_000_000).await;
    let begun = tokio::time::Instant::now();
    for number in 0..SETTLES {
        let hold = world.admit(number, 1).await;
        assert!(world.pool.settle(&settle(hold, 1)).await.unwrap());
    }
    let (elapsed, records) = (begun.elapsed(), u128::from(world.records().await));
    let allowed = COMMITS_PER_SECOND_MAX * (elapsed.as_millis() + 100) / 1_000 + 2;
    assert!(records <= allowed, "{records} records in {elapsed:?}, {allowed} allowed");
    assert!(records >= SETTLES, "each of these waited for its own record: {records}");
}

#[tokio::test]
async fn settles_that_come_together_share_a_record() {
    const SETTLES: u128 = 1_000;
    let world = World::with_baseline(6_000_000).await;
    let mut holds = Vec::new();
    for number in 0..SETTLES {
        holds.push(world.admit(number, 1).await);
    }
    let before = world.records().await;
    let asks: Vec<_> = holds.into_iter().map(|hold| settle(hold, 1)).collect();
    let settled = futures_util::future::join_all(asks.iter().map(|ask| world.pool.settle(ask))).await;
    assert!(settled.into_iter().all(|charged| charged == Ok(true)));
    let records = world.records().await - before;
    assert!(records <= 2, "{records} records for {SETTLES} settles at once");
}
