//! Everything that is measured, and the servers behind it.

use std::path::Path;

use weir_proto::quota::v1::admission_service_client::AdmissionServiceClient;
use weir_tests::load::organisation::{QuotaServer, connect_as_caller};
use weir_tests::load::requests::Requests;
use weir_tests::load::rounds::Side;
use weir_tests::load::server::Server;

use crate::echo::BARE;
use crate::empty::{self, EmptyCalls};
use crate::quota::{self, ReserveAndSettle};
use crate::reserve::ReserveAlone;
use crate::session::{Batches, Session};
use crate::{CALLERS, ECHO, ECHO_STREAM, EMBEDDED, EMPTY, EMPTY_PAIR, EMPTY_STREAM, MEMORY, RESERVE};

/// The node of the sessions that are measured.
const NODE: &str = "gateway-1";

/// The servers and the sides.
pub(crate) struct Sides {
    floor: Server,
    memory: QuotaServer,
    embedded: QuotaServer,
    empty: Requests<EmptyCalls>,
    echo: ReserveAlone,
    reserve: ReserveAlone,
    empty_pair: Requests<EmptyCalls>,
    memory_pair: Requests<ReserveAndSettle>,
    embedded_pair: Requests<ReserveAndSettle>,
    empty_stream: Batches,
    echo_stream: Batches,
    memory_stream: Batches,
    embedded_stream: Batches,
}

impl Sides {
    pub(crate) async fn start(dir: &Path) -> anyhow::Result<Self> {
        let floor = Server::start(dir, empty::ROLE.0, &[])?;
        let memory = QuotaServer::start(dir, "memory").await?;
        let embedded = QuotaServer::start(dir, "embedded").await?;
        let floor_channel = connect_as_caller(floor.ready()).await?;
        let empty = |name, count| {
            let callers = (0..CALLERS).map(|_| EmptyCalls::new(floor_channel.clone(), count)).collect();
            Requests::new(name, callers, vec![floor.clock()])
        };
        let pairs = |name, quota: &QuotaServer| {
            let callers = (0..CALLERS).map(|index| ReserveAndSettle::new(quota.admission(), index)).collect();
            Requests::new(name, callers, vec![quota.server.clock()])
        };
        let echo = AdmissionServiceClient::new(floor_channel.clone());
        let echo_stream = Session::open(echo.clone(), NODE).await?;
        let empty_stream = Session::open(echo.clone(), BARE).await?;
        let memory_stream = Session::open(memory.admission(), NODE).await?;
        let embedded_stream = Session::open(embedded.admission(), NODE).await?;
        let settling = Session::open(memory.admission(), NODE).await?;
        Ok(Self {
            empty: empty(EMPTY, 1),
            echo: ReserveAlone::new(ECHO, &echo, floor.clock(), None),
            reserve: ReserveAlone::new(RESERVE, &memory.admission(), memory.server.clock(), Some(settling)),
            empty_pair: empty(EMPTY_PAIR, 2),
            memory_pair: pairs(MEMORY, &memory),
            embedded_pair: pairs(EMBEDDED, &embedded),
            empty_stream: Batches::new(EMPTY_STREAM, empty_stream, floor.clock()),
            echo_stream: Batches::new(ECHO_STREAM, echo_stream, floor.clock()),
            memory_stream: Batches::new(MEMORY, memory_stream, memory.server.clock()),
            embedded_stream: Batches::new(EMBEDDED, embedded_stream, embedded.server.clock()),
            floor,
            memory,
            embedded,
        })
    }

    pub(crate) fn of_reserve(&mut self) -> [&mut dyn Side; 3] {
        [&mut self.empty, &mut self.echo, &mut self.reserve]
    }

    pub(crate) fn of_pairs(&mut self) -> [&mut dyn Side; 3] {
        [&mut self.empty_pair, &mut self.memory_pair, &mut self.embedded_pair]
    }

    pub(crate) fn of_sessions(&mut self) -> [&mut dyn Side; 5] {
        [
            &mut self.empty_stream,
            &mut self.echo_stream,
            &mut self.memory_stream,
            &mut self.embedded_stream,
            &mut self.reserve,
        ]
    }

    /// Checks that everything was charged, once, and nothing is held any more; then ends the servers.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        for stream in [&mut self.memory_stream, &mut self.embedded_stream] {
            stream.session.settle_all(Vec::new()).await?;
        }
        let in_session = self.memory_stream.session.settled() + self.reserve.settled();
        quota::check(&self.memory, self.memory_pair.answered() + in_session).await?;
        let in_session = self.embedded_stream.session.settled();
        quota::check(&self.embedded, self.embedded_pair.answered() + in_session).await?;
        let (floor, memory, embedded) = self.into_servers();
        floor.stop().await?;
        memory.stop().await?;
        embedded.stop().await
    }

    /// The servers, without anybody who calls them.
    fn into_servers(self) -> (Server, QuotaServer, QuotaServer) {
        (self.floor, self.memory, self.embedded)
    }
}
