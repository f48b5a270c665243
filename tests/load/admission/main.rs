//! Admission: `Reserve` and `Settle` over gRPC against a pair of empty calls on the same connection settings.
//!
//! One connection, 1 and 64 callers on it. Sides: `empty` (a tonic service that takes nothing and gives nothing),
//! `memory` and `embedded` (the quota service over either journal, the latter with its default of a disk write before
//! every answer, shared by those that wait). A *request* here is a pair of calls. How to run and read it:
//! `weir_tests::load`.

mod empty;
mod quota;

use std::process::ExitCode;
use std::time::Duration;

use weir_tests::load::bench::{self, Session};
use weir_tests::load::options::Plan;
use weir_tests::load::organisation::{QUOTA, QuotaServer, connect};
use weir_tests::load::requests::Requests;
use weir_tests::load::rounds::{Load, Pair, Side, rounds};
use weir_tests::load::server::Server;

use crate::empty::EmptyPair;
use crate::quota::ReserveAndSettle;

const EMPTY: &str = "empty pair";
const MEMORY: &str = "memory journal";
const EMBEDDED: &str = "embedded journal";
/// Callers on the one connection, at most.
const CALLERS: usize = 64;

fn main() -> ExitCode {
    bench::main("admission", &[QUOTA, empty::ROLE], measure)
}

async fn measure(session: &mut Session<'_>) -> anyhow::Result<()> {
    let plan = Plan {
        rounds: session.options.extent.pick(1, 3, 9),
        span: session.options.extent.pick(
            Duration::from_millis(50),
            Duration::from_secs(1),
            Duration::from_secs(3),
        ),
        warm_up: session.options.extent.pick(
            Duration::from_millis(10),
            Duration::from_millis(300),
            Duration::from_secs(1),
        ),
    };
    let floor = Server::start(session.dir, empty::ROLE.0, &[])?;
    let channel = connect(floor.ready()).await?;
    let mut empty = Requests::new(EMPTY, empty_callers(&channel), vec![floor.clock()]);
    let (memory, embedded) = (
        QuotaServer::start(session.dir, "memory").await?,
        QuotaServer::start(session.dir, "embedded").await?,
    );
    let mut in_memory = Requests::new(MEMORY, quota_callers(&memory), vec![memory.server.clock()]);
    let mut on_disk = Requests::new(EMBEDDED, quota_callers(&embedded), vec![embedded.server.clock()]);
    let pairs = [
        Pair { candidate: MEMORY, floor: EMPTY },
        Pair { candidate: EMBEDDED, floor: EMPTY },
        Pair { candidate: EMBEDDED, floor: MEMORY },
    ];
    for callers in [1, CALLERS] {
        let mut sides: [&mut dyn Side; 3] = [&mut empty, &mut in_memory, &mut on_disk];
        session.show(rounds(plan, Load::Closed { callers }, &mut sides, &pairs).await?)?;
    }
    quota::check(&memory, in_memory.answered()).await?;
    quota::check(&embedded, on_disk.answered()).await?;
    drop((empty, in_memory, on_disk));
    drop(channel);
    floor.stop().await?;
    memory.stop().await?;
    embedded.stop().await
}

fn empty_callers(channel: &tonic::transport::Channel) -> Vec<EmptyPair> {
    (0..CALLERS).map(|_| EmptyPair::new(channel.clone())).collect()
}

fn quota_callers(quota: &QuotaServer) -> Vec<ReserveAndSettle> {
    (0..CALLERS).map(|index| ReserveAndSettle::new(quota.admission(), index)).collect()
}
