//! Witnesses of promises that speak of a span of time: they see the events and compute in their own way.

use std::collections::{HashMap, HashSet};

use super::{Violation, promise, tokens_of};
use crate::amount::{Tokens, TokensPerMinute};
use crate::bucket::Level;
use crate::ids::{ServiceId, SliceId};
use crate::ledger::{
    Event, GUARANTEE_WINDOW, Governed, Ledger, Moved, Movement, SliceState, TermsChanged, Totals,
};
use crate::policy::Terms;
use crate::time::Timestamp;

/// Witness of promise 1, from the pool's definition on: in any interval, charges less refunds are at most
/// capacity × time + depth, plus the deficit at its end; and the deficit never exceeds the debt since it was last zero.
///
/// Keeps the largest excess over all intervals that end now, which needs no history: an interval is either an earlier
/// one continued, or begins here.
#[derive(Debug, Clone, Default)]
pub struct PhysicalWitness {
    /// Charges less refunds less capacity × time less depth, of the worst interval that ends at `at`.
    worst: Option<Level>,
    at: Timestamp,
    rate: TokensPerMinute,
    depth: Level,
    /// Debt, and what was used that passed in shadow mode only, since the deficit was last zero.
    debt: Level,
    /// Slices that no limit had room for: what is used of them is charged when it is, and not before.
    unenforced: HashSet<SliceId>,
}

pub(super) fn totals_of(ledger: &Ledger, service: &ServiceId) -> Totals {
    ledger.account(service).map(crate::ledger::Account::totals).unwrap_or_default()
}

impl PhysicalWitness {
    /// Sees that an event made one ledger another.
    pub fn see(&mut self, before: &Ledger, event: &Event, after: &Ledger) {
        self.pass(after.at());
        if after.deficit() == Level::ZERO {
            self.debt = Level::ZERO;
        }
        if let Event::Moved(movement) = event {
            let (old, new) = (totals_of(before, &movement.service), totals_of(after, &movement.service));
            let is_unenforced = self.is_unenforced(&movement.what);
            let overdrawn = new.overdrawn.saturating_sub(old.overdrawn);
            let taken = new.drawn.saturating_sub(old.drawn) + overdrawn;
            let put = new.returned.saturating_sub(old.returned);
            let net = Level::from_tokens(taken).minus(Level::from_tokens(put));
            let used = Level::from_tokens(new.settled.saturating_sub(old.settled));
            let charged = if is_unenforced { used } else { net };
            self.worst = self.worst.map(|worst| worst.plus(charged));
            self.debt = self.debt.plus(if is_unenforced { used } else { Level::from_tokens(overdrawn) });
        }
        // An adjustment counts as a refund: the pool has back what was charged and is not owed any more.
        if let Event::Governed(Governed { what: TermsChanged::DebtForgiven { service, .. }, .. }) = event {
            let (old, new) = (totals_of(before, service), totals_of(after, service));
            let put = Level::from_tokens(new.forgiven.saturating_sub(old.forgiven));
            self.worst = self.worst.map(|worst| worst.minus(put));
        }
        if after.terms().pool().is_some() {
            let levels = after.levels();
            (self.rate, self.depth) = (after.terms().capacity(), levels.pool_depth());
            self.worst = self.worst.max(Some(Level::ZERO.minus(self.depth)));
        }
    }

    /// Whether a movement is of a slice that no limit had room for.
    fn is_unenforced(&mut self, what: &Moved) -> bool {
        match what {
            Moved::Drawn(drawn) if drawn.unenforced > Level::ZERO => self.unenforced.insert(drawn.slice),
            Moved::Settled { hold, .. } => self.unenforced.contains(&hold.slice()),
            Moved::Sealed { slice, .. } => self.unenforced.contains(slice),
            _ => false,
        }
    }

    fn pass(&mut self, now: Timestamp) {
        let span_ns = i128::from(now.as_nanos()) - i128::from(self.at.as_nanos());
        let refill = Level::from_rate(self.rate, span_ns);
        let begun_here = Level::ZERO.minus(self.depth);
        self.worst = self.worst.map(|worst| worst.minus(refill).max(begun_here));
        self.at = now;
    }

    /// Whether the promise holds for the ledger after the events that were seen.
    pub fn invariant_physical(&self, ledger: &Ledger) -> Result<(), Violation> {
        let deficit = ledger.deficit();
        let worst = self.worst.unwrap_or_default();
        promise("physical", worst <= deficit, || {
            format!("{} tokens over, deficit {}", tokens_of(worst), tokens_of(deficit))
        })?;
        promise("physical", deficit <= self.debt, || {
            format!("deficit {} is more than the debt {}", tokens_of(deficit), tokens_of(self.debt))
        })
    }
}

/// Witness of promise 2: a service inside its baseline is never refused because of others.
///
/// Keeps for each service what its baseline alone would have brought it since its terms were last set, beginning with
/// nothing. Sees nothing of any other service, so a refusal that it would not have given is somebody else's doing.
#[derive(Debug, Clone, Default)]
pub struct GuaranteeWitness {
    baselines: HashMap<ServiceId, Baseline>,
    /// Of slices: what is left of the guarantee's part, and of all the rest.
    parts: HashMap<SliceId, (Level, Level)>,
}

#[derive(Debug, Clone)]
struct Baseline {
    terms: Terms,
    level: Level,
    at: Timestamp,
}

impl Baseline {
    fn rate(&self) -> TokensPerMinute {
        match self.terms.lapse {
            Some(lapse) => self.terms.baseline.min(lapse.to),
            None => self.terms.baseline,
        }
    }

    fn depth(&self) -> Level {
        if self.rate() == TokensPerMinute::ZERO {
            return Level::ZERO;
        }
        let window = i128::try_from(GUARANTEE_WINDOW.as_nanos()).unwrap_or(i128::MAX);
        Level::from_rate(self.rate(), window).max(Level::from_tokens(self.terms.request_max))
    }

    fn advance(&mut self, now: Timestamp) {
        let span_ns = (i128::from(now.as_nanos()) - i128::from(self.at.as_nanos())).max(0);
        self.level = self.level.plus(Level::from_rate(self.rate(), span_ns)).min(self.depth());
        self.at = self.at.max(now);
    }
}

impl GuaranteeWitness {
    /// Sees that an event made one ledger another.
    pub fn see(&mut self, before: &Ledger, event: &Event, after: &Ledger) {
        match event {
            Event::Moved(movement) => self.see_moved(before, movement, after),
            Event::Governed(governed) => self.see_terms(&governed.what, after),
        }
    }

    fn see_moved(&mut self, before: &Ledger, movement: &Movement, after: &Ledger) {
        let net = match &movement.what {
            Moved::Drawn(drawn) => {
                let rest = drawn.borrowed.plus(drawn.unenforced);
                let own = Level::from_tokens(drawn.tokens).minus(rest);
                self.parts.insert(drawn.slice, (own, rest));
                Level::ZERO.minus(own)
            }
            Moved::Settled { hold, used, .. } => {
                let (old, new) = (totals_of(before, &movement.service), totals_of(after, &movement.service));
                let owed = Level::from_tokens(new.overdrawn.saturating_sub(old.overdrawn));
                let open = before.slice(hold.slice()).is_some_and(|slice| slice.state() == SliceState::Open);
                self.use_up(hold.slice(), used.tokens.min(hold.tokens()));
                let returned = new.returned.saturating_sub(old.returned);
                let back = if open { Level::ZERO } else { self.refund(hold.slice(), returned) };
                back.minus(owed)
            }
            Moved::Sealed { slice, .. } => {
                let (old, new) = (totals_of(before, &movement.service), totals_of(after, &movement.service));
                self.refund(*slice, new.returned.saturating_sub(old.returned))
            }
            _ => return,
        };
        if let Some(own) = self.baselines.get_mut(&movement.service) {
            own.advance(after.at());
            own.level = own.level.plus(net).min(own.depth());
        }
    }

    /// What is used is first of the guarantee.
    fn use_up(&mut self, slice: SliceId, tokens: Tokens) {
        if let Some((own, rest)) = self.parts.get_mut(&slice) {
            let amount = Level::from_tokens(tokens);
            let of_own = amount.min(*own);
            *own = own.minus(of_own);
            *rest = rest.minus(amount.minus(of_own)).max(Level::ZERO);
        }
    }

    /// What is refunded is first of the rest. The guarantee's part of it.
    fn refund(&mut self, slice: SliceId, tokens: Tokens) -> Level {
        let Some((own, rest)) = self.parts.get_mut(&slice) else { return Level::ZERO };
        let amount = Level::from_tokens(tokens);
        let of_rest = amount.min(*rest);
        *rest = rest.minus(of_rest);
        let of_own = amount.minus(of_rest).min(*own);
        *own = own.minus(of_own);
        of_own
    }

    fn see_terms(&mut self, what: &TermsChanged, after: &Ledger) {
        match what {
            TermsChanged::AllocationSet { service, terms } => {
                let level = after.place(service).map_or(Level::ZERO, |place| after.levels().guarantee(place));
                let baseline =
                    Baseline { terms: terms.clone(), level: level.min(Level::ZERO), at: after.at() };
                self.baselines.insert(service.clone(), baseline);
            }
            TermsChanged::AllocationRemoved { service } => {
                self.baselines.remove(service);
            }
            TermsChanged::PoolRemoved => self.baselines.clear(),
            _ => {}
        }
    }

    /// Whether the service is inside its baseline with a request of this size, tokens apart that it has drawn already.
    pub fn inside(&self, service: &ServiceId, tokens: Tokens, now: Timestamp) -> bool {
        let Some(mut own) = self.baselines.get(service).cloned() else { return false };
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
