//! Groups: who owns which partition, and what was committed.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use weir_proto::record::Topic;
use weir_runtime::journal::{
    CommitError, Committed, METADATA_BYTES_MAX, Member, MemberEvent, Offset, Partition, SharedJournal,
};

use crate::promises::unique;

/// A member and what it was told.
struct Listener {
    member: Box<dyn Member>,
    owned: BTreeMap<Partition, Option<Committed>>,
}

impl Listener {
    async fn join(journal: &SharedJournal, group: &str) -> anyhow::Result<Self> {
        Ok(Self { member: journal.join(group, Topic::Usage).await?, owned: BTreeMap::new() })
    }

    async fn listen(&mut self) -> anyhow::Result<()> {
        match self.member.next(Duration::from_millis(50)).await? {
            Some(MemberEvent::Assigned { partition, committed }) => {
                let before = self.owned.insert(partition, committed);
                ensure!(before.is_none(), "{partition} was assigned twice");
            }
            Some(MemberEvent::Revoked { partition }) => {
                self.owned.remove(&partition).with_context(|| format!("{partition} was not ours"))?;
            }
            None => {}
        }
        Ok(())
    }

    /// Listens until it owns so many partitions.
    async fn until_it_owns(&mut self, count: usize) -> anyhow::Result<()> {
        while self.owned.len() != count {
            self.listen().await?;
        }
        Ok(())
    }
}

fn committed(offset: u64, metadata: &str) -> Committed {
    Committed { offset: Offset::new(offset), metadata: metadata.to_owned() }
}

const FIRST: Partition = Partition { topic: Topic::Usage, index: 0 };

pub(crate) async fn a_commit_is_found_again_with_its_note_by_its_group_alone(
    journal: SharedJournal,
) -> anyhow::Result<()> {
    let (group, other) = (unique("group"), unique("other"));
    let longest = "ü".repeat(METADATA_BYTES_MAX / 2);
    let mut member = Listener::join(&journal, &group).await?;
    member.until_it_owns(4).await?;
    ensure!(member.owned.values().all(Option::is_none), "a new group has committed something");
    for commit in [committed(0, "to=17"), committed(18, &longest), committed(7, "")] {
        member.member.commit(FIRST, commit.clone()).await?;
        let found = journal.committed(&group, FIRST).await?;
        ensure!(found.as_ref() == Some(&commit), "{found:?}");
    }
    let second = Partition { index: 1, ..FIRST };
    ensure!(journal.committed(&group, second).await?.is_none());
    ensure!(journal.committed(&other, FIRST).await?.is_none());
    Ok(())
}

pub(crate) async fn a_note_above_the_limit_is_refused(journal: SharedJournal) -> anyhow::Result<()> {
    let group = unique("note");
    let mut member = Listener::join(&journal, &group).await?;
    member.until_it_owns(4).await?;
    let refused = member.member.commit(FIRST, committed(1, &"x".repeat(METADATA_BYTES_MAX + 1))).await;
    ensure!(matches!(refused, Err(CommitError::Failed(_))), "{refused:?}");
    ensure!(journal.committed(&group, FIRST).await?.is_none());
    Ok(())
}

pub(crate) async fn two_members_share_the_partitions_and_a_lost_ones_come_back(
    journal: SharedJournal,
) -> anyhow::Result<()> {
    let group = unique("share");
    let mut first = Listener::join(&journal, &group).await?;
    first.until_it_owns(4).await?;
    let mut second = Listener::join(&journal, &group).await?;
    while first.owned.len() != 2 || second.owned.len() != 2 {
        first.listen().await?;
        second.listen().await?;
    }
    ensure!(first.owned.keys().all(|it| !second.owned.contains_key(it)), "a partition has two owners");
    for partition in second.owned.keys().copied().collect::<Vec<_>>() {
        second.member.commit(partition, committed(5, "by the second")).await?;
    }
    let lost: Vec<_> = second.owned.keys().copied().collect();
    drop(second);
    first.until_it_owns(4).await?;
    for partition in lost {
        ensure!(first.owned[&partition] == Some(committed(5, "by the second")), "{:?}", first.owned);
    }
    Ok(())
}

pub(crate) async fn what_was_revoked_cannot_be_committed(journal: SharedJournal) -> anyhow::Result<()> {
    let group = unique("revoked");
    let mut first = Listener::join(&journal, &group).await?;
    first.until_it_owns(4).await?;
    let mut second = Listener::join(&journal, &group).await?;
    while first.owned.len() != 2 || second.owned.len() != 2 {
        first.listen().await?;
        second.listen().await?;
    }
    for partition in second.owned.keys().copied() {
        let refused = first.member.commit(partition, committed(9, "stale")).await;
        ensure!(matches!(refused, Err(CommitError::Lost { .. })), "{refused:?}");
        ensure!(journal.committed(&group, partition).await?.is_none());
    }
    Ok(())
}

pub(crate) async fn a_member_goes_on_where_the_last_one_stopped(
    journal: SharedJournal,
) -> anyhow::Result<()> {
    let group = unique("again");
    let mut first = Listener::join(&journal, &group).await?;
    first.until_it_owns(4).await?;
    first.member.commit(FIRST, committed(3, "to=8")).await?;
    drop(first);
    let mut second = Listener::join(&journal, &group).await?;
    second.until_it_owns(4).await?;
    ensure!(second.owned[&FIRST] == Some(committed(3, "to=8")), "{:?}", second.owned);
    Ok(())
}
