//! Membership: work begins with an assignment and ends with a revocation.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use weir_proto::record::{Record, Topic};
use weir_runtime::clock::ManualClock;
use weir_runtime::health::Health;
use weir_runtime::journal::{
    self, AppendError, CommitError, Committed, Journal, Member, MemberEvent, Offset, Partition, Position,
    Reader,
};
use weir_runtime::tasks::Tasks;

use super::samples::{NOVEMBER_SECS, usage};
use super::world::{PARTITION, World};
use crate::config::{Config, Limits};
use crate::group::{self, Shared};
use crate::trouble::{Pauses, Troubles};

/// The world, and a group in which events happen when the test says so.
#[derive(Clone)]
struct Club {
    world: World,
    events: Arc<Mutex<VecDeque<MemberEvent>>>,
    /// Commits go through to the world unless the partition is lost.
    lost: Arc<Mutex<bool>>,
    refused: Arc<Notify>,
}

impl Club {
    fn of(records: Vec<Record>) -> Self {
        let (events, lost) = (Arc::default(), Arc::default());
        Self { world: World::of(records), events, lost, refused: Arc::default() }
    }

    fn happens(&self, event: MemberEvent) {
        self.events.lock().unwrap().push_back(event);
    }

    fn assigned(&self) {
        let committed = self.world.state().committed.clone();
        self.happens(MemberEvent::Assigned { partition: PARTITION, committed });
    }

    fn stored(&self) -> usize {
        self.world.state().tables.values().map(Vec::len).sum()
    }
}

#[async_trait]
impl Member for Club {
    async fn next(&mut self, _: Duration) -> Result<Option<MemberEvent>, journal::Error> {
        Ok(self.events.lock().unwrap().pop_front())
    }

    async fn commit(&mut self, partition: Partition, committed: Committed) -> Result<(), CommitError> {
        if *self.lost.lock().unwrap() {
            self.refused.notify_one();
            return Err(CommitError::Lost { partition });
        }
        crate::worker::Commits::commit(&self.world, committed).await
    }
}

#[async_trait]
impl Journal for Club {
    async fn partitions(&self, topic: Topic) -> Result<u32, journal::Error> {
        self.world.partitions(topic).await
    }

    async fn append(&self, topic: Topic, records: Vec<Record>) -> Result<Vec<Position>, AppendError> {
        self.world.append(topic, records).await
    }

    async fn end(&self, partition: Partition) -> Result<Offset, journal::Error> {
        self.world.end(partition).await
    }

    async fn read(&self, partition: Partition, from: Offset) -> Result<Box<dyn Reader>, journal::Error> {
        self.world.read(partition, from).await
    }

    async fn committed(
        &self,
        group: &str,
        partition: Partition,
    ) -> Result<Option<Committed>, journal::Error> {
        self.world.committed(group, partition).await
    }

    async fn join(&self, _: &str, _: Topic) -> Result<Box<dyn Member>, journal::Error> {
        Ok(Box::new(self.clone()))
    }
}

fn begin(club: &Club, stop: &CancellationToken) -> tokio::task::JoinHandle<()> {
    let tasks = Tasks::new();
    let shared = Shared {
        journal: Arc::new(club.clone()),
        warehouse: Arc::new(club.world.clone()),
        clock: Arc::new(ManualClock::default()),
        troubles: Troubles::new(Health::default().component("aggregator")),
        turns: Arc::new(Semaphore::new(1)),
        limits: Limits { records_max: 2, bytes_max: 1 << 20, linger: Duration::from_millis(5) },
        pauses: Pauses::new(&Config::default()),
        tasks: tasks.clone(),
        stop: stop.clone(),
    };
    tasks.spawn(group::run("test", Topic::Usage, shared))
}

fn three() -> Vec<Record> {
    (1..=3).map(|id| usage(id, NOVEMBER_SECS)).collect()
}

#[tokio::test(start_paused = true)]
async fn an_assigned_partition_is_aggregated_until_shutdown() {
    let (club, stop) = (Club::of(three()), CancellationToken::new());
    let group = begin(&club, &stop);
    club.assigned();
    club.world.caught_up.notified().await;
    assert_eq!(club.stored(), 3);
    stop.cancel();
    group.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_is_done_for_a_partition_that_is_revoked() {
    let (club, stop) = (Club::of(three()), CancellationToken::new());
    let group = begin(&club, &stop);
    club.assigned();
    club.world.caught_up.notified().await;
    club.happens(MemberEvent::Revoked { partition: PARTITION });
    tokio::time::sleep(Duration::from_secs(1)).await;
    club.world.state().records.push(usage(4, NOVEMBER_SECS));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(club.stored(), 3);
    assert_eq!(club.world.state().committed.as_ref().unwrap().offset, Offset::new(3));
    club.assigned();
    club.world.caught_up.notified().await;
    assert_eq!(club.stored(), 4);
    stop.cancel();
    group.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lost_commit_stops_the_partition_at_once() {
    let (club, stop) = (Club::of(three()), CancellationToken::new());
    *club.lost.lock().unwrap() = true;
    let group = begin(&club, &stop);
    club.assigned();
    club.refused.notified().await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(club.stored(), 0, "the intent was not committed, so nothing may be inserted");
    *club.lost.lock().unwrap() = false;
    club.assigned();
    club.world.caught_up.notified().await;
    assert_eq!(club.stored(), 3);
    stop.cancel();
    group.await.unwrap();
}
