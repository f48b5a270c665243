//! What only the journal in memory can do: misbehave on command. (Its delays are tested beside it, in paused time.)

use std::sync::Arc;

use anyhow::ensure;
use futures_util::FutureExt;
use libtest_mimic::Trial;
use weir_proto::record::Topic;
use weir_runtime::journal::memory::{Fault, Faults, MemoryJournal};
use weir_runtime::journal::{AppendError, CommitError, Committed, MemberEvent, Offset, SharedJournal};

use crate::promises::{WAIT, ends, read_keys, record};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("memory::a_rejected_append_leaves_nothing", a_rejected_append_leaves_nothing),
        trial("memory::an_unknown_append_may_leave_some", an_unknown_append_may_leave_some),
        trial("memory::a_duplicated_append_is_there_twice", a_duplicated_append_is_there_twice),
        trial("memory::a_held_append_waits_for_its_release", a_held_append_waits_for_its_release),
        trial("memory::reads_fail_as_often_as_asked", reads_fail_as_often_as_asked),
        trial("memory::a_provoked_rebalance_fences_the_old_owner", a_provoked_rebalance_fences_the_old_owner),
    ]
}

fn journal() -> (SharedJournal, Faults) {
    let journal = MemoryJournal::new();
    let faults = journal.faults();
    (Arc::new(journal), faults)
}

async fn payloads(journal: &SharedJournal) -> anyhow::Result<Vec<bytes::Bytes>> {
    let ends = ends(journal, Topic::DeadLetter).await?;
    let from: Vec<_> = ends.into_iter().map(|(partition, _)| (partition, Offset::ZERO)).collect();
    Ok(read_keys(journal, &from, |_| true).await?.into_iter().map(|it| it.record.payload).collect())
}

async fn append(journal: &SharedJournal) -> Result<(), AppendError> {
    let records = vec![record("k", "one"), record("k", "two")];
    journal.append(Topic::DeadLetter, records).await.map(drop)
}

async fn a_rejected_append_leaves_nothing() -> anyhow::Result<()> {
    let (journal, faults) = journal();
    faults.next_append(Topic::DeadLetter, Fault::Rejected);
    ensure!(matches!(append(&journal).await, Err(AppendError::Rejected { records: 2, .. })));
    ensure!(payloads(&journal).await?.is_empty());
    append(&journal).await?;
    ensure!(payloads(&journal).await? == ["one", "two"]);
    Ok(())
}

async fn an_unknown_append_may_leave_some() -> anyhow::Result<()> {
    for (appended, left) in [(0, &[][..]), (1, &["one"][..]), (usize::MAX, &["one", "two"][..])] {
        let (journal, faults) = journal();
        faults.next_append(Topic::DeadLetter, Fault::Unknown { appended });
        ensure!(matches!(append(&journal).await, Err(AppendError::Unknown { .. })));
        ensure!(payloads(&journal).await? == left);
    }
    Ok(())
}

async fn a_duplicated_append_is_there_twice() -> anyhow::Result<()> {
    let (journal, faults) = journal();
    faults.next_append(Topic::DeadLetter, Fault::Duplicated);
    append(&journal).await?;
    ensure!(payloads(&journal).await? == ["one", "two", "one", "two"]);
    Ok(())
}

async fn a_held_append_waits_for_its_release() -> anyhow::Result<()> {
    let (journal, faults) = journal();
    faults.hold_appends();
    let mut held = Box::pin(append(&journal));
    ensure!(held.as_mut().now_or_never().is_none());
    ensure!(payloads(&journal).await?.is_empty());
    faults.release_appends();
    held.await?;
    ensure!(payloads(&journal).await?.len() == 2);
    Ok(())
}

async fn reads_fail_as_often_as_asked() -> anyhow::Result<()> {
    let (journal, faults) = journal();
    append(&journal).await?;
    let mut reader = journal.read(ends(&journal, Topic::DeadLetter).await?[0].0, Offset::ZERO).await?;
    faults.fail_reads(2);
    ensure!(reader.next(9, WAIT).await.is_err() && reader.next(9, WAIT).await.is_err());
    ensure!(reader.next(9, WAIT).await?.len() == 2, "a failed read skipped something");
    Ok(())
}

async fn a_provoked_rebalance_fences_the_old_owner() -> anyhow::Result<()> {
    let (journal, faults) = journal();
    let mut member = journal.join("group", Topic::DeadLetter).await?;
    let Some(MemberEvent::Assigned { partition, committed: None }) = member.next(WAIT).await? else {
        anyhow::bail!("the only member owns the partition");
    };
    let commit = |offset| Committed { offset: Offset::new(offset), metadata: String::new() };
    member.commit(partition, commit(1)).await?;
    faults.rebalance("group", Topic::DeadLetter);
    let refused = member.commit(partition, commit(2)).await;
    ensure!(matches!(refused, Err(CommitError::Lost { .. })), "{refused:?}");
    ensure!(member.next(WAIT).await? == Some(MemberEvent::Revoked { partition }));
    ensure!(member.commit(partition, commit(3)).await.is_err());
    let again = Some(MemberEvent::Assigned { partition, committed: Some(commit(1)) });
    ensure!(member.next(WAIT).await? == again);
    member.commit(partition, commit(4)).await?;
    Ok(())
}
