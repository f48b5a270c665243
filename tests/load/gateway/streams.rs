//! Callers whose answers stream: when the first text comes, how long each frame is under way, how even the gaps are.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::BodyExt;
use memchr::memmem;
use weir_tests::load::closed::Caller;
use weir_tests::load::cpu::CpuClock;
use weir_tests::load::latency::Latencies;
use weir_tests::load::metered::metered;
use weir_tests::load::moment::Moment;
use weir_tests::load::open::open_loop;
use weir_tests::load::rounds::{Compare, Load, Metric, Sample, Side};

use crate::connection::{Connection, chat};
use crate::upstream::{FRAMES, STAMP};

const FIRST_P50: Metric = Metric { name: "first text p50 µs", compare: Compare::Added };
const FIRST_P99: Metric = Metric { name: "first text p99 µs", compare: Compare::Added };
const FRAME_P50: Metric = Metric { name: "frame p50 µs", compare: Compare::Added };
const FRAME_P99: Metric = Metric { name: "frame p99 µs", compare: Compare::Added };
const GAP_P99: Metric = Metric { name: "gap p99 µs", compare: Compare::Added };
const CPU_PER_FRAME: Metric = Metric { name: "CPU µs/frame", compare: Compare::Ratio };

/// What the callers of a side saw in one measurement.
#[derive(Debug, Default)]
struct Seen {
    /// From a stream's intended begin to its first text.
    first: Latencies,
    /// From the upstream's sending of a text frame to its arrival.
    frame: Latencies,
    /// Between the arrivals of two text frames.
    gap: Latencies,
}

/// One caller.
struct StreamCaller {
    connection: Connection,
    request: Bytes,
    seen: Rc<RefCell<Seen>>,
}

impl Caller for StreamCaller {
    async fn call(&mut self, intended: Moment) -> anyhow::Result<()> {
        let mut body = self.connection.ask(&self.request).await?.into_body();
        let mut reading = Reading { intended, last: None, unread: Vec::new(), texts: 0, is_done: false };
        while let Some(frame) = body.frame().await {
            let frame = frame?;
            let Some(data) = frame.data_ref() else { continue };
            reading.take(data, Moment::now(), &mut self.seen.borrow_mut())?;
        }
        let Reading { texts, is_done, unread, .. } = reading;
        ensure!(
            texts == FRAMES && is_done && unread.is_empty(),
            "{texts} texts, done: {is_done}, left: {unread:?}"
        );
        Ok(())
    }
}

/// A stream as far as it was read.
struct Reading {
    intended: Moment,
    last: Option<Moment>,
    unread: Vec<u8>,
    texts: u64,
    is_done: bool,
}

impl Reading {
    fn take(&mut self, data: &[u8], now: Moment, seen: &mut Seen) -> anyhow::Result<()> {
        self.unread.extend_from_slice(data);
        let mut begin = 0;
        while let Some(length) = memmem::find(&self.unread[begin..], b"\n\n") {
            let event = begin..begin + length;
            begin = event.end + 2;
            self.event(event, now, seen)?;
        }
        self.unread.drain(..begin);
        Ok(())
    }

    fn event(&mut self, event: std::ops::Range<usize>, now: Moment, seen: &mut Seen) -> anyhow::Result<()> {
        let event = &self.unread[event];
        if memmem::find(event, b"\"usage\"").is_some() {
            bail!("usage that nobody asked for: {}", String::from_utf8_lossy(event));
        }
        if let Some(sent) = stamp(event)? {
            self.texts += 1;
            seen.frame.record(now.since(sent));
            match self.last.replace(now) {
                None => seen.first.record(now.since(self.intended)),
                Some(last) => seen.gap.record(now.since(last)),
            }
        }
        self.is_done = event == b"data: [DONE]";
        Ok(())
    }
}

/// When the upstream sent a text frame; none if it has no text.
fn stamp(event: &[u8]) -> anyhow::Result<Option<Moment>> {
    let Some(at) = memmem::find(event, STAMP.as_bytes()) else { return Ok(None) };
    let text = &event[at + STAMP.len()..];
    let end = memchr::memchr(b'"', text).context("a text has no end")?;
    Ok(Some(Moment::from_nanos(std::str::from_utf8(&text[..end])?.parse()?)))
}

/// A side that streams.
pub(crate) struct Streams {
    name: &'static str,
    callers: Vec<StreamCaller>,
    seen: Rc<RefCell<Seen>>,
    clocks: Vec<CpuClock>,
    /// Streams that were read to their right end so far.
    pub(crate) answered: u64,
}

impl Streams {
    pub(crate) fn new(name: &'static str, connections: Vec<Connection>, clocks: Vec<CpuClock>) -> Self {
        let seen = Rc::<RefCell<Seen>>::default();
        let caller = |connection| StreamCaller { connection, request: chat(true), seen: Rc::clone(&seen) };
        let callers = connections.into_iter().map(caller).collect();
        Self { name, callers, seen, clocks, answered: 0 }
    }
}

#[async_trait(?Send)]
impl Side for Streams {
    fn name(&self) -> &'static str {
        self.name
    }

    fn clocks(&self) -> Vec<CpuClock> {
        self.clocks.clone()
    }

    async fn run(&mut self, load: Load, span: Duration) -> anyhow::Result<Sample> {
        let Load::Streams { per_second } = load else { bail!("streams are measured under streams only") };
        self.seen.take();
        let clocks = self.clocks.clone();
        let (calls, used) = metered(&clocks, open_loop(&mut self.callers, per_second, span)).await?;
        self.answered += calls.latencies.count();
        Ok(sample(&self.seen.borrow(), &used))
    }
}

#[expect(clippy::cast_precision_loss, reason = "frames of a run are far below 2^52")]
fn sample(seen: &Seen, used: &[Duration]) -> Sample {
    let mut sample = vec![
        (FIRST_P50, seen.first.quantile_us(0.5)),
        (FIRST_P99, seen.first.quantile_us(0.99)),
        (FRAME_P50, seen.frame.quantile_us(0.5)),
        (FRAME_P99, seen.frame.quantile_us(0.99)),
        (GAP_P99, seen.gap.quantile_us(0.99)),
    ];
    if !used.is_empty() {
        sample.push((
            CPU_PER_FRAME,
            used.iter().sum::<Duration>().as_secs_f64() * 1e6 / seen.frame.count() as f64,
        ));
    }
    sample
}
