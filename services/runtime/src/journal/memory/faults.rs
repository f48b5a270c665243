//! How a test makes a journal in memory misbehave.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use weir_proto::record::Topic;

use super::super::groups::Groups;

/// What happens to one append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is rejected, and nothing is appended.
    Rejected,
    /// Its outcome is unknown; so many of its records, from the first, were appended all the same.
    Unknown {
        /// How many; more than there are means all.
        appended: usize,
    },
    /// It succeeds, and all its records are appended twice, as by a producer that tried again.
    Duplicated,
}

/// A handle that makes the journal misbehave. Clones control the same journal.
#[derive(Debug, Clone)]
pub struct Faults {
    plan: Arc<Mutex<Plan>>,
    held: watch::Sender<bool>,
    groups: Arc<Groups>,
}

#[derive(Debug, Default)]
struct Plan {
    appends: HashMap<Topic, VecDeque<Fault>>,
    lost: Option<Lost>,
    reads: usize,
    delay: Duration,
}

/// A topic that takes so many appends, and then no more.
#[derive(Debug, Clone, Copy)]
struct Lost {
    topic: Topic,
    passing: usize,
    fault: Fault,
}

impl Faults {
    pub(super) fn new(groups: Arc<Groups>) -> Self {
        Self { plan: Arc::default(), held: watch::Sender::new(false), groups }
    }

    /// Plans a fault for the next append to a topic that has none planned yet.
    pub fn next_append(&self, topic: Topic, fault: Fault) {
        self.plan().appends.entry(topic).or_default().push_back(fault);
    }

    /// Lets so many appends to a topic pass; the outcome of the next is unknown, with so many of its records appended; and
    /// all after it are rejected, until [`Faults::mend_appends`]: as whoever dies leaves a journal.
    pub fn lose_appends_after(&self, topic: Topic, passing: usize, appended: usize) {
        self.plan().lost = Some(Lost { topic, passing, fault: Fault::Unknown { appended } });
    }

    /// Appends pass again. Whether one was lost.
    pub fn mend_appends(&self) -> bool {
        self.plan().lost.take().is_some_and(|lost| lost.fault == Fault::Rejected)
    }

    /// Lets so many reads fail from now on, of any reader.
    pub fn fail_reads(&self, count: usize) {
        self.plan().reads = count;
    }

    /// Makes every append wait so long before it is decided.
    pub fn delay_appends(&self, delay: Duration) {
        self.plan().delay = delay;
    }

    /// Makes appends wait until [`Faults::release_appends`].
    pub fn hold_appends(&self) {
        self.held.send_replace(true);
    }

    /// Lets appends go on.
    pub fn release_appends(&self) {
        self.held.send_replace(false);
    }

    /// Revokes every partition of a group and assigns it again, to another member if there is one.
    pub fn rebalance(&self, group: &str, topic: Topic) {
        self.groups.rotate(group, topic);
    }

    pub(super) async fn wait(&self) {
        let delay = self.plan().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let mut held = self.held.subscribe();
        held.wait_for(|held| !held).await.expect("this handle holds the sender");
    }

    pub(super) fn take(&self, topic: Topic) -> Option<Fault> {
        let mut plan = self.plan();
        if let Some(lost) = plan.lost.as_mut().filter(|lost| lost.topic == topic) {
            if lost.passing == 0 {
                return Some(std::mem::replace(&mut lost.fault, Fault::Rejected));
            }
            lost.passing -= 1;
        }
        plan.appends.get_mut(&topic)?.pop_front()
    }

    pub(super) fn take_read(&self) -> bool {
        let mut plan = self.plan();
        let fails = plan.reads > 0;
        plan.reads = plan.reads.saturating_sub(1);
        fails
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
