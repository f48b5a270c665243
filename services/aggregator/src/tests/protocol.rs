//! Exactly once in effect, whatever happens at whatever step.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use weir_domain::time::Timestamp;
use weir_proto::record::Record;
use weir_runtime::clock::ManualClock;
use weir_runtime::health::Health;
use weir_runtime::journal::{Committed, Offset};

use super::samples::{DECEMBER_SECS, NOVEMBER_SECS, poison, refusals, usage, usage_between};
use super::world::{Fault, PARTITION, World};
use crate::config::{Config, Limits};
use crate::trouble::{Backoff, Pauses, Troubles};
use crate::worker::{End, Worker};

/// How one life of a worker ended.
#[derive(Debug, PartialEq, Eq)]
enum Life {
    Crashed,
    CaughtUp,
    Ended(End),
}

async fn live(world: &World, records_max: usize) -> Life {
    let stop = CancellationToken::new();
    let troubles = Troubles::new(Health::default().component("aggregator"));
    let pauses = Pauses::new(&Config::default());
    let worker = Worker {
        partition: PARTITION,
        journal: Arc::new(world.clone()),
        warehouse: Arc::new(world.clone()),
        commits: Box::new(world.clone()),
        clock: Arc::new(ManualClock::new(Timestamp::from_secs(DECEMBER_SECS))),
        turns: Arc::new(Semaphore::new(1)),
        limits: Limits { records_max, bytes_max: 1 << 20, linger: Duration::from_millis(5) },
        backoff: Backoff::new("worker".into(), troubles, pauses, stop.clone()),
        stop,
    };
    if world.is_caught_up() {
        return Life::CaughtUp;
    }
    let committed = world.state().committed.clone();
    tokio::select! {
        biased;
        () = world.crashed.notified() => Life::Crashed,
        () = world.caught_up.notified() => Life::CaughtUp,
        end = worker.run(committed) => Life::Ended(end),
    }
}

/// Two months, refusals, poison, a fact repeated within a batch of three and facts repeated across batches.
fn journal() -> Vec<Record> {
    vec![
        usage(1, NOVEMBER_SECS),
        usage(2, DECEMBER_SECS),
        usage(1, NOVEMBER_SECS),
        poison(),
        refusals(3, NOVEMBER_SECS),
        usage(2, DECEMBER_SECS),
        usage(4, NOVEMBER_SECS + 7_200),
        refusals(3, NOVEMBER_SECS),
    ]
}

/// Where each fact is, as text that is easy to read in a failure.
fn content(world: &World) -> Vec<String> {
    let state = world.state();
    let mut rows: Vec<String> = state
        .tables
        .iter()
        .flat_map(|(table, rows)| {
            rows.iter().map(move |row| format!("{} {}@{}", table.name(), row.fact, row.offset))
        })
        .collect();
    rows.sort();
    rows
}

fn expected() -> [&'static str; 4] {
    ["refusals 3@4", "usage_events 1@0", "usage_events 2@1", "usage_events 4@6"]
}

fn assert_right(world: &World, case: &str) {
    world.let_everything_arrive();
    assert_eq!(content(world), expected(), "{case}");
    let state = world.state();
    assert_eq!(state.committed, Some(Committed { offset: state.end(), metadata: String::new() }), "{case}");
    let ids: std::collections::BTreeSet<_> = state.letters.iter().map(letter_id).collect();
    assert_eq!(ids.into_iter().collect::<Vec<_>>(), ["weir.usage.v1/0/3"], "{case}");
}

fn letter_id(letter: &Record) -> String {
    let (_, id) = letter.headers.iter().find(|(name, _)| name == "ce_id").unwrap();
    String::from_utf8(id.to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_fact_is_stored_once_and_poison_is_set_aside() {
    let world = World::of(journal());
    assert_eq!(live(&world, 3).await, Life::CaughtUp);
    assert_right(&world, "no fault");
    assert_eq!(world.state().letters.len(), 1);
    assert!(world.state().inserts.iter().all(|rows| *rows <= 3));
}

/// A gateway published the end of an attempt, lost it in two power cuts, and estimated it anew after each.
#[tokio::test(start_paused = true)]
async fn the_same_id_with_another_end_counts_once() {
    let started = DECEMBER_SECS - 10;
    for records_max in 1..=4 {
        let world = World::of(vec![
            usage_between(1, started, started + 5),
            usage(2, DECEMBER_SECS + 7_200),
            usage_between(1, started, DECEMBER_SECS + 3_600),
            usage_between(1, started, DECEMBER_SECS + 90_000),
        ]);
        assert_eq!(live(&world, records_max).await, Life::CaughtUp);
        assert_eq!(content(&world), ["usage_events 1@0", "usage_events 2@1"], "batches of {records_max}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_fact_is_stored_once_whatever_happens_at_any_one_step() {
    for fault in Fault::ALL {
        for step in 0.. {
            let world = World::of(journal());
            world.plan(Some((step, fault)));
            let life = live(&world, 3).await;
            let done = world.is_fault_ahead();
            if life == Life::Crashed {
                world.plan(None);
                assert_eq!(live(&world, 3).await, Life::CaughtUp, "{fault:?} at {step}");
            }
            assert_right(&world, &format!("{fault:?} at {step}"));
            if done {
                assert!(step > 20, "{fault:?} was tried at {step} steps only");
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_fact_is_stored_once_whatever_happens_at_any_two_steps() {
    let crashes =
        [Fault::CrashAfter, Fault::CrashAfterFirstPart, Fault::CrashAndForgetRows, Fault::FailAfter];
    for (first, second) in crashes.iter().flat_map(|first| crashes.map(|second| (*first, second))) {
        for step in 0.. {
            if !survives_two(step, first, second).await {
                break;
            }
        }
    }
}

/// Tries every second step after the first. False if the first fault's step does not exist.
async fn survives_two(step: usize, first: Fault, second: Fault) -> bool {
    for next in 0.. {
        let case = format!("{first:?} at {step}, then {second:?} at {next}");
        let world = World::of(journal());
        world.plan(Some((step, first)));
        let life = live(&world, 3).await;
        if world.is_fault_ahead() {
            return false;
        }
        if life != Life::Crashed {
            return true;
        }
        world.plan(Some((next, second)));
        let life = live(&world, 3).await;
        let done = world.is_fault_ahead();
        if life == Life::Crashed {
            world.plan(None);
            assert_eq!(live(&world, 3).await, Life::CaughtUp, "{case}");
        }
        assert_right(&world, &case);
        if done {
            break;
        }
    }
    true
}

#[tokio::test(start_paused = true)]
async fn commits_that_are_lost_do_not_make_rows_twice() {
    for (committed, records_max) in [(0, 2), (2, 5), (5, 8), (0, 100)] {
        let world = World::of(journal());
        assert_eq!(live(&world, 3).await, Life::CaughtUp);
        let offset = Offset::new(committed);
        world.state().committed = Some(Committed { offset, metadata: String::new() });
        assert_eq!(live(&world, records_max).await, Life::CaughtUp);
        assert_right(&world, &format!("back to {committed}, batches of {records_max}"));
    }
}

#[tokio::test(start_paused = true)]
async fn tables_of_another_journal_are_not_added_to() {
    let world = World::of(journal());
    assert_eq!(live(&world, 3).await, Life::CaughtUp);
    let before = content(&world);
    world.state().records.truncate(2);
    world.state().committed = None;
    let Life::Ended(End::Stuck(why)) = live(&world, 3).await else { panic!("it went on") };
    assert!(why.contains("another journal"), "{why}");
    assert_eq!(content(&world), before);
}

#[tokio::test(start_paused = true)]
async fn an_intent_that_nobody_understands_stops_the_partition() {
    let world = World::of(journal());
    world.state().committed = Some(Committed { offset: Offset::ZERO, metadata: "later version".into() });
    assert!(matches!(live(&world, 3).await, Life::Ended(End::Stuck(_))));
    assert_eq!(content(&world), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_record_larger_than_a_batch_goes_alone() {
    let world = World::of(vec![usage(1, NOVEMBER_SECS), usage(2, NOVEMBER_SECS), usage(3, NOVEMBER_SECS)]);
    let journal: Arc<dyn weir_runtime::journal::Journal> = Arc::new(world);
    let mut intake = crate::intake::Intake::open(journal.as_ref(), PARTITION, Offset::ZERO).await.unwrap();
    let limits = Limits { records_max: 10, bytes_max: 1, linger: Duration::from_millis(5) };
    for offset in 0..3 {
        assert!(intake.has_records().await.unwrap());
        let batch = intake.cut(limits).await.unwrap();
        assert_eq!(batch.iter().map(|stored| stored.offset.get()).collect::<Vec<_>>(), [offset]);
    }
}
