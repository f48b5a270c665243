//! What attempts borrowed: the part of what they used that was not of the guarantee.
//!
//! The ledger says with each slice how much of it is borrowed. What is used of a slice is first of the guarantee, then
//! borrowed, whatever of it is given back in between (see [`crate::ledger::Slice`]); so what a settle adds to the borrowed
//! part follows from the tokens that were used of its slice before.

use std::collections::HashMap;

use crate::bucket::Level;
use crate::ids::{HoldId, SliceId};
use crate::ledger::{Drawn, Event, Ledger, Moved, Quantity};

/// The slices that have a borrowed part and are not over.
#[derive(Debug, Default)]
pub(super) struct Borrowed(HashMap<SliceId, Parts>);

#[derive(Debug, Clone, Copy)]
struct Parts {
    guaranteed: Level,
    borrowed: Level,
    used: Level,
}

impl Parts {
    fn of(drawn: &Drawn) -> Self {
        let whole = Level::from_tokens(drawn.tokens);
        let guaranteed = whole.minus(drawn.borrowed).minus(drawn.unenforced);
        Self { guaranteed, borrowed: drawn.borrowed, used: Level::ZERO }
    }

    fn borrowed_of_used(self) -> Level {
        self.used.minus(self.guaranteed).max(Level::ZERO).min(self.borrowed)
    }
}

impl Borrowed {
    /// Sees what happened in a ledger.
    pub(super) fn see(&mut self, event: &Event, after: &Ledger) {
        let Event::Moved(movement) = event else { return };
        match &movement.what {
            Moved::Drawn(drawn) if drawn.borrowed > Level::ZERO => {
                self.0.insert(drawn.slice, Parts::of(drawn));
            }
            Moved::Sealed { slice, .. } if after.slice(*slice).is_none() => {
                self.0.remove(slice);
            }
            _ => {}
        }
    }

    /// How much of what an attempt used was borrowed. To be asked when its hold is settled, before the slice is over.
    pub(super) fn settle(&mut self, hold: HoldId, used: Quantity) -> Level {
        let Some(parts) = self.0.get_mut(&hold.slice()) else { return Level::ZERO };
        let before = parts.borrowed_of_used();
        parts.used = parts.used.plus(Level::from_tokens(used.tokens.min(hold.tokens())));
        parts.borrowed_of_used().minus(before)
    }

    /// Forgets a slice that is over.
    pub(super) fn forget(&mut self, slice: SliceId, after: &Ledger) {
        if after.slice(slice).is_none() {
            self.0.remove(&slice);
        }
    }
}
