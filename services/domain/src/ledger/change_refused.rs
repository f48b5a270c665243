//! Why a change of a pool is refused. An answer, not an error.

use std::fmt;

use crate::amount::RequestsPerMinute;
use crate::burst::BurstOutOfBounds;
use crate::calendar::Utc;
use crate::ids::{BurstId, ServiceId};
use crate::ledger::Shortage;
use crate::time::Timestamp;

/// Why a change of a pool is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRefused {
    /// All guarantees together would not fit the pool.
    #[error("{0}")]
    DoesNotFit(Shortage),
    /// The pool is not defined, so nobody can be entitled to anything in it.
    #[error("the pool is not defined")]
    NoPool,
    /// A burst is on top of a baseline, and the service has none.
    #[error("service {service} has no allocation in the pool to burst on top of; give it one in the policy")]
    BurstWithoutAllocation {
        /// Whose it would be.
        service: ServiceId,
    },
    /// Another burst has or had the name.
    #[error("a burst named {burst} exists or existed; choose another name")]
    BurstNameTaken {
        /// The name.
        burst: BurstId,
    },
    /// An allocation has as many bursts as it may.
    #[error(
        "service {service} has {open} bursts in the pool that are asked for, coming or active, which is the most; \
         deny or revoke one of them, or ask again when one has ended"
    )]
    TooManyBursts {
        /// Whose.
        service: ServiceId,
        /// How many.
        open: usize,
    },
    /// A pool remembers as many bursts as it can, and none of them has ended.
    #[error(
        "the pool has {kept} bursts whose windows have not ended, which is the most; ask again when one has"
    )]
    BurstsFull {
        /// How many.
        kept: usize,
    },
    /// There is no such burst.
    #[error("there is no burst named {burst} in the pool")]
    NoBurst {
        /// The name.
        burst: BurstId,
    },
    /// What was asked cannot be done to a burst that has come so far.
    #[error("burst {burst} is {phase}, so it cannot be {asked}{}", instead(phase, asked))]
    BurstPhase {
        /// The name.
        burst: BurstId,
        /// Where it is in its life.
        phase: &'static str,
        /// What was asked.
        asked: &'static str,
    },
    /// A burst would end before it ends already, or before now.
    #[error("burst {burst} ends at {}; an extension must end later", Utc(*.end))]
    NotLater {
        /// The name.
        burst: BurstId,
        /// When it ends.
        end: Timestamp,
    },
    /// A burst would be longer than any may be.
    #[error("{0}")]
    BurstOutOfBounds(BurstOutOfBounds),
    /// The pool has changed since whoever asks looked at it.
    #[error("the pool is at version {found}, not {expected}; look again and decide anew")]
    VersionMismatch {
        /// What was expected.
        expected: u64,
        /// What is.
        found: u64,
    },
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, rate, depth, requests, requests_unstated } = self;
        let excesses = [(rate.get(), "tokens a minute"), (depth.get(), "tokens at once")];
        let excesses: Vec<String> = excesses
            .iter()
            .filter(|(excess, _)| *excess > 0)
            .map(|(excess, unit)| format!("by {excess} {unit}"))
            .collect();
        let mut parts = Vec::new();
        if !excesses.is_empty() {
            parts.push(format!(
                "guarantees exceed the pool {}, worst at {}",
                excesses.join(" and "),
                Utc(*at)
            ));
        }
        if *requests > RequestsPerMinute::ZERO {
            parts.push(format!("requests a minute exceed the pool by {requests}"));
        }
        if *requests_unstated > 0 {
            parts.push(format!(
                "requests a minute, which the pool limits, are not stated by {requests_unstated} of its allocations"
            ));
        }
        f.write_str(&parts.join("; "))
    }
}

/// What may be done to a burst in place of what was asked.
fn instead(phase: &str, asked: &str) -> &'static str {
    match (phase, asked) {
        ("upcoming" | "active", "denied") => "; revoke it instead",
        _ => "",
    }
}
