//! A session: one stream of batches, half of each reservations, half settles of what an earlier batch was given.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use weir_domain::ids::ReservationId;
use weir_proto::quota::v1 as wire;
use weir_proto::quota::v1::admission_service_client::AdmissionServiceClient;
use weir_proto::quota::v1::session_request::Request as Asked;
use weir_proto::quota::v1::session_response::Response as Said;
use weir_tests::load::cpu::CpuClock;
use weir_tests::load::latency::Latencies;
use weir_tests::load::metered::metered;
use weir_tests::load::moment::Moment;
use weir_tests::load::organisation::{MODEL, POOL, QuotaChannel, SERVICES, service};
use weir_tests::load::requests::{ALL_CPU_US, CPU_US, P50_US, P99_US};
use weir_tests::load::rounds::{Compare, Load, Metric, Sample, Side};

use crate::echo::BARE;
use crate::mint::Mint;
use crate::quota::{HELD_TOKENS, INPUT_TOKENS, USED_TOKENS};

/// Items answered in a second.
pub(crate) const ITEMS_PER_SECOND: Metric = Metric { name: "items/s", compare: Compare::Ratio };

/// Reservations of a batch, and settles of it.
pub(crate) const HALF_BATCH: usize = 32;
/// Batches that wait to be written; more are never in flight.
const UNWRITTEN_MAX: usize = 8;

/// A session that is open.
pub(crate) struct Session {
    asks: mpsc::Sender<wire::SessionRequest>,
    said: Streaming<wire::SessionResponse>,
    /// Whether answers say nothing but their number.
    bare: bool,
    sent: VecDeque<(Moment, wire::SessionBatch)>,
    /// Holds that were given and are not settled yet, and the numbers of their accounts.
    held: Vec<(u32, Bytes)>,
    mint: Mint,
    batches: u64,
    settled: u64,
}

impl Session {
    /// Opens one for a node. Accounts have the numbers of the services.
    pub(crate) async fn open(
        mut client: AdmissionServiceClient<QuotaChannel>,
        node: &str,
    ) -> anyhow::Result<Self> {
        let (asks, asked) = mpsc::channel(UNWRITTEN_MAX);
        let account = |index| -> anyhow::Result<wire::Account> {
            Ok(wire::Account {
                number: u32::try_from(index)?,
                service: service(index),
                pool: POOL.to_owned(),
            })
        };
        let accounts = (0..SERVICES).map(account).collect::<Result<_, _>>()?;
        let open = wire::SessionOpen { node: node.to_owned(), accounts, outstanding: Vec::new() };
        asks.send(wire::SessionRequest { request: Some(Asked::Open(open)) }).await?;
        let mut said = client.session(ReceiverStream::new(asked)).await?.into_inner();
        match said.message().await?.and_then(|said| said.response) {
            Some(Said::Opened(_)) => {}
            other => bail!("the session did not open: {other:?}"),
        }
        let bare = node == BARE;
        let (sent, held) = (VecDeque::new(), Vec::new());
        Ok(Self { asks, said, bare, sent, held, mint: Mint::default(), batches: 0, settled: 0 })
    }

    /// How many holds were settled so far.
    pub(crate) fn settled(&self) -> u64 {
        self.settled
    }

    /// Works for so long with so many batches in flight. How many items were answered, and how long batches took.
    async fn work(&mut self, in_flight: usize, span: Duration) -> anyhow::Result<(u64, Latencies, Duration)> {
        let (mut items, mut latencies) = (0, Latencies::default());
        let begun = Moment::now();
        let end = begun.plus(span);
        loop {
            while self.sent.len() < in_flight && Moment::now() < end {
                self.send(HALF_BATCH).await?;
            }
            if self.sent.is_empty() {
                return Ok((items, latencies, begun.elapsed()));
            }
            let (asked, answered) = self.answered().await?;
            items += answered;
            latencies.record(asked.elapsed());
        }
    }

    /// Settles holds, those that it has and others.
    pub(crate) async fn settle_all(&mut self, others: Vec<(u32, Bytes)>) -> anyhow::Result<()> {
        self.held.extend(others);
        while !self.held.is_empty() {
            self.send(0).await?;
            self.answered().await?;
        }
        Ok(())
    }

    async fn send(&mut self, reserve: usize) -> anyhow::Result<()> {
        self.batches += 1;
        let now = Moment::now();
        let settle = self.held.drain(..self.held.len().min(HALF_BATCH)).map(|(account, hold_id)| {
            let (model, input) = (MODEL.to_owned(), INPUT_TOKENS);
            wire::SessionSettle { hold_id, account, used: USED_TOKENS, model, input, input_cached: 0 }
        });
        let settle = settle.collect();
        let batch = wire::SessionBatch {
            batch: self.batches,
            reserve: (0..reserve).map(|index| reservation(index, self.mint.next(now))).collect(),
            settle,
            ..Default::default()
        };
        self.sent.push_back((now, batch.clone()));
        Ok(self.asks.send(wire::SessionRequest { request: Some(Asked::Batch(batch)) }).await?)
    }

    /// Waits for the answers to the batch that was sent first: when it was sent, and how many items it had.
    async fn answered(&mut self) -> anyhow::Result<(Moment, u64)> {
        let answers = loop {
            match self.said.message().await?.and_then(|said| said.response) {
                Some(Said::Answers(answers)) => break answers,
                Some(Said::Limits(_)) => {}
                other => bail!("no answers but {other:?}"),
            }
        };
        let (at, asked) = self.sent.pop_front().context("answers to nothing")?;
        ensure!(answers.batch == asked.batch, "batch {} was answered, not {}", answers.batch, asked.batch);
        let items = asked.reserve.len() + asked.settle.len();
        self.settled += asked.settle.len() as u64;
        if self.bare {
            self.held.extend(asked.reserve.into_iter().map(|item| (item.account, item.reservation_id)));
            return Ok((at, items as u64));
        }
        ensure!(answers.undecided.is_empty(), "undecided: {}", answers.undecided);
        let charged = answers.settle.iter().filter(|charged| **charged).count();
        ensure!(charged == asked.settle.len(), "a settle was charged before");
        ensure!(answers.reserve.len() == asked.reserve.len(), "not every reservation was answered");
        for (item, decision) in asked.reserve.iter().zip(answers.reserve) {
            ensure!(decision.refused.is_none(), "not admitted: {:?}", decision.refused);
            self.held.push((item.account, decision.hold_id));
        }
        Ok((at, items as u64))
    }
}

fn reservation(index: usize, id: ReservationId) -> wire::SessionReserve {
    wire::SessionReserve {
        reservation_id: Bytes::copy_from_slice(&id.as_u128().to_be_bytes()),
        account: u32::try_from(index % SERVICES).expect("there are few services"),
        tokens: HELD_TOKENS,
        model: MODEL.to_owned(),
        input: INPUT_TOKENS,
    }
}

/// A side that is one session.
pub(crate) struct Batches {
    name: &'static str,
    pub(crate) session: Session,
    clock: CpuClock,
}

impl Batches {
    pub(crate) fn new(name: &'static str, session: Session, clock: CpuClock) -> Self {
        Self { name, session, clock }
    }
}

#[async_trait(?Send)]
impl Side for Batches {
    fn name(&self) -> &'static str {
        self.name
    }

    fn clocks(&self) -> Vec<CpuClock> {
        vec![self.clock]
    }

    #[expect(clippy::cast_precision_loss, reason = "items of a run are far below 2^52")]
    async fn run(&mut self, load: Load, span: Duration) -> anyhow::Result<Sample> {
        let Load::Batches { in_flight } = load else { bail!("sessions are measured under batches only") };
        let (caller, before) = (CpuClock::own(), CpuClock::own().read()?);
        let work = self.session.work(in_flight, span);
        let ((items, latencies, took), used) = metered(&[self.clock], work).await?;
        let by_caller = caller.read()?.since(&before);
        let each = |used: Duration| used.as_secs_f64() * 1e6 / items as f64;
        Ok(vec![
            (ITEMS_PER_SECOND, items as f64 / took.as_secs_f64()),
            (P50_US, latencies.quantile_us(0.5)),
            (P99_US, latencies.quantile_us(0.99)),
            (CPU_US, each(used[0])),
            (ALL_CPU_US, each(used[0] + by_caller)),
        ])
    }
}
