//! A slice at the desk: what is free of it, and what settled holds have left.
//!
//! What a settled hold has left is handed out again, but nobody is told before its settle is recorded: after a crash the
//! hold would be whole again, its settle come again, and what it left be given back while somebody else holds it.

use crate::amount::Tokens;
use crate::desk::Mark;
use crate::ids::{HoldId, SliceId};
use crate::ledger::{HOLDS_PER_SLICE, Quantity, Seal};
use crate::time::Timestamp;

/// A slice that is being handed out.
#[derive(Debug, Clone)]
pub(super) struct InHand {
    pub(super) slice: SliceId,
    /// What may be handed out and rests on `after` alone.
    free: Quantity,
    /// What settled holds have left, with what it rests on besides, in that order: one append is under way at a time, and
    /// one is being collected.
    left: [(Mark, Quantity); 2],
    /// How much it was drawn with.
    size: Tokens,
    holds: u32,
    /// When something was last handed out from it, or it was drawn.
    pub(super) used: Timestamp,
    /// Its draw is recorded with this, and so is all that is free.
    after: Mark,
}

impl InHand {
    /// A slice of which nothing was handed out, drawn now.
    pub(super) fn new(slice: SliceId, free: Quantity, now: Timestamp, after: Mark) -> Self {
        let left = [(Mark::default(), Quantity::ZERO); 2];
        Self { slice, free, left, size: free.tokens, holds: 0, used: now, after }
    }

    /// All that was not handed out, or has come back.
    pub(super) fn whole(&self) -> Quantity {
        self.left.iter().fold(self.free, |sum, (_, left)| sum.plus(*left))
    }

    /// How many holds were handed out of it.
    pub(super) const fn handed_out(&self) -> u32 {
        self.holds
    }

    /// Whether it suffices, as soon as all that it rests on is recorded.
    pub(super) fn covers(&self, need: Quantity) -> bool {
        self.holds < HOLDS_PER_SLICE && self.whole().covers(need)
    }

    /// Whether it suffices without what waits to be recorded.
    pub(super) fn covers_at_once(&self, need: Quantity, recorded: Mark) -> bool {
        let is_recorded = |(after, _): &&(Mark, Quantity)| *after <= recorded;
        let free = self.left.iter().filter(is_recorded).fold(self.free, |sum, (_, left)| sum.plus(*left));
        self.holds < HOLDS_PER_SLICE && free.covers(need)
    }

    /// Whether less than a part of it can be handed out at once.
    pub(super) fn is_low(&self, part: u64) -> bool {
        self.free.tokens.get() < self.size.get() / part
    }

    /// Hands out a hold, and says what it rests on. None if it does not fit a hold's id; then nothing is handed out.
    pub(super) fn hand_out(
        &mut self,
        need: Quantity,
        now: Timestamp,
        recorded: Mark,
    ) -> Option<(HoldId, Mark)> {
        let hold = HoldId::try_pack(self.slice, self.holds, need.tokens)?;
        self.free_recorded(need, recorded);
        self.holds += 1;
        self.used = now;
        self.free = self.free.less(need);
        Some((hold, self.after))
    }

    /// What is recorded is free; more becomes so only if it must.
    fn free_recorded(&mut self, need: Quantity, recorded: Mark) {
        for (after, left) in &mut self.left {
            if *after <= recorded || !self.free.covers(need) {
                self.free = self.free.plus(std::mem::take(left));
                self.after = self.after.max(*after);
            }
        }
    }

    /// A settled hold has left this; it rests on its settle.
    pub(super) fn put_back(&mut self, rest: Quantity, after: Mark, recorded: Mark) {
        self.free_recorded(Quantity::ZERO, recorded);
        let [older, newer] = &mut self.left;
        if newer.0 != after {
            *older = (newer.0, older.1.plus(newer.1));
            *newer = (after, Quantity::ZERO);
        }
        newer.1 = newer.1.plus(rest);
    }

    pub(super) fn seal(&self) -> Seal {
        Seal { slice: self.slice, free: self.whole(), holds: self.holds }
    }
}
