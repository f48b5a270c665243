//! Interleaved rounds: every side once a round, in an order that changes, and comparisons within a round.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;

use super::cpu::{CpuClock, CpuReading};
use super::machine::Usage;
use super::moment::Moment;
use super::options::Plan;
use super::spread::Spread;
use super::target::Target;

/// What is asked of a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// So many callers, each of which asks again as soon as it is answered.
    Closed {
        /// How many.
        callers: usize,
    },
    /// Calls at intended times.
    Open {
        /// How many begin in a second.
        per_second: u32,
    },
    /// Streams that begin at intended times.
    Streams {
        /// How many begin in a second.
        per_second: u32,
    },
    /// Batches on one stream, the next one sent as soon as one is answered.
    Batches {
        /// How many are under way.
        in_flight: usize,
    },
    /// A start from a journal.
    Start {
        /// Events in it.
        events: usize,
        /// Records in which they are.
        records: usize,
        /// Allocations that they are of.
        allocations: usize,
    },
    /// A fixed amount of work, as fast as it goes.
    Events {
        /// How much.
        count: usize,
    },
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { callers: 1 } => write!(f, "closed loop, 1 caller"),
            Self::Closed { callers } => write!(f, "closed loop, {callers} callers"),
            Self::Open { per_second } => write!(f, "open loop, {per_second} requests/s"),
            Self::Streams { per_second } => write!(f, "streams, {per_second} begin each second"),
            Self::Batches { in_flight: 1 } => write!(f, "one stream, 1 batch in flight"),
            Self::Batches { in_flight } => write!(f, "one stream, {in_flight} batches in flight"),
            Self::Start { events, records, allocations } => {
                write!(f, "{events} events of {allocations} allocations in {records} records")
            }
            Self::Events { count } => write!(f, "{count} events"),
        }
    }
}

/// A figure, and how two of it are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// What it is, with its unit.
    pub name: &'static str,
    /// How it is compared.
    pub compare: Compare,
}

/// How figures of two sides are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compare {
    /// The candidate's divided by the floor's.
    Ratio,
    /// The candidate's less the floor's.
    Added,
}

impl Compare {
    fn of(self, candidate: f64, floor: f64) -> f64 {
        match self {
            Self::Ratio => candidate / floor,
            Self::Added => candidate - floor,
        }
    }
}

/// What a side showed in one round.
pub type Sample = Vec<(Metric, f64)>;

/// One of the things that are compared.
#[async_trait(?Send)]
pub trait Side {
    /// Its name.
    fn name(&self) -> &'static str;

    /// The clocks of its processes.
    fn clocks(&self) -> Vec<CpuClock>;

    /// Works under a load for about so long and says what it showed.
    async fn run(&mut self, load: Load, span: Duration) -> anyhow::Result<Sample>;
}

/// A candidate and what it is compared with, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// Whose figures are divided, or taken from.
    pub candidate: &'static str,
    /// By whose, or whose are taken.
    pub floor: &'static str,
}

/// What all rounds under one load showed.
#[derive(Debug)]
pub struct Outcome {
    /// The load.
    pub load: Load,
    /// How often and how long.
    pub plan: Plan,
    /// Each side's name and its samples, one a round.
    pub sides: Vec<(&'static str, Vec<Sample>)>,
    /// What was compared.
    pub pairs: Vec<Pair>,
    /// What the comparisons should come to, if that is known.
    pub targets: Vec<Target>,
    /// The share of the machine, 0 to 1, that processes used which are not ours.
    pub others_share: f64,
}

/// Measures all sides under a load.
pub async fn rounds(
    plan: Plan,
    load: Load,
    sides: &mut [&mut dyn Side],
    pairs: &[Pair],
) -> anyhow::Result<Outcome> {
    let meanwhile = Meanwhile::begin(sides)?;
    let mut samples: Vec<_> = sides.iter().map(|side| (side.name(), Vec::new())).collect();
    for round in 0..plan.rounds {
        for position in 0..sides.len() {
            let index = turn(round, position, sides.len());
            if !plan.warm_up.is_zero() {
                sides[index].run(load, plan.warm_up).await?;
            }
            samples[index].1.push(sides[index].run(load, plan.span).await?);
        }
    }
    let others_share = meanwhile.others_share()?;
    let (pairs, targets) = (pairs.to_vec(), Vec::new());
    Ok(Outcome { load, plan, sides: samples, pairs, targets, others_share })
}

/// Whose turn it is: every round begins with another side, and every other round goes backwards, so that no side always
/// comes after the same one.
fn turn(round: usize, position: usize, sides: usize) -> usize {
    let steps = if round.is_multiple_of(2) { position } else { sides - position };
    (round + steps) % sides
}

impl Outcome {
    /// Every metric that some side has, in order.
    pub fn metrics(&self) -> Vec<Metric> {
        let mut found = Vec::new();
        for (metric, _) in self.sides.iter().flat_map(|(_, samples)| samples.iter().flatten()) {
            if !found.contains(metric) {
                found.push(*metric);
            }
        }
        found
    }

    /// A side's figures over the rounds.
    pub fn figures(&self, side: &str, metric: Metric) -> Vec<f64> {
        let samples =
            self.sides.iter().find(|(name, _)| *name == side).map_or(&[][..], |(_, samples)| samples);
        let figure =
            |sample: &Sample| sample.iter().find(|(found, _)| *found == metric).map(|(_, figure)| *figure);
        samples.iter().filter_map(figure).collect()
    }

    /// A pair's figures compared round by round, if both have them.
    pub fn compared(&self, pair: Pair, metric: Metric) -> Option<Spread> {
        self.compared_as(pair, metric, metric.compare)
    }

    /// The same in a given way.
    pub fn compared_as(&self, pair: Pair, metric: Metric, compare: Compare) -> Option<Spread> {
        let (candidate, floor) = (self.figures(pair.candidate, metric), self.figures(pair.floor, metric));
        let within_rounds = candidate.iter().zip(&floor).map(|(one, other)| compare.of(*one, *other));
        Spread::of(within_rounds)
    }
}

/// The whole machine and our part of it, from some time on.
struct Meanwhile {
    begun: Moment,
    machine: Usage,
    ours: Vec<(CpuClock, CpuReading)>,
}

impl Meanwhile {
    fn begin(sides: &[&mut dyn Side]) -> anyhow::Result<Self> {
        let mut ours = Vec::new();
        for clock in clocks(sides) {
            ours.push((clock, clock.read()?));
        }
        Ok(Self { begun: Moment::now(), machine: Usage::read()?, ours })
    }

    /// Ours are this process, the servers that were there at the begin, and children that have come and gone since.
    fn others_share(&self) -> anyhow::Result<f64> {
        let processors =
            std::fs::read_to_string("/proc/stat")?.lines().filter(|line| is_processor(line)).count();
        let mut ours = Duration::ZERO;
        for (clock, before) in &self.ours {
            let now = clock.read()?;
            ours += now.since(before) + now.ended_children_since(before);
        }
        #[expect(clippy::cast_precision_loss, reason = "no machine has 2^52 processors")]
        let our_share = ours.as_secs_f64() / (self.begun.elapsed().as_secs_f64() * processors.max(1) as f64);
        Ok((Usage::read()?.busy_share_since(self.machine) - our_share).max(0.0))
    }
}

fn is_processor(line: &str) -> bool {
    line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|digit: char| digit.is_ascii_digit()))
}

/// Every clock once: sides may share a server.
fn clocks(sides: &[&mut dyn Side]) -> Vec<CpuClock> {
    let mut all = vec![CpuClock::own()];
    for clock in sides.iter().flat_map(|side| side.clocks()) {
        if !all.contains(&clock) {
            all.push(clock);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Metric = Metric { name: "requests/s", compare: Compare::Ratio };
    const P50: Metric = Metric { name: "p50 µs", compare: Compare::Added };

    struct Fake(&'static str, f64);

    #[async_trait(?Send)]
    impl Side for Fake {
        fn name(&self) -> &'static str {
            self.0
        }

        fn clocks(&self) -> Vec<CpuClock> {
            Vec::new()
        }

        async fn run(&mut self, _: Load, _: Duration) -> anyhow::Result<Sample> {
            self.1 += 1.0;
            Ok(vec![(RATE, self.1), (P50, self.1)])
        }
    }

    #[test]
    fn every_side_has_one_turn_in_each_round() {
        for round in 0..8 {
            let mut turns: Vec<_> = (0..4).map(|position| turn(round, position, 4)).collect();
            turns.sort_unstable();
            assert_eq!(turns, [0, 1, 2, 3]);
        }
        let second = |round| turn(round, 1, 4);
        assert_eq!((turn(0, 0, 4), second(0)), (0, 1));
        assert_eq!((turn(1, 0, 4), second(1)), (1, 0));
    }

    #[tokio::test]
    async fn comparisons_are_taken_within_a_round() {
        let plan = Plan { rounds: 3, span: Duration::ZERO, warm_up: Duration::ZERO };
        let (mut floor, mut mine) = (Fake("floor", 0.0), Fake("mine", 10.0));
        let mut sides: [&mut dyn Side; 2] = [&mut floor, &mut mine];
        let pair = Pair { candidate: "mine", floor: "floor" };
        let outcome = rounds(plan, Load::Closed { callers: 1 }, &mut sides, &[pair]).await.unwrap();
        // 11/1, 12/2, 13/3: the ratio of the medians would be the same, its extremes would not.
        assert_eq!(outcome.compared(pair, RATE).unwrap(), Spread { median: 6.0, min: 13.0 / 3.0, max: 11.0 });
        assert_eq!(outcome.compared(pair, P50).unwrap(), Spread { median: 10.0, min: 10.0, max: 10.0 });
        assert_eq!(outcome.figures("floor", RATE), [1.0, 2.0, 3.0]);
    }
}
