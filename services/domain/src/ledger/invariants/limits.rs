//! Witness of promise 4 over time: nobody borrows past its ceiling, and nobody lends past its lending limit.
//!
//! Sees the events and computes in its own way: what may be borrowed follows from the terms alone, instant by instant, and
//! what is lent from what guarantees and the pool hold before and after a span.

use std::collections::HashMap;

use super::witness::totals_of;
use super::{Violation, promise, tokens_of};
use crate::amount::{Tokens, TokensPerMinute};
use crate::bucket::Level;
use crate::burst::Approval;
use crate::ids::{ServiceId, SliceId};
use crate::ledger::levels::{Levels, Place};
use crate::ledger::{Drawn, Event, Ledger, Moved, Movement, POOL_WINDOW, PoolTerms, TermsChanged};
use crate::time::Timestamp;

/// Keeps for each service what it could borrow at most: (ceiling − baseline + best effort) × time, a minute deep. A draw
/// that takes more of it would have borrowed past its ceiling over some span that ends now.
#[derive(Debug, Clone, Default)]
pub struct LimitsWitness {
    allowances: HashMap<ServiceId, Allowance>,
    parts: HashMap<SliceId, Parts>,
    broken: Option<String>,
}

/// What may be borrowed, at an instant. Debt is not taken from it: it is never less than the bucket holds.
#[derive(Debug, Clone, Copy, Default)]
struct Allowance {
    level: Level,
    at: Timestamp,
}

/// What is left of a slice: the rest of it is of the guarantee.
#[derive(Debug, Clone, Copy, Default)]
struct Parts {
    tokens: Tokens,
    borrowed: Level,
    unenforced: Level,
}

impl LimitsWitness {
    /// Sees that an event made one ledger another.
    pub fn see(&mut self, before: &Ledger, event: &Event, after: &Ledger) {
        self.see_lent(before.levels(), after.at());
        match event {
            Event::Moved(movement) => self.see_moved(before, movement, after),
            Event::Governed(governed) => self.see_terms(before, &governed.what, after),
        }
    }

    /// Whether the promise has held so far.
    pub fn invariant_limits(&self) -> Result<(), Violation> {
        promise("limits", self.broken.is_none(), || self.broken.clone().unwrap_or_default())
    }

    fn see_moved(&mut self, before: &Ledger, movement: &Movement, after: &Ledger) {
        let service = &movement.service;
        let slice = match &movement.what {
            Moved::Drawn(drawn) => return self.see_drawn(service, drawn, after),
            Moved::Settled { hold, .. } => hold.slice(),
            Moved::Sealed { slice, .. } => *slice,
            _ => return,
        };
        let (old, new) = (totals_of(before, service), totals_of(after, service));
        let returned = new.returned.saturating_sub(old.returned);
        let covered = old.outstanding.saturating_sub(new.outstanding).saturating_sub(returned);
        let Some(parts) = self.parts.get_mut(&slice) else { return };
        parts.use_up(covered);
        let back = parts.refund(returned);
        let allowance = self.allowances.entry(service.clone()).or_default();
        allowance.pass(after.terms(), service, after.at());
        let depth = depth(rate_at(after.terms(), service, after.at()));
        allowance.level = allowance.level.plus(back).min(depth);
    }

    fn see_drawn(&mut self, service: &ServiceId, drawn: &Drawn, after: &Ledger) {
        let Drawn { slice, tokens, borrowed, unenforced, .. } = *drawn;
        self.parts.insert(slice, Parts { tokens, borrowed, unenforced });
        let allowance = self.allowances.entry(service.clone()).or_default();
        allowance.pass(after.terms(), service, after.at());
        let left = allowance.level;
        allowance.level = left.minus(borrowed);
        if borrowed > left.max(Level::ZERO) {
            let (borrowed, left) = (tokens_of(borrowed), tokens_of(left));
            self.broken = Some(format!("{service} borrows {borrowed}, and its ceiling leaves {left}"));
        }
        if borrowed > Level::ZERO && after.spare() < Level::ZERO {
            self.broken = Some(format!("{service} borrows what others are guaranteed"));
        }
    }

    /// What gets deeper because an allocation is set is full at once.
    fn see_terms(&mut self, before: &Ledger, what: &TermsChanged, after: &Ledger) {
        let now = after.at();
        if let TermsChanged::AllocationSet { service, .. } = what {
            self.allowances.entry(service.clone()).or_default();
        }
        for (service, allowance) in &mut self.allowances {
            allowance.pass(before.terms(), service, now);
            let (old, new) = (rate_at(before.terms(), service, now), rate_at(after.terms(), service, now));
            let set = matches!(what, TermsChanged::AllocationSet { service: set, .. } if set == service);
            let deeper = if set { depth(new).minus(depth(old)).max(Level::ZERO) } else { Level::ZERO };
            allowance.level = allowance.level.plus(deeper).min(depth(new));
        }
    }

    /// Over a span a pool gets at most its capacity, less what guarantees overflow beyond their lending limits.
    fn see_lent(&mut self, before: &Levels, now: Timestamp) {
        let limited = |place: &Place| before.lending(*place).is_some();
        if now <= before.at() || !before.places().any(|place| limited(&place)) {
            return;
        }
        let mut passed = before.clone();
        passed.advance(now);
        let span_ns = i128::from(now.as_nanos()) - i128::from(before.at().as_nanos());
        let kept = before.places().map(|place| kept(before, &passed, place, span_ns));
        let kept = kept.fold(Level::ZERO, Level::plus);
        let most = before.pool().plus(Level::from_rate(before.pool_rate(), span_ns)).minus(kept);
        // A pool that was full stays full, whatever is kept from it.
        let most = if passed.pool() == passed.pool_depth() { most.max(before.pool()) } else { most };
        if passed.pool() > most {
            let over = tokens_of(passed.pool().minus(most));
            self.broken = Some(format!("{over} tokens are lent beyond lending limits up to {now}"));
        }
    }
}

/// What of an account's overflow others do not get over a span in which its plan does not change.
fn kept(before: &Levels, after: &Levels, place: Place, span_ns: i128) -> Level {
    let Some(lending) = before.lending(place) else { return Level::ZERO };
    if before.next_edge(place).is_some_and(|edge| edge <= after.at()) {
        return Level::ZERO;
    }
    let rate = before.plan(place).at(before.at()).rate;
    let refill = Level::from_rate(rate, span_ns);
    let overflow = before.guarantee(place).plus(refill).minus(after.guarantee(place));
    overflow.minus(Level::from_rate(rate.min(lending), span_ns)).max(Level::ZERO)
}

impl Allowance {
    /// Time passes while the terms are these.
    fn pass(&mut self, terms: &PoolTerms, service: &ServiceId, now: Timestamp) {
        let mut edges: Vec<Timestamp> = terms
            .bursts()
            .values()
            .filter(|record| record.burst.service == *service)
            .flat_map(|record| [record.burst.window.start(), record.burst.window.end()])
            .chain(terms.allocations().get(service).and_then(|held| held.lapse).map(|lapse| lapse.at))
            .filter(|edge| *edge > self.at && *edge < now)
            .collect();
        edges.sort_unstable();
        for edge in edges.into_iter().chain([now]) {
            let rate = rate_at(terms, service, self.at);
            let span_ns = i128::from(edge.as_nanos()) - i128::from(self.at.as_nanos());
            let refilled = self.level.min(depth(rate)).plus(Level::from_rate(rate, span_ns.max(0)));
            self.level = refilled.min(depth(rate));
            self.at = self.at.max(edge);
        }
        self.level = self.level.min(depth(rate_at(terms, service, self.at)));
    }
}

/// How fast what a service may borrow refills at an instant.
fn rate_at(terms: &PoolTerms, service: &ServiceId, at: Timestamp) -> TokensPerMinute {
    let Some(held) = terms.allocations().get(service) else { return TokensPerMinute::ZERO };
    let lapsed = held.lapse.filter(|lapse| lapse.at <= at);
    let left = |rate: TokensPerMinute| lapsed.map_or(rate, |lapse| rate.min(lapse.to));
    let counts = terms.bursts().values().filter(|record| {
        let burst = &record.burst;
        burst.service == *service
            && burst.window.contains(at)
            && record.approval() == Some(Approval::BestEffort)
    });
    let extra: TokensPerMinute = counts.map(|record| record.burst.extra).sum();
    left(held.ceiling).saturating_sub(left(held.baseline)) + extra
}

fn depth(rate: TokensPerMinute) -> Level {
    Level::from_rate(rate, i128::try_from(POOL_WINDOW.as_nanos()).unwrap_or(i128::MAX))
}

impl Parts {
    /// What is used is first of the guarantee.
    fn use_up(&mut self, tokens: Tokens) {
        self.tokens = self.tokens.saturating_sub(tokens);
        let left = Level::from_tokens(self.tokens);
        self.unenforced = self.unenforced.min(left);
        self.borrowed = self.borrowed.min(left.minus(self.unenforced));
    }

    /// What is refunded is first what no limit had room for, then what is borrowed. The borrowed part of it.
    fn refund(&mut self, tokens: Tokens) -> Level {
        self.tokens = self.tokens.saturating_sub(tokens);
        let amount = Level::from_tokens(tokens);
        let unenforced = amount.min(self.unenforced);
        let borrowed = amount.minus(unenforced).min(self.borrowed);
        self.unenforced = self.unenforced.minus(unenforced);
        self.borrowed = self.borrowed.minus(borrowed);
        borrowed
    }
}
