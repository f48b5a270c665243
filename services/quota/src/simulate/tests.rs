//! One simulation at a time, for as long as somebody waits for it.

use std::time::Duration;

use async_trait::async_trait;
use weir_proto::record::{Record, Topic};
use weir_runtime::journal::{AppendError, Committed, Error, Journal, Member, Offset, Position, Reader};

use super::*;

/// A journal that never says how large it is.
struct Silent;

#[async_trait]
impl Journal for Silent {
    async fn partitions(&self, _: Topic) -> Result<u32, Error> {
        std::future::pending().await
    }

    async fn append(&self, _: Topic, _: Vec<Record>) -> Result<Vec<Position>, AppendError> {
        panic!("a simulation appends nothing")
    }

    async fn end(&self, _: Partition) -> Result<Offset, Error> {
        panic!("there is no partition")
    }

    async fn read(&self, _: Partition, _: Offset) -> Result<Box<dyn Reader>, Error> {
        panic!("there is no partition")
    }

    async fn committed(&self, _: &str, _: Partition) -> Result<Option<Committed>, Error> {
        panic!("a simulation is in no group")
    }

    async fn join(&self, _: &str, _: Topic) -> Result<Box<dyn Member>, Error> {
        panic!("a simulation is in no group")
    }
}

fn wanted() -> Wanted {
    let at = Timestamp::from_secs(7_200);
    let by = Authorship { author: "ada".into(), reason: "test".into(), at, commit: None };
    let span = Window::try_new(Timestamp::from_secs(3_600), at).unwrap();
    Wanted { org: Arc::default(), policy: Policy::default(), span, by }
}

fn simulator(tasks: &Tasks) -> Simulator {
    Simulator::new(Arc::new(Silent), tasks.clone(), crate::Config::default().rules())
}

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_second_one_is_refused_until_whoever_asked_for_the_first_has_left() {
    let tasks = Tasks::new();
    let simulator = simulator(&tasks);
    let first = simulator.begin(wanted(), CancellationToken::new()).unwrap();
    let refused = simulator.begin(wanted(), CancellationToken::new()).err().unwrap();
    assert!(matches!(refused, Failed::Busy) && refused.to_string().contains("ask again"), "{refused}");
    drop(first);
    assert!(tasks.drain(SOON).await, "it goes on although nobody waits for it");
    assert!(simulator.begin(wanted(), CancellationToken::new()).is_ok());
}

#[tokio::test]
async fn it_ends_with_the_service() {
    let (tasks, shutdown) = (Tasks::new(), CancellationToken::new());
    let mut telling = simulator(&tasks).begin(wanted(), shutdown.clone()).unwrap();
    shutdown.cancel();
    assert!(tasks.drain(SOON).await, "shutdown waits for it");
    let told = telling.next().await;
    assert!(matches!(told, None | Some(Err(Failed::ShuttingDown))), "{told:?}");
}
