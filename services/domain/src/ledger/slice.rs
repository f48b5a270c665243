//! Slices: tokens that were drawn from an allocation and are handed out by whoever holds the slice.
//!
//! The ledger does not know the holds of a slice; it knows which of them were settled, by their numbers, so that none is
//! charged twice. A slice is forgotten when its holder has said how many holds there were and all of them are settled:
//! whatever names it afterwards is a repetition. A slice whose holder is gone is remembered, since nobody knows which
//! holds there are.

use crate::amount::{Money, Tokens};
use crate::bucket::Level;
use crate::ids::{HoldId, NodeId};
use crate::ledger::Quantity;
use crate::ledger::levels::Place;

/// How many holds are handed out from one slice: their marks fit 512 bytes, and at a slice a second they are 4,096 requests
/// a second of one allocation.
pub const HOLDS_PER_SLICE: u32 = 4_096;
/// Words beyond the first that all numbers take.
const WORDS_MORE: usize = (HOLDS_PER_SLICE / u64::BITS) as usize - 1;

/// The numbers of the holds of a slice that were settled. Most slices have few: the first 64 need no room of their own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Marks {
    first: u64,
    more: Option<Box<[u64; WORDS_MORE]>>,
    count: u32,
}

impl Marks {
    fn word(&self, number: u32) -> u64 {
        let place = (number / u64::BITS) as usize;
        match (place.checked_sub(1), &self.more) {
            (None, _) => self.first,
            (Some(place), Some(more)) => more[place],
            (Some(_), None) => 0,
        }
    }

    fn word_mut(&mut self, number: u32) -> &mut u64 {
        match ((number / u64::BITS) as usize).checked_sub(1) {
            None => &mut self.first,
            Some(place) => &mut self.more.get_or_insert_with(|| Box::new([0; WORDS_MORE]))[place],
        }
    }

    /// Whether the number is marked. Numbers that no hold can have count as marked.
    pub(super) fn has(&self, number: u32) -> bool {
        number >= HOLDS_PER_SLICE || self.word(number) >> (number % u64::BITS) & 1 == 1
    }

    /// Marks a number that is not marked.
    pub(super) fn mark(&mut self, number: u32) {
        if !self.has(number) {
            *self.word_mut(number) |= 1 << (number % u64::BITS);
            self.count += 1;
        }
    }

    /// How many are marked.
    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// The words up to the last that has a mark, for a snapshot.
    pub(super) fn words(&self) -> Vec<u64> {
        let more = self.more.iter().flat_map(|more| more.iter().copied());
        let mut words: Vec<u64> = std::iter::once(self.first).chain(more).collect();
        while words.last() == Some(&0) {
            words.pop();
        }
        words
    }

    /// From a snapshot's words; what is missing is unmarked.
    pub(super) fn from_words(words: &[u64]) -> Self {
        let mut marks = Self::default();
        for (place, word) in (0..=WORDS_MORE).zip(words).filter(|(_, word)| **word != 0) {
            let number = u32::try_from(place).expect("there are fewer words than numbers") * u64::BITS;
            *marks.word_mut(number) = *word;
        }
        marks.count = words.iter().take(WORDS_MORE + 1).map(|word| word.count_ones()).sum();
        marks
    }
}

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
    pub(super) holder: Option<NodeId>,
    pub(super) state: SliceState,
    /// Drawn and neither settled nor given back.
    pub(super) tokens: Tokens,
    /// The part of it that is borrowed, and the part that was taken from the pool alone. The rest is of the guarantee.
    pub(super) borrowed: Level,
    pub(super) unenforced: Level,
    pub(super) money: Money,
    pub(super) settled: Marks,
    /// The how-manieth of its account's slices it was to lapse, from 1; 0 if it has not.
    pub(super) lapse: u64,
}

/// What goes back, and where it came from.
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
            lapse: 0,
        }
    }

    /// Who hands it out; none if it is the quota node itself.
    pub fn holder(&self) -> Option<&NodeId> {
        self.holder.as_ref()
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
    pub(super) fn charge(&mut self, hold: HoldId, held: Money, used: Quantity) -> Charged {
        self.settled.mark(hold.number());
        let held = Quantity { tokens: hold.tokens(), money: held }.at_most(self.outstanding());
        let covered = used.at_most(held);
        self.use_up(covered);
        let is_open = self.state == SliceState::Open;
        let refund = if is_open { Refund::default() } else { self.give_back(held.less(covered)) };
        Charged { covered, refund }
    }

    /// Hands out no more: so many holds there were, and so much is left.
    pub(super) fn seal(&mut self, holds: u32, free: Quantity) -> Refund {
        self.state = SliceState::Sealed { holds };
        self.give_back(free)
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

    /// Takes away what goes back: first what the pool alone gave, then what is borrowed, last what is of the guarantee. All
    /// there is if every hold is settled, for then it is nobody's.
    fn give_back(&mut self, rest: Quantity) -> Refund {
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

    pub(super) fn quantity(self) -> Quantity {
        Quantity { tokens: self.total().available(), money: self.money }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_marked_once_and_survives_a_snapshot() {
        let mut marks = Marks::default();
        for number in [0, 63, 64, 4_095, 64] {
            marks.mark(number);
            assert!(marks.has(number), "{number}");
        }
        assert_eq!(marks.count(), 4);
        assert!(!marks.has(1) && !marks.has(65) && marks.has(HOLDS_PER_SLICE));
        assert_eq!(Marks::from_words(&marks.words()), marks);
        assert_eq!(Marks::from_words(&[0b101]).words(), [0b101]);
    }
}
