//! Sums over what was asked of a pool, or by one service, in the order in which it was asked.

use std::collections::BTreeMap;

use crate::amount::{Requests, Tokens};
use crate::bucket::Level;
use crate::desk::Decision;
use crate::ledger::Retry;
use crate::simulate::report::{Amount, Busiest, CELLS, Cell, Outcome, RefusedBy};
use crate::time::{Timestamp, Window};

const MINUTE_SECS: i64 = 60;

/// The sums.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) asked: Amount,
    pub(super) refused: Amount,
    shadowed: Amount,
    by_limit: BTreeMap<&'static str, RefusedBy>,
    borrowed: Level,
    asked_in: Minutes,
    refused_in: Minutes,
    cells: Vec<CellSum>,
}

#[derive(Debug, Clone, Copy, Default)]
struct CellSum {
    cell: Cell,
    borrowed: Level,
}

/// A request that began at an instant of a span and used so many tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) span: Window,
    pub(super) at: Timestamp,
    pub(super) tokens: Tokens,
}

/// Why a request was refused, as far as it is counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Why {
    pub(super) limit: &'static str,
    pub(super) retry: Retry,
}

impl Tally {
    /// Counts a request and what was decided.
    pub(super) fn decided(&mut self, asked: Asked, decision: &Decision) {
        match decision {
            Ok(admitted) => {
                self.asked(asked);
                if admitted.shadowed.is_some() {
                    self.shadowed.add(1, asked.tokens);
                }
            }
            Err(refusal) => {
                self.refused(asked, Why { limit: refusal.limit().as_str(), retry: refusal.retry() });
            }
        }
    }

    /// Counts a request that was refused.
    pub(super) fn refused(&mut self, asked: Asked, why: Why) {
        self.asked(asked);
        self.refused.add(1, asked.tokens);
        self.refused_in.add(asked);
        self.cell(asked).cell.refused += Requests::new(1);
        let first = RefusedBy {
            limit: why.limit,
            refused: Amount::default(),
            first: asked.at,
            longest_retry: None,
            without_retry: Requests::ZERO,
        };
        let by = self.by_limit.entry(why.limit).or_insert(first);
        by.refused.add(1, asked.tokens);
        match why.retry.after() {
            Some(after) => by.longest_retry = by.longest_retry.max(Some(after)),
            None => by.without_retry += Requests::new(1),
        }
    }

    fn asked(&mut self, asked: Asked) {
        self.asked.add(1, asked.tokens);
        self.asked_in.add(asked);
        let sum = self.cell(asked);
        sum.cell.requests += Requests::new(1);
        sum.cell.tokens += asked.tokens;
    }

    /// Counts what a request borrowed, where it began.
    pub(super) fn borrowed(&mut self, asked: Asked, borrowed: Level) {
        self.borrowed = self.borrowed.plus(borrowed);
        let sum = self.cell(asked);
        sum.borrowed = sum.borrowed.plus(borrowed);
    }

    fn cell(&mut self, asked: Asked) -> &mut CellSum {
        let cells = usize::try_from(CELLS).expect("a line is short");
        if self.cells.is_empty() {
            self.cells = vec![CellSum::default(); cells];
        }
        let whole = asked.span.end().since(asked.span.start()).as_nanos();
        let part = asked.at.since(asked.span.start()).as_nanos() * u128::from(CELLS) / whole.max(1);
        let place = usize::try_from(part).unwrap_or(cells).min(cells - 1);
        &mut self.cells[place]
    }

    /// Whole tokens that were borrowed.
    pub(super) fn borrowed_tokens(&self) -> Tokens {
        self.borrowed.available()
    }

    /// The minute in which most was asked.
    pub(super) fn peak(&self) -> Option<Busiest> {
        self.asked_in.busiest()
    }

    /// What was counted; entitlement and budgets are not.
    pub(super) fn outcome(&self) -> Outcome {
        let cell = |sum: &CellSum| Cell { borrowed: sum.borrowed.available(), ..sum.cell };
        Outcome {
            entitled: None,
            asked: self.asked,
            refused: self.refused,
            by_limit: self.by_limit.values().copied().collect(),
            shadowed: self.shadowed,
            borrowed: self.borrowed_tokens(),
            peak: self.peak(),
            worst: self.refused_in.busiest(),
            budgets: Vec::new(),
            cells: self.cells.iter().map(cell).collect(),
        }
    }
}

/// The minute into which most tokens fell, of those that have come in order of time; of equal ones the first.
#[derive(Debug, Default)]
struct Minutes {
    this: Option<Busiest>,
    busiest: Option<Busiest>,
}

impl Minutes {
    fn add(&mut self, asked: Asked) {
        let minute = Timestamp::from_secs(asked.at.as_secs().div_euclid(MINUTE_SECS) * MINUTE_SECS);
        if self.this.is_none_or(|this| this.minute != minute) {
            self.busiest = self.busiest();
            self.this = Some(Busiest { minute, amount: Amount::default() });
        }
        if let Some(this) = &mut self.this {
            this.amount.add(1, asked.tokens);
        }
    }

    fn busiest(&self) -> Option<Busiest> {
        let size = |busiest: &Busiest| (busiest.amount.tokens, busiest.amount.requests);
        match (self.busiest, self.this) {
            (Some(busiest), Some(this)) if size(&this) > size(&busiest) => Some(this),
            (busiest, this) => busiest.or(this),
        }
    }
}
