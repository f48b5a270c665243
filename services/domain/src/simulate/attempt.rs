//! The attempts that are played: each fact once, in the order in which they began.

use std::collections::{HashSet, VecDeque};

use crate::amount::Tokens;
use crate::ids::{EventId, ModelName, NodeId, PoolId, ServiceId};
use crate::simulate::interned::Interned;
use crate::time::Timestamp;
use crate::usage::{RefusalsCounted, UsageRecorded};

/// How many attempts are held at once: 160 MB while a simulation runs, and three a second for a week.
pub const ATTEMPTS_MAX: usize = 2_000_000;
/// Among how many facts that are not held a repetition is known: a gateway repeats what it wrote shortly before it was
/// killed, and 60 MB remember more than any wrote since.
const REMEMBERED_MAX: usize = 1_000_000;

/// Why no more attempts are taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "there are more than {max} attempts in the span, the most that one simulation holds; choose a shorter span"
)]
pub struct TooMany {
    /// How many are held at most.
    pub max: usize,
}

/// One attempt: what was held for it, and what it used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    pub(super) started: Timestamp,
    pub(super) ended: Timestamp,
    event: EventId,
    node: u32,
    pub(super) service: u32,
    /// The pool that served it.
    pub(super) pool: u32,
    pub(super) model: u32,
    pub(super) held: Tokens,
    pub(super) used: Tokens,
    pub(super) input: Tokens,
    pub(super) input_cached: Tokens,
}

/// The names in attempts.
#[derive(Debug, Default)]
pub(super) struct Names {
    nodes: Interned<NodeId>,
    pub(super) services: Interned<ServiceId>,
    pub(super) pools: Interned<PoolId>,
    pub(super) models: Interned<ModelName>,
}

/// Attempts as they are taken in.
#[derive(Debug)]
pub(super) struct Attempts {
    max: usize,
    held: Vec<Attempt>,
    names: Names,
    seen: HashSet<(u32, EventId)>,
    seen_in_order: VecDeque<(u32, EventId)>,
}

impl Attempts {
    /// Holds at most so many.
    pub(super) fn new(max: usize) -> Self {
        let (names, seen) = (Names::default(), HashSet::new());
        Self { max, held: Vec::new(), names, seen, seen_in_order: VecDeque::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn hold(&mut self, event: &UsageRecorded) -> Result<(), TooMany> {
        if self.held.len() >= self.max {
            return Err(TooMany { max: self.max });
        }
        let used = event.usage.total();
        self.held.push(Attempt {
            started: event.started,
            ended: event.ended.max(event.started),
            event: event.id,
            node: self.names.nodes.number(&event.node),
            service: self.names.services.number(&event.service),
            pool: self.names.pools.number(&event.pool),
            model: self.names.models.number(&event.model),
            // What was made without a hold asks for what it used.
            held: if event.held == Tokens::ZERO { used } else { event.held },
            used,
            input: event.usage.input,
            input_cached: event.usage.input_cached,
        });
        Ok(())
    }

    /// Whether a fact that is not held comes for the first time.
    pub(super) fn is_new(&mut self, event: &UsageRecorded) -> bool {
        self.remember(&event.node, event.id)
    }

    /// Whether a count comes for the first time.
    pub(super) fn is_new_count(&mut self, event: &RefusalsCounted) -> bool {
        self.remember(&event.node, event.id)
    }

    fn remember(&mut self, node: &NodeId, event: EventId) -> bool {
        let identity = (self.names.nodes.number(node), event);
        if !self.seen.insert(identity) {
            return false;
        }
        self.seen_in_order.push_back(identity);
        if self.seen_in_order.len() > REMEMBERED_MAX
            && let Some(oldest) = self.seen_in_order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        true
    }

    /// Each once, in the order in which they began; those that began at once are in the order of their identity. Of several
    /// facts of one identity the earliest counts, whichever came first.
    pub(super) fn in_order(mut self) -> (Vec<Attempt>, Names) {
        let nodes = &self.names.nodes;
        self.held.sort_unstable_by(|a, b| {
            let key = |attempt: &Attempt| (attempt.event, attempt.ended, attempt.started, attempt.used);
            nodes.name(a.node).cmp(nodes.name(b.node)).then_with(|| key(a).cmp(&key(b)))
        });
        self.held.dedup_by_key(|attempt| (attempt.node, attempt.event));
        self.held.sort_by_key(|attempt| attempt.started);
        (self.held, self.names)
    }
}
