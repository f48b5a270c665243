//! The write-ahead log over restarts, failures and full segments.

use super::*;
use std::time::Duration;
use weir_domain::amount::Tokens;
use weir_domain::time::Timestamp;
use weir_domain::usage::{AttemptOutcome, Operation, TokenUsage, UsageBounds, UsageSource};

/// An attempt of a number, all of whose names are `x`.
pub(crate) fn started(number: u128) -> AttemptStarted {
    fn name<T: std::str::FromStr<Err: std::fmt::Debug>>() -> T {
        "x".parse().unwrap()
    }
    AttemptStarted {
        attempt: AttemptId::new(number),
        request: weir_domain::ids::RequestId::new(1),
        node: name(),
        attempt_number: 1,
        team: name(),
        service: name(),
        caller_key: name(),
        pool: name(),
        upstream: name(),
        deployment: name(),
        model: name(),
        operation: Operation::ChatCompletions,
        streamed: false,
        started: Timestamp::from_secs(1),
        hold: weir_domain::ids::HoldId::new(1),
        held: Tokens::new(100),
        input: Tokens::new(10),
        traceparent: String::new(),
    }
}

fn ended(number: u128) -> AttemptEnded {
    AttemptEnded {
        attempt: AttemptId::new(number),
        ended: Timestamp::from_secs(2),
        first_byte_after: None,
        upstream_status: Some(200),
        outcome: AttemptOutcome::Completed,
        usage: TokenUsage::default(),
        usage_source: UsageSource::Reported,
        bounds: UsageBounds::exact(Tokens::ZERO),
    }
}

const SEGMENT_BYTES: u64 = 400;

fn open(dir: &Path) -> (Wal, Vec<Unfinished>) {
    Wal::open(dir, Fsync::Never, SEGMENT_BYTES).unwrap()
}

fn finish(wal: &Wal, number: u128) {
    wal.end(&ended(number)).unwrap();
    wal.mark(Step::Published, &[AttemptId::new(number)]).unwrap();
    wal.mark(Step::Settled, &[AttemptId::new(number)]).unwrap();
}

fn files(dir: &Path) -> usize {
    let is_wal =
        |entry: &std::fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "wal");
    std::fs::read_dir(dir).unwrap().map(Result::unwrap).filter(is_wal).count()
}

#[test]
fn every_attempt_comes_back_as_far_as_it_got() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = open(dir.path());
    for number in 1..=5 {
        let _ = wal.start(&started(number)).unwrap();
    }
    finish(&wal, 1);
    wal.end(&ended(2)).unwrap();
    wal.end(&ended(3)).unwrap();
    wal.mark(Step::Published, &[AttemptId::new(3)]).unwrap();
    wal.end(&ended(4)).unwrap();
    wal.mark(Step::Settled, &[AttemptId::new(4)]).unwrap();
    drop(wal);

    let (wal, unfinished) = open(dir.path());
    let left: Vec<_> = unfinished
        .iter()
        .map(|it| (it.started.attempt.as_u128(), it.ended.is_some(), it.published, it.settled))
        .collect();
    assert_eq!(
        left,
        [(2, true, false, false), (3, true, true, false), (4, true, false, true), (5, false, false, false)]
    );
    assert_eq!(unfinished[0].started, started(2));
    assert_eq!(wal.undone(), 4);
}

#[test]
fn a_file_goes_when_all_that_began_in_it_is_done_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = open(dir.path());
    let _ = wal.start(&started(1)).unwrap();
    for number in 2..=20 {
        let _ = wal.start(&started(number)).unwrap();
        finish(&wal, number);
    }
    assert!(files(dir.path()) > 5, "the first attempt holds all files");
    drop(wal);

    let (wal, unfinished) = open(dir.path());
    assert_eq!(unfinished.len(), 1, "marks in later files count");
    finish(&wal, 1);
    assert_eq!(files(dir.path()), 1);
    drop(wal);
    assert_eq!(open(dir.path()).1, []);
}

#[test]
fn a_record_that_was_not_written_whole_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = open(dir.path());
    let _ = wal.start(&started(1)).unwrap();
    let _ = wal.start(&started(2)).unwrap();
    let path = wal.lock().active.path().to_owned();
    drop(wal);
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
    let (_, unfinished) = open(dir.path());
    assert_eq!(unfinished.iter().map(|it| it.started.attempt.as_u128()).collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn a_start_waits_for_the_disk_where_the_settings_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = Wal::open(dir.path(), Fsync::Always, SEGMENT_BYTES).unwrap();
    let mut first = Box::pin(wal.start(&started(1)).unwrap().durable());
    let second = wal.start(&started(2)).unwrap();
    assert!(
        tokio::time::timeout(Duration::from_millis(1), &mut first).await.is_err(),
        "nobody has synced yet"
    );
    let stop = tokio_util::sync::CancellationToken::new();
    let syncing = wal.keep_synced(stop.clone());
    let waiting = async {
        first.await.unwrap();
        second.durable().await.unwrap();
        stop.cancel();
    };
    tokio::join!(syncing, waiting);
}

#[tokio::test]
async fn a_full_file_is_synced_by_the_syncer_and_not_by_whoever_fills_it() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = Wal::open(dir.path(), Fsync::Always, SEGMENT_BYTES).unwrap();
    let mut first = Box::pin(wal.start(&started(1)).unwrap().durable());
    while wal.lock().closed.is_empty() {
        wal.end(&ended(1)).unwrap();
    }
    assert!(
        tokio::time::timeout(Duration::from_millis(1), &mut first).await.is_err(),
        "nobody has synced yet"
    );
    wal.sync().await;
    first.await.unwrap();
    assert!(wal.lock().closed.is_empty());
}

#[tokio::test]
async fn a_disk_that_is_far_behind_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = Wal::open(dir.path(), Fsync::IntervalMs(60_000), 1).unwrap();
    for number in 1..=UNSYNCED_FILES_MAX as u128 + 3 {
        wal.start(&started(number)).unwrap().durable().await.unwrap();
    }
    assert_eq!(wal.lock().closed.len(), UNSYNCED_FILES_MAX);
}

#[tokio::test]
async fn whoever_waits_for_a_file_that_cannot_be_synced_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = Wal::open(dir.path(), Fsync::Always, SEGMENT_BYTES).unwrap();
    let late = wal.start(&started(1)).unwrap();
    let file = wal.lock().active_file.clone();
    wal.lock().abandon(&file, &Err(io::Error::other("a test asked for it")));
    assert!(late.durable().await.is_err());

    let late = wal.start(&started(2)).unwrap();
    let file = wal.lock().active_file.clone();
    while wal.lock().closed.is_empty() {
        wal.end(&ended(2)).unwrap();
    }
    wal.lock().abandon(&file, &Err(io::Error::other("a test asked for it")));
    assert!(late.durable().await.is_err());
    assert!(wal.lock().closed.is_empty());
}

#[tokio::test]
async fn no_start_waits_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = Wal::open(dir.path(), Fsync::IntervalMs(60_000), SEGMENT_BYTES).unwrap();
    wal.start(&started(1)).unwrap().durable().await.unwrap();
}

#[test]
fn a_second_process_is_kept_out() {
    let dir = tempfile::tempdir().unwrap();
    let _open = open(dir.path());
    assert!(matches!(Wal::open(dir.path(), Fsync::Never, SEGMENT_BYTES), Err(WalError::Locked(_))));
}
