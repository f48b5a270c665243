//! The servers of the benchmark, their callers, and what must be true of them at the end.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use weir_tests::load::cpu::CpuClock;
use weir_tests::load::options::Plan;
use weir_tests::load::organisation::{QuotaServer, SERVICES, service};
use weir_tests::load::requests::Requests;
use weir_tests::load::rounds::{Load, Outcome, Side, rounds};
use weir_tests::load::server::Server;

use crate::chat::Chat;
use crate::connection::Connection;
use crate::streams::Streams;
use crate::upstream::{FRAMES, INPUT_TOKENS, OUTPUT_TOKENS, SERVED_PATH};
use crate::weir::{self, Recorded};
use crate::{CALLERS, DIRECT, GOVERNED, PAIRS, PASS_THROUGH, PROXY, proxy, upstream};

/// All that runs.
pub(crate) struct World {
    dir: PathBuf,
    upstream: Server,
    proxy: Server,
    pass_through: Server,
    governed: Server,
    quota: QuotaServer,
    keys: Vec<String>,
    /// Right answers of all sides, and what of them the governed gateway must have metered.
    answered: u64,
    metered: Recorded,
}

/// One side: its name, where it listens, and its processes' clocks.
struct Place {
    name: &'static str,
    address: String,
    clocks: Vec<CpuClock>,
}

impl World {
    pub(crate) async fn begin(dir: &Path) -> anyhow::Result<Self> {
        let upstream = Server::start(dir, upstream::ROLE.0, &[])?;
        let quota = QuotaServer::start(dir, "embedded").await?;
        let mut keys = Vec::new();
        for index in 0..SERVICES {
            keys.push(quota.caller_key(&service(index)).await?);
        }
        Ok(Self {
            dir: dir.to_owned(),
            proxy: Server::start(dir, proxy::ROLE.0, &[upstream.ready()])?,
            pass_through: weir::start(dir, "pass-through", &upstream, &quota)?,
            governed: weir::start(dir, "governed", &upstream, &quota)?,
            upstream,
            quota,
            keys,
            answered: 0,
            metered: Recorded::default(),
        })
    }

    fn places(&self) -> [Place; 4] {
        let place =
            |name, server: &Server, clocks| Place { name, address: server.ready().to_owned(), clocks };
        let both = vec![self.governed.clock(), self.quota.server.clock()];
        [
            place(DIRECT, &self.upstream, Vec::new()),
            place(PROXY, &self.proxy, vec![self.proxy.clock()]),
            place(PASS_THROUGH, &self.pass_through, vec![self.pass_through.clock()]),
            place(GOVERNED, &self.governed, both),
        ]
    }

    /// New connections for every load: servers close those that nobody uses for a minute or so.
    async fn connections(&self, place: &Place) -> anyhow::Result<Vec<Connection>> {
        let mut connections = Vec::with_capacity(CALLERS);
        for index in 0..CALLERS {
            connections.push(Connection::open(&place.address, &self.keys[index % SERVICES]).await?);
        }
        Ok(connections)
    }

    /// Measures calls whose answers come whole.
    pub(crate) async fn requests(&mut self, plan: Plan, load: Load) -> anyhow::Result<Outcome> {
        let mut sides = Vec::new();
        for place in self.places() {
            let callers = self.connections(&place).await?.into_iter().map(Chat::new).collect();
            sides.push(Requests::new(place.name, callers, place.clocks));
        }
        let outcome = rounds(plan, load, &mut as_sides(&mut sides), &PAIRS).await?;
        for side in &sides {
            self.count(side.name(), side.answered(), INPUT_TOKENS + OUTPUT_TOKENS);
        }
        Ok(outcome)
    }

    /// Measures streams.
    pub(crate) async fn streams(&mut self, plan: Plan, load: Load) -> anyhow::Result<Outcome> {
        let mut sides = Vec::new();
        for place in self.places() {
            sides.push(Streams::new(place.name, self.connections(&place).await?, place.clocks));
        }
        let outcome = rounds(plan, load, &mut as_sides(&mut sides), &PAIRS).await?;
        for side in &sides {
            self.count(side.name(), side.answered, INPUT_TOKENS + FRAMES);
        }
        Ok(outcome)
    }

    fn count(&mut self, side: &str, answered: u64, tokens_each: u64) {
        self.answered += answered;
        if side == GOVERNED {
            self.metered.attempts += answered;
            self.metered.tokens += answered * tokens_each;
        }
    }

    /// Ends the servers and looks whether all the work was done: every answer the upstream's, every token of the governed
    /// ones in the journal and settled.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        let served = served(self.upstream.ready()).await?;
        ensure!(
            served == self.answered,
            "the upstream served {served}, callers were answered {}",
            self.answered
        );
        self.governed.stop().await?;
        self.pass_through.stop().await?;
        let recorded = weir::recorded(&self.dir).await?;
        ensure!(recorded == self.metered, "recorded {recorded:?}, served {:?}", self.metered);
        let settled = self.quota.settled_tokens().await?;
        ensure!(settled == recorded.tokens, "settled {settled} tokens, recorded {}", recorded.tokens);
        self.quota.stop().await?;
        self.proxy.stop().await?;
        self.upstream.stop().await
    }
}

fn as_sides<S: Side>(sides: &mut [S]) -> Vec<&mut dyn Side> {
    sides.iter_mut().map(|side| side as &mut dyn Side).collect()
}

async fn served(upstream: &str) -> anyhow::Result<u64> {
    let client: Client<_, Empty<bytes::Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::get(format!("http://{upstream}{SERVED_PATH}")).body(Empty::new())?;
    let body = client.request(request).await?.into_body().collect().await?.to_bytes();
    Ok(std::str::from_utf8(&body)?.parse()?)
}
