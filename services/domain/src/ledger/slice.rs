//! Slices: tokens that were drawn from an allocation and are handed out by whoever holds the slice.
//!
//! The ledger does not know the holds of a slice; it knows which of them were settled, by their numbers, so that none is
//! charged twice. A slice is forgotten when its holder has said how many holds there were and all of them are settled:
//! whatever names it afterwards is a repetition. A slice whose holder is gone is remembered, since nobody knows which
//! holds there are.

mod marks;

use crate::amount::{Money, Tokens};
use crate::bucket::Level;
use crate::ids::{HoldId, NodeId};
use crate::ledger::levels::Place;
use crate::ledger::{Holder, Quantity};

pub use marks::HOLDS_PER_SLICE;
pub(super) use marks::{Marks, RecycledMarks};

/// Where a slice is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SliceState {
    /// Its holder hands it out.
    Open,
    /// Its holder hands out no more; so many holds there were.
    Sealed {
        /// How many.
        holds: u32,
    },
    /// Its holder is gone, or it never was drawn here. Nobody knows how many holds there are.
    Lapsed,
}

/// A slice as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    pub(super) place: Place,
    /// Apart, since few slices have one and every settle looks at its slice.
    pub(super) holder: Option<Box<Holder>>,
    pub(super) state: SliceState,
    /// Drawn and neither settled nor given back.
    pub(super) tokens: Tokens,
    /// The part of it that is borrowed, and the part that no limit had room for. The rest is of the guarantee.
    pub(super) borrowed: Level,
    pub(super) unenforced: Level,
    pub(super) money: Money,
    pub(super) settled: Marks,
    /// The how-manieth of its account's slices it was to lapse, from 1; 0 if it has not.
    pub(super) lapse_number: u64,
}

/// What flows back into buckets, and where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Refund {
    pub(super) guaranteed: Level,
    pub(super) borrowed: Level,
    pub(super) unenforced: Level,
    pub(super) money: Money,
}

/// What a settle does to its slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Charged {
    /// What was used of what the hold held.
    pub(super) covered: Quantity,
    /// The part of it for which nothing was taken before.
    pub(super) unenforced: Level,
    /// What nobody has any more.
    pub(super) refund: Refund,
}

impl Slice {
    /// A slice that was not drawn here: nothing of it can be given back.
    pub(super) fn foreign(place: Place) -> Self {
        Self {
            place,
            holder: None,
            state: SliceState::Lapsed,
            tokens: Tokens::ZERO,
            borrowed: Level::ZERO,
            unenforced: Level::ZERO,
            money: Money::ZERO,
            settled: Marks::default(),
            lapse_number: 0,
        }
    }

    /// Who hands it out; none if it is the quota node itself.
    pub fn holder(&self) -> Option<&Holder> {
        self.holder.as_deref()
    }

    /// Whether this node hands it out.
    pub fn is_held_by(&self, node: &NodeId) -> bool {
        self.holder().is_some_and(|holder| holder.node == *node)
    }

    /// Where it is in its life.
    pub fn state(&self) -> SliceState {
        self.state
    }

    /// Drawn and neither settled nor given back.
    pub fn tokens(&self) -> Tokens {
        self.tokens
    }

    /// Whose it is.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The part of it that is borrowed.
    pub fn borrowed(&self) -> Level {
        self.borrowed
    }

    /// Drawn and neither settled nor given back, with money.
    pub fn outstanding(&self) -> Quantity {
        Quantity { tokens: self.tokens, money: self.money }
    }

    /// The money that goes with so many of its tokens, where nobody remembers it: their part of all.
    pub(super) fn money_of(&self, tokens: Tokens) -> Money {
        let product = u128::from(self.money.get()) * u128::from(tokens.min(self.tokens).get());
        let part = product / u128::from(self.tokens.get().max(1));
        Money::new(u64::try_from(part).unwrap_or(u64::MAX))
    }

    /// Settles a hold that held so much money. What it leaves its holder hands out again while the slice is open; after that
    /// it goes back.
    pub(super) fn charge(
        &mut self,
        hold: HoldId,
        held: Money,
        used: Quantity,
        recycled: &mut RecycledMarks,
    ) -> Charged {
        self.settled.mark(hold.number(), recycled);
        let held = Quantity { tokens: hold.tokens(), money: held }.at_most(self.outstanding());
        let covered = used.at_most(held);
        let unenforced = self.unenforced;
        self.use_up(covered);
        let unenforced = unenforced.minus(self.unenforced);
        let is_open = self.state == SliceState::Open;
        let refund = if is_open { Refund::default() } else { self.refund(held.less(covered)) };
        Charged { covered, unenforced, refund }
    }

    /// Hands out no more: so many holds there were, and so much is left.
    pub(super) fn seal(&mut self, holds: u32, free: Quantity) -> Refund {
        self.state = SliceState::Sealed { holds };
        // Who settled a hold that nobody was given must not let the slice be over before those are settled that were.
        self.settled.end_at(holds);
        self.refund(free)
    }

    /// Takes away what was used: first what is of the guarantee.
    fn use_up(&mut self, used: Quantity) {
        self.tokens = self.tokens.saturating_sub(used.tokens);
        self.money = self.money.saturating_sub(used.money);
        if self.unenforced == Level::ZERO && self.borrowed == Level::ZERO {
            return;
        }
        let left = Level::from_tokens(self.tokens);
        self.unenforced = self.unenforced.min(left);
        self.borrowed = self.borrowed.min(left.minus(self.unenforced));
    }

    /// Takes away what is refunded: first what no limit had room for, then what is borrowed, last what is of the guarantee. All
    /// there is if every hold is settled, for then it is nobody's.
    fn refund(&mut self, rest: Quantity) -> Refund {
        let back = if self.is_over() { self.outstanding() } else { rest.at_most(self.outstanding()) };
        let amount = Level::from_tokens(back.tokens);
        let unenforced = self.unenforced.min(amount);
        let borrowed = self.borrowed.min(amount.minus(unenforced));
        self.tokens = self.tokens.saturating_sub(back.tokens);
        self.money = self.money.saturating_sub(back.money);
        self.unenforced = self.unenforced.minus(unenforced);
        self.borrowed = self.borrowed.minus(borrowed);
        let guaranteed = amount.minus(unenforced).minus(borrowed);
        Refund { guaranteed, borrowed, unenforced, money: back.money }
    }

    /// Whether a hold of that number was settled. One beyond those that there were counts as settled.
    pub(super) fn has_settled(&self, number: u32) -> bool {
        let is_beyond = matches!(self.state, SliceState::Sealed { holds } if number >= holds);
        is_beyond || self.settled.has(number)
    }

    /// Whether every hold there was is settled.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, SliceState::Sealed { holds } if self.settled.count() >= holds)
    }
}

impl Refund {
    pub(super) fn total(self) -> Level {
        self.guaranteed.plus(self.borrowed).plus(self.unenforced)
    }

    /// What the pool gets: it gave nothing for what no limit had room for.
    pub(super) fn of_pool(self) -> Level {
        self.guaranteed.plus(self.borrowed)
    }

    pub(super) fn quantity(self) -> Quantity {
        Quantity { tokens: self.total().available(), money: self.money }
    }
}
