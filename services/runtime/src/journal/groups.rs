//! Groups within one process, for the journals that have no broker: who owns which partition, and who is told.
//!
//! Ownership moves first and the members are told after: from then on the old owner's commits are refused, and what
//! the new owner is told as committed includes everything that the old one committed.

mod balance;
mod member;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;
use weir_proto::record::Topic;

use super::{Committed, Error, Partition};
pub(super) use member::LocalMember;

/// Where a journal keeps what groups have committed.
#[async_trait]
pub(super) trait CommitStore: Send + Sync + 'static {
    /// The last commit. Waits for one that is being made.
    async fn committed(&self, group: &str, partition: Partition) -> Result<Option<Committed>, Error>;

    /// Keeps a commit if it is still allowed when its turn has come. False if it is not.
    async fn commit(&self, commit: Commit, allowed: Allowed) -> Result<bool, Error>;
}

/// Asked while no other commit is made.
pub(super) type Allowed = Box<dyn FnOnce() -> bool + Send>;

/// One commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) group: String,
    pub(super) partition: Partition,
    pub(super) committed: Committed,
}

/// A member, as its group knows it. Never used again after it left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct MemberId(u64);

/// What a member is yet to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Assigned(u32),
    Revoked(u32),
}

impl Told {
    fn partition(self) -> u32 {
        match self {
            Self::Assigned(partition) | Self::Revoked(partition) => partition,
        }
    }
}

type GroupKey = (String, Topic);

/// All groups of a journal.
#[derive(Debug)]
pub(super) struct Groups {
    state: Mutex<State>,
    /// Counts changes; members wait for the next.
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    members_so_far: u64,
    groups: HashMap<GroupKey, Group>,
}

#[derive(Debug, Default)]
struct Group {
    partitions: u32,
    /// In the order in which they joined.
    members: Vec<MemberId>,
    owners: BTreeMap<u32, MemberId>,
    /// At most two entries a partition and change of membership; emptied by the members' `next`.
    inboxes: HashMap<MemberId, VecDeque<Told>>,
}

impl Groups {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), changes: watch::Sender::new(0) })
    }

    /// Revokes every partition and assigns it again, to another member if there is one.
    pub(super) fn rotate(&self, group: &str, topic: Topic) {
        if let Some(group) = self.lock().groups.get_mut(&(group.to_owned(), topic)) {
            let rotated = balance::rotated(&group.owners, &group.members);
            group.tell_all(rotated);
        }
        self.note_change();
    }

    fn join(&self, key: &GroupKey, partitions: u32) -> MemberId {
        let member = {
            let mut state = self.lock();
            state.members_so_far += 1;
            let member = MemberId(state.members_so_far);
            let group = state.groups.entry(key.clone()).or_default();
            group.partitions = partitions;
            group.members.push(member);
            group.inboxes.insert(member, VecDeque::new());
            group.rebalance();
            member
        };
        self.note_change();
        member
    }

    fn leave(&self, key: &GroupKey, member: MemberId) {
        if let Some(group) = self.lock().groups.get_mut(key) {
            group.members.retain(|other| *other != member);
            group.inboxes.remove(&member);
            group.rebalance();
        }
        self.note_change();
    }

    /// What the member hears next.
    fn peek(&self, key: &GroupKey, member: MemberId) -> Option<Told> {
        self.lock().groups.get(key)?.inboxes.get(&member)?.front().copied()
    }

    fn pop(&self, key: &GroupKey, member: MemberId) {
        if let Some(group) = self.lock().groups.get_mut(key)
            && let Some(inbox) = group.inboxes.get_mut(&member)
        {
            inbox.pop_front();
        }
    }

    /// Whether the member owns the partition and has heard all there is to hear about it.
    fn may_commit(&self, key: &GroupKey, member: MemberId, partition: u32) -> bool {
        let state = self.lock();
        state.groups.get(key).is_some_and(|group| {
            let owns = group.owners.get(&partition) == Some(&member);
            let inbox = group.inboxes.get(&member);
            owns && inbox.is_some_and(|inbox| inbox.iter().all(|told| told.partition() != partition))
        })
    }

    fn note_change(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Group {
    fn rebalance(&mut self) {
        let owners = balance::balanced(&self.owners, &self.members, self.partitions);
        let kept = |partition: &u32, owner: &MemberId| self.owners.get(partition) == Some(owner);
        let (kept, moved): (BTreeMap<_, _>, _) =
            owners.into_iter().partition(|(partition, owner)| kept(partition, owner));
        let lost: Vec<_> = self.owners.keys().copied().filter(|it| !kept.contains_key(it)).collect();
        for partition in lost.iter().filter(|it| !moved.contains_key(it)) {
            self.owners.remove(partition);
        }
        self.tell_all(moved);
    }

    /// Moves these partitions, even those that stay where they are.
    fn tell_all(&mut self, moved: BTreeMap<u32, MemberId>) {
        for (partition, owner) in moved {
            if let Some(before) = self.owners.insert(partition, owner)
                && let Some(inbox) = self.inboxes.get_mut(&before)
            {
                inbox.push_back(Told::Revoked(partition));
            }
            if let Some(inbox) = self.inboxes.get_mut(&owner) {
                inbox.push_back(Told::Assigned(partition));
            }
        }
    }
}
