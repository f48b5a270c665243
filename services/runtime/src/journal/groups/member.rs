//! A member of a group within this process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use weir_proto::record::Topic;

use super::super::{CommitError, Committed, Error, METADATA_BYTES_MAX, Member, MemberEvent, Partition};
use super::{Commit, CommitStore, GroupKey, Groups, MemberId, Told};

/// Leaves its group when it is dropped.
pub(in super::super) struct LocalMember<S: CommitStore> {
    groups: Arc<Groups>,
    store: Arc<S>,
    key: GroupKey,
    id: MemberId,
    changes: watch::Receiver<u64>,
}

impl<S: CommitStore> LocalMember<S> {
    /// Joins a group over a topic of so many partitions.
    pub(in super::super) fn join(
        groups: Arc<Groups>,
        store: Arc<S>,
        (group, topic): (&str, Topic),
        partitions: u32,
    ) -> Self {
        let key = (group.to_owned(), topic);
        let changes = groups.changes.subscribe();
        let id = groups.join(&key, partitions);
        Self { groups, store, key, id, changes }
    }

    fn partition(&self, index: u32) -> Partition {
        Partition { topic: self.key.1, index }
    }

    /// What there is to hear, once there is something.
    async fn told(&mut self) -> Told {
        loop {
            self.changes.mark_unchanged();
            if let Some(told) = self.groups.peek(&self.key, self.id) {
                return told;
            }
            if self.changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[async_trait]
impl<S: CommitStore> Member for LocalMember<S> {
    // What was told is taken from the inbox last, so that a call that is dropped midway loses nothing.
    async fn next(&mut self, wait: Duration) -> Result<Option<MemberEvent>, Error> {
        let Ok(told) = tokio::time::timeout(wait, self.told()).await else { return Ok(None) };
        let partition = self.partition(told.partition());
        let event = match told {
            Told::Revoked(_) => MemberEvent::Revoked { partition },
            Told::Assigned(_) => {
                let committed = self.store.committed(&self.key.0, partition).await?;
                MemberEvent::Assigned { partition, committed }
            }
        };
        self.groups.pop(&self.key, self.id);
        Ok(Some(event))
    }

    async fn commit(&mut self, partition: Partition, committed: Committed) -> Result<(), CommitError> {
        if committed.metadata.len() > METADATA_BYTES_MAX {
            let reason = format!("its note is longer than {METADATA_BYTES_MAX} bytes");
            return Err(Error { operation: format!("commit {partition}"), reason }.into());
        }
        if partition.topic != self.key.1 {
            return Err(CommitError::Lost { partition });
        }
        let (groups, key, id) = (Arc::clone(&self.groups), self.key.clone(), self.id);
        let allowed = Box::new(move || groups.may_commit(&key, id, partition.index));
        let commit = Commit { group: self.key.0.clone(), partition, committed };
        let committed = self.store.commit(commit, allowed).await?;
        if committed { Ok(()) } else { Err(CommitError::Lost { partition }) }
    }
}

impl<S: CommitStore> Drop for LocalMember<S> {
    fn drop(&mut self) {
        self.groups.leave(&self.key, self.id);
    }
}
