//! Tallies: usage summed the way verification compares it between the journal, the ledger and the tables.
//!
//! A tally does not look for duplicates; whoever fills it decides what a distinct event is.

use std::collections::BTreeMap;

use crate::amount::{Requests, Tokens};
use crate::ids::{ModelName, PoolId, ServiceId};
use crate::usage::{UsageRecorded, UsageSource};

/// What a sum is kept for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UsageKey {
    /// The service that is charged.
    pub service: ServiceId,
    /// The pool that served it.
    pub pool: PoolId,
    /// The model, as callers ask for it.
    pub model: ModelName,
    /// Where the numbers come from.
    pub source: UsageSource,
}

impl UsageKey {
    /// The key of an event.
    pub fn of(event: &UsageRecorded) -> Self {
        Self {
            service: event.service.clone(),
            pool: event.pool.clone(),
            model: event.model.clone(),
            source: event.usage_source,
        }
    }
}

/// Usage added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct UsageSum {
    /// Upstream attempts: one for each usage event.
    pub attempts: Requests,
    /// Callers' requests: their first attempts.
    pub requests: Requests,
    /// All input tokens, cached ones included.
    pub input: Tokens,
    /// The part of the input that came from the upstream's prompt cache.
    pub input_cached: Tokens,
    /// All output tokens, reasoning included.
    pub output: Tokens,
}

impl UsageSum {
    fn add(&mut self, event: &UsageRecorded) {
        self.attempts += Requests::new(1);
        self.requests += Requests::new(u64::from(event.attempt_number == 1));
        self.input += event.usage.input;
        self.input_cached += event.usage.input_cached;
        self.output += event.usage.output;
    }
}

/// Sums by key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UsageTally(BTreeMap<UsageKey, UsageSum>);

/// A sum that two tallies do not agree on. What one does not have counts as nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TallyDifference {
    /// What the sum is for.
    pub key: UsageKey,
    /// The first tally's.
    pub left: UsageSum,
    /// The other's.
    pub right: UsageSum,
}

impl UsageTally {
    /// Adds one event.
    pub fn add(&mut self, event: &UsageRecorded) {
        self.0.entry(UsageKey::of(event)).or_default().add(event);
    }

    /// Puts a sum that somebody else has made.
    pub fn insert(&mut self, key: UsageKey, sum: UsageSum) {
        self.0.insert(key, sum);
    }

    /// The sums, in order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&UsageKey, &UsageSum)> {
        self.0.iter()
    }

    /// Where this tally and another differ; empty if they agree.
    pub fn differences(&self, other: &Self) -> Vec<TallyDifference> {
        let missing_here = other.0.keys().filter(|key| !self.0.contains_key(key));
        let mut keys: Vec<_> = self.0.keys().chain(missing_here).collect();
        keys.sort();
        let sum = |tally: &Self, key: &UsageKey| tally.0.get(key).copied().unwrap_or_default();
        keys.into_iter()
            .map(|key| TallyDifference { key: key.clone(), left: sum(self, key), right: sum(other, key) })
            .filter(|difference| difference.left != difference.right)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(service: &str) -> UsageKey {
        UsageKey {
            service: ServiceId::try_new(service).unwrap(),
            pool: PoolId::try_new("pool").unwrap(),
            model: ModelName::try_new("gpt-4o").unwrap(),
            source: UsageSource::Reported,
        }
    }

    fn sum(input: u64) -> UsageSum {
        UsageSum { input: Tokens::new(input), ..UsageSum::default() }
    }

    #[test]
    fn tallies_differ_where_either_has_more() {
        let (mut left, mut right) = (UsageTally::default(), UsageTally::default());
        for (service, input) in [("same", 1), ("more", 2), ("only-left", 3)] {
            left.insert(key(service), sum(input));
        }
        for (service, input) in [("same", 1), ("more", 1), ("only-right", 4)] {
            right.insert(key(service), sum(input));
        }
        let differences = left.differences(&right);
        let services: Vec<_> = differences.iter().map(|found| found.key.service.as_str()).collect();
        assert_eq!(services, ["more", "only-left", "only-right"]);
        assert_eq!((differences[2].left, differences[2].right), (sum(0), sum(4)));
        assert_eq!(left.differences(&left), []);
    }
}
