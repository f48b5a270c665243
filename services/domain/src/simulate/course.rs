//! The course of a simulation: attempt after attempt, each under both policies, so that whoever runs it can stop.

mod playing;

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{PoolId, ServiceId};
use crate::simulate::attempt::{Attempt, Attempts, Names};
use crate::simulate::report::{AllocationReport, Amount, PoolReport, Report, Sides};
use crate::simulate::side::Side;
use crate::time::{Timestamp, Window};
use playing::Playing;

/// A simulation under way.
#[derive(Debug)]
pub struct Course {
    past: Past,
    next: usize,
    sides: Sides<Playing>,
    refused_then: BTreeMap<(PoolId, ServiceId), Amount>,
}

/// What is played.
#[derive(Debug)]
struct Past {
    span: Window,
    attempts: Vec<Attempt>,
    names: Names,
    /// When the last of them ended.
    over: Timestamp,
}

impl Course {
    pub(super) fn new(
        span: Window,
        begins: Timestamp,
        sides: Sides<Side>,
        attempts: Attempts,
        refused_then: BTreeMap<(PoolId, ServiceId), Amount>,
    ) -> Self {
        let (attempts, names) = attempts.in_order();
        let sides =
            Sides { now: Playing::new(sides.now, begins), candidate: Playing::new(sides.candidate, begins) };
        let over = attempts.iter().map(|attempt| attempt.ended).max().unwrap_or(span.end());
        Self { past: Past { span, attempts, names, over }, next: 0, sides, refused_then }
    }

    /// How many attempts there are to play.
    pub fn attempts(&self) -> usize {
        self.past.attempts.len()
    }

    /// How many of them have been played.
    pub fn played(&self) -> usize {
        self.next
    }

    /// When the next attempt began; none if all have been played.
    pub fn at(&self) -> Option<Timestamp> {
        self.past.attempts.get(self.next).map(|attempt| attempt.started)
    }

    /// Plays at most so many attempts. Whether there are more.
    pub fn play(&mut self, count: usize) -> bool {
        let end = self.next.saturating_add(count).min(self.past.attempts.len());
        for number in self.next..end {
            self.sides.now.admit(&self.past, number);
            self.sides.candidate.admit(&self.past, number);
        }
        self.next = end;
        end < self.past.attempts.len()
    }

    /// Plays what is left, and says what was found.
    pub fn report(mut self) -> Report {
        while self.play(usize::MAX) {}
        self.sides.now.end(&self.past);
        self.sides.candidate.end(&self.past);
        let Sides { now, candidate } = &self.sides;
        let span = self.past.span;
        let pools: BTreeSet<&PoolId> = now.asked_pools().chain(candidate.asked_pools()).collect();
        let pool_report = |pool: &PoolId| PoolReport {
            pool: pool.clone(),
            outcomes: Sides { now: now.pool(pool, span), candidate: candidate.pool(pool, span) },
        };
        let refused_then = self.refused_then.keys().map(|(pool, service)| (pool, service));
        let asked = now.asked().chain(candidate.asked()).chain(refused_then);
        let asked: BTreeSet<(&PoolId, &ServiceId)> = asked.collect();
        let allocation_report = |(pool, service): (&PoolId, &ServiceId)| AllocationReport {
            pool: pool.clone(),
            service: service.clone(),
            refused_then: self
                .refused_then
                .get(&(pool.clone(), service.clone()))
                .copied()
                .unwrap_or_default(),
            outcomes: Sides { now: now.outcome(pool, service), candidate: candidate.outcome(pool, service) },
        };
        Report {
            span,
            pools: pools.into_iter().map(pool_report).collect(),
            allocations: asked.into_iter().map(allocation_report).collect(),
        }
    }
}
