//! Witnesses of promises that speak of a span of time: they see the events and compute in their own way.

use std::collections::HashMap;

use super::{Violation, promise, tokens_of};
use crate::amount::{Tokens, TokensPerMinute};
use crate::bucket::Level;
use crate::ids::ServiceId;
use crate::ledger::{Event, GUARANTEE_WINDOW, Ledger, Moved, Movement, Terms, TermsChanged};
use crate::time::Timestamp;

/// Tokens that a movement takes from buckets, and those it puts back.
fn flow(movement: &Movement) -> (Tokens, Tokens) {
    match movement.what {
        Moved::Held { tokens } => (tokens, Tokens::ZERO),
        Moved::Released { held } => (Tokens::ZERO, held.unwrap_or_default()),
        Moved::Settled { used, held } => {
            let held = held.unwrap_or_default();
            (used.saturating_sub(held), held.saturating_sub(used))
        }
    }
}

/// Witness of promise 1, from the pool's definition on: in any interval, charges less refunds are at most capacity × time + depth, plus the deficit at
/// its end; and the deficit never exceeds the debt since it was last zero.
///
/// Keeps the largest excess over all intervals that end now, which needs no history: an interval is either an earlier
/// one continued, or begins here.
#[derive(Debug, Clone, Default)]
pub struct PhysicalWitness {
    /// Charges less refunds less capacity × time less depth, of the worst interval that ends at `at`.
    worst: Option<Level>,
    at: Timestamp,
    /// Debt since the deficit was last zero.
    debt: Tokens,
}

impl PhysicalWitness {
    /// Sees an event that `before` is about to become.
    pub fn see(&mut self, before: &Ledger, event: &Event) {
        let at = before.time(event.at());
        if !before.opened {
            self.at = at;
            return;
        }
        let segment = before.plan().at(at);
        let here = Level::ZERO.minus(segment.depth);
        let span_ns = i128::from(at.as_nanos()) - i128::from(self.at.as_nanos());
        let refill = Level::from_rate(segment.rate, span_ns);
        let worst = self.worst.map_or(here, |worst| worst.minus(refill).max(here));
        if before.deficit_at(at) == Level::ZERO {
            self.debt = Tokens::ZERO;
        }
        let mut net = Level::ZERO;
        if let Event::Moved(movement) = event {
            let (taken, put) = flow(movement);
            net = Level::from_tokens(taken).minus(Level::from_tokens(put));
            if matches!(movement.what, Moved::Settled { .. }) {
                self.debt += taken;
            }
        }
        (self.worst, self.at) = (Some(worst.plus(net)), at);
    }

    /// Whether the promise holds for the ledger after the events that were seen.
    pub fn invariant_physical(&self, ledger: &Ledger) -> Result<(), Violation> {
        let deficit = ledger.deficit_at(self.at);
        let worst = self.worst.unwrap_or_default();
        promise("physical", worst <= deficit, || {
            format!("{} tokens over, deficit {}", tokens_of(worst), tokens_of(deficit))
        })?;
        promise("physical", deficit <= Level::from_tokens(self.debt), || {
            format!("deficit {deficit:?} is more than the debt {}", self.debt)
        })
    }
}

/// Witness of promise 2: a service inside its baseline is never refused because of others.
///
/// Keeps for each service what its baseline alone would have brought it since its terms were last set, beginning with
/// nothing. Sees nothing of any other service, so a refusal that it would not have given is somebody else's doing.
#[derive(Debug, Clone, Default)]
pub struct GuaranteeWitness(HashMap<ServiceId, Baseline>);

#[derive(Debug, Clone)]
struct Baseline {
    terms: Terms,
    level: Level,
    at: Timestamp,
}

impl Baseline {
    fn depth(&self) -> Level {
        if self.terms.baseline == TokensPerMinute::ZERO {
            return Level::ZERO;
        }
        let window = i128::try_from(GUARANTEE_WINDOW.as_nanos()).unwrap_or(i128::MAX);
        Level::from_rate(self.terms.baseline, window).max(Level::from_tokens(self.terms.request_max))
    }

    fn advance(&mut self, now: Timestamp) {
        let span_ns = (i128::from(now.as_nanos()) - i128::from(self.at.as_nanos())).max(0);
        self.level = self.level.plus(Level::from_rate(self.terms.baseline, span_ns)).min(self.depth());
        self.at = self.at.max(now);
    }
}

impl GuaranteeWitness {
    /// Sees an event that `before` is about to become.
    pub fn see(&mut self, before: &Ledger, event: &Event) {
        let at = before.time(event.at());
        match event {
            Event::Moved(movement) => {
                let (taken, put) = flow(movement);
                if let Some(own) = self.0.get_mut(&movement.service) {
                    own.advance(at);
                    own.level = own.level.minus(Level::from_tokens(taken));
                    own.level = own.level.plus(Level::from_tokens(put)).min(own.depth());
                }
            }
            Event::Governed(governed) => self.see_terms(before, &governed.what, at),
        }
    }

    fn see_terms(&mut self, before: &Ledger, what: &TermsChanged, at: Timestamp) {
        match what {
            TermsChanged::AllocationSet { service, terms } => {
                let level = before.account(service).map_or(Level::ZERO, |account| account.level_at(at));
                let level = level.min(Level::ZERO);
                self.0.insert(service.clone(), Baseline { terms: *terms, level, at });
            }
            TermsChanged::AllocationRemoved { service } => {
                self.0.remove(service);
            }
            TermsChanged::PoolRemoved => self.0.clear(),
            _ => {}
        }
    }

    /// Whether the service is inside its baseline with a request of this size.
    pub fn inside(&self, service: &ServiceId, tokens: Tokens, now: Timestamp) -> bool {
        let Some(mut own) = self.0.get(service).cloned() else { return false };
        own.advance(now);
        tokens <= own.terms.request_max && Level::from_tokens(tokens) <= own.level
    }

    /// Whether a refusal for want of tokens was right.
    pub fn invariant_guarantee(
        &self,
        service: &ServiceId,
        asked: Tokens,
        now: Timestamp,
    ) -> Result<(), Violation> {
        promise("guarantee", !self.inside(service, asked, now), || {
            format!("{service} was refused {asked} tokens inside its baseline at {now}")
        })
    }
}
