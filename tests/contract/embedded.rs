//! What only the embedded journal promises while it runs.

use std::sync::Arc;

use anyhow::{Context, ensure};
use libtest_mimic::Trial;
use weir_proto::record::Topic;
use weir_runtime::journal::config::{EmbeddedConfig, Fsync, Partitions};
use weir_runtime::journal::embedded::EmbeddedJournal;
use weir_runtime::journal::{AppendError, Committed, Journal, MemberEvent, Offset, Partition, SharedJournal};

use crate::engines::open;
use crate::promises::{WAIT, ends, read_keys, record};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("embedded::a_second_writer_is_told_who_the_first_is", a_second_writer_is_told_who_the_first_is),
        trial("embedded::a_reader_beside_the_writer_sees_what_is_on_disk", a_reader_beside_the_writer),
        trial(
            "embedded::what_was_opened_for_reading_takes_nothing",
            what_was_opened_for_reading_takes_nothing,
        ),
        trial("embedded::records_and_commits_are_there_after_a_restart", a_restart),
        trial("embedded::partitions_are_fixed_once_a_topic_exists", partitions_are_fixed_once_a_topic_exists),
        trial(
            "embedded::offsets_a_group_has_passed_never_come_again",
            offsets_a_group_has_passed_never_come_again,
        ),
    ]
}

const FIRST: Partition = Partition { topic: Topic::Quota, index: 0 };

fn config() -> EmbeddedConfig {
    let partitions = Partitions { usage: 2, quota: 1, deadletter: 1 };
    EmbeddedConfig {
        fsync: Fsync::IntervalMs(5),
        segment_bytes: 1024,
        partitions,
        ..EmbeddedConfig::default()
    }
}

fn read_only(dir: &std::path::Path) -> anyhow::Result<SharedJournal> {
    Ok(Arc::new(EmbeddedJournal::open_read_only(dir)?))
}

async fn a_second_writer_is_told_who_the_first_is() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let first = open(dir.path(), &config())?;
    let refused = open(dir.path(), &config()).err().context("two writers")?.to_string();
    ensure!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
    ensure!(refused.contains("stop that process"), "{refused}");
    drop(first);
    open(dir.path(), &config())?;
    Ok(())
}

async fn a_reader_beside_the_writer() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let writer = open(dir.path(), &config())?;
    let beside = read_only(dir.path())?;
    let mut reader = beside.read(FIRST, Offset::ZERO).await?;
    ensure!(reader.next(1, std::time::Duration::ZERO).await?.is_empty());
    // More than one segment, and more than one look at the active one.
    for number in 0..30 {
        let record = record("pool", vec![b'x'; 100]);
        let position = writer.append(Topic::Quota, vec![record.clone()]).await?[0];
        ensure!(beside.end(FIRST).await? == position.offset.next(), "{number}");
        let seen = reader.next(10, WAIT).await?;
        ensure!(seen.len() == 1 && seen[0].record == record && seen[0].offset == position.offset, "{number}");
    }
    let all = read_keys(&beside, &[(FIRST, Offset::ZERO)], |_| true).await?;
    ensure!(all.len() == 30);
    let mut member = writer.join("group", Topic::Quota).await?;
    ensure!(matches!(member.next(WAIT).await?, Some(MemberEvent::Assigned { .. })));
    let commit = Committed { offset: Offset::new(30), metadata: "done".to_owned() };
    member.commit(FIRST, commit.clone()).await?;
    ensure!(beside.committed("group", FIRST).await? == Some(commit));
    Ok(())
}

async fn what_was_opened_for_reading_takes_nothing() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    ensure!(EmbeddedJournal::open_read_only(dir.path()).is_err(), "there is no journal yet");
    drop(open(dir.path(), &config())?);
    let journal = read_only(dir.path())?;
    let refused = journal.append(Topic::Quota, vec![record("pool", "x")]).await;
    ensure!(matches!(&refused, Err(AppendError::Rejected { reason, .. }) if reason.contains("reading only")));
    ensure!(journal.join("group", Topic::Quota).await.is_err());
    ensure!(journal.end(FIRST).await? == Offset::ZERO);
    Ok(())
}

async fn a_restart() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let commit = Committed { offset: Offset::new(1), metadata: "to=3".to_owned() };
    let mut records = Vec::new();
    for round in 0..3 {
        let journal: SharedJournal = Arc::new(open(dir.path(), &config())?);
        let from: Vec<_> =
            ends(&journal, Topic::Usage).await?.iter().map(|it| (it.0, Offset::ZERO)).collect();
        let mut found = read_keys(&journal, &from, |_| true).await?;
        found.sort_by_key(|stored| String::from_utf8_lossy(&stored.record.key).parse::<u32>().ok());
        ensure!(found.into_iter().map(|it| it.record).eq(records.iter().cloned()), "round {round}");
        let mut member = journal.join("group", Topic::Quota).await?;
        let assigned = member.next(WAIT).await?;
        let committed = (round > 0).then(|| commit.clone());
        ensure!(assigned == Some(MemberEvent::Assigned { partition: FIRST, committed }), "{assigned:?}");
        if round == 0 {
            journal.append(Topic::Quota, vec![record("pool", "x")]).await?;
            member.commit(FIRST, commit.clone()).await?;
        }
        let next: Vec<_> = (0..40).map(|number| record(&(round * 40 + number).to_string(), "x")).collect();
        journal.append(Topic::Usage, next.clone()).await?;
        records.extend(next);
    }
    Ok(())
}

async fn partitions_are_fixed_once_a_topic_exists() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    drop(open(dir.path(), &config())?);
    let more = Partitions { usage: 8, ..config().partitions };
    let refused = open(dir.path(), &EmbeddedConfig { partitions: more, ..config() });
    let refused = refused.err().context("partitions changed")?.to_string();
    ensure!(
        refused.contains("weir.usage.v1") && refused.contains("it has 2") && refused.contains("set it to 2")
    );
    open(dir.path(), &config())?;
    Ok(())
}

async fn offsets_a_group_has_passed_never_come_again() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let config = EmbeddedConfig { segment_bytes: 1024 * 1024, ..config() };
    {
        let journal = open(dir.path(), &config)?;
        let mut member = journal.join("group", Topic::Quota).await?;
        member.next(WAIT).await?.context("assigned")?;
        journal.append(Topic::Quota, (0..10).map(|_| record("pool", "old")).collect()).await?;
        member.commit(FIRST, Committed { offset: Offset::new(10), metadata: String::new() }).await?;
    }
    // A power cut under a policy that allows it: the second half of the file is gone.
    let segment = dir.path().join("weir.quota.v1/0/00000000000000000000.log");
    let bytes = segment.metadata()?.len();
    std::fs::File::options().write(true).open(&segment)?.set_len(bytes / 2)?;
    for round in 0..2_u64 {
        let journal: SharedJournal = Arc::new(open(dir.path(), &config)?);
        let appended = journal.append(Topic::Quota, vec![record("pool", "new")]).await?[0];
        ensure!(appended.offset == Offset::new(10 + round), "{appended:?}");
        let read = read_keys(&journal, &[(FIRST, Offset::ZERO)], |_| true).await?;
        let offsets: Vec<_> = read.iter().map(|stored| stored.offset.get()).collect();
        let expected: Vec<_> = (0..5).chain(10..=10 + round).collect();
        ensure!(offsets == expected, "{offsets:?}");
    }
    Ok(())
}
