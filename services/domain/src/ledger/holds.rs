//! Holds: those outstanding, and the ids of those that are over, so that nothing is charged twice.
//!
//! An outstanding hold is never forgotten. A finished one is forgotten when it has been over, and its id been minted,
//! for [`FINISHED_RETENTION`]; from then on its id is too old to begin a hold or a charge with, so forgetting it is safe.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::amount::Tokens;
use crate::ids::{HoldId, ServiceId};
use crate::time::Timestamp;

/// How long a finished hold is remembered. Longer than a gateway repeats a call that nobody acknowledged, and so long
/// that the ids of 1,000 requests a second fit in 100 MB.
pub const FINISHED_RETENTION: Duration = Duration::from_mins(15);
/// How many holds a pool may have outstanding. 1,000,000 fit in 256 MiB; a pool that serves 1,000 requests a second for
/// a minute each has 60,000.
pub const HOLDS_MAX: usize = 1_000_000;

/// Tokens held for a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Who holds them.
    pub service: ServiceId,
    /// How many.
    pub tokens: Tokens,
    /// Since when.
    pub since: Timestamp,
}

/// How a hold ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was charged.
    Settled,
    /// It was given back.
    Released,
}

/// What is known of a hold's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known<'a> {
    /// It holds tokens.
    Outstanding(&'a Hold),
    /// It held tokens, or was settled or released before it could.
    Finished(Ending),
    /// It was minted so long ago that it could have been forgotten.
    Stale,
    /// Nothing.
    Unseen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Finished {
    ending: Ending,
    forget_at: Timestamp,
}

/// The holds of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holds {
    outstanding: HashMap<HoldId, Hold>,
    finished: HashMap<HoldId, Finished>,
    /// In order of finishing; an id that was finished twice stands here twice.
    to_forget: VecDeque<(HoldId, Timestamp)>,
}

impl Holds {
    /// What is known of an id at an instant.
    pub fn known(&self, hold: HoldId, now: Timestamp) -> Known<'_> {
        if let Some(outstanding) = self.outstanding.get(&hold) {
            return Known::Outstanding(outstanding);
        }
        match self.finished.get(&hold) {
            Some(finished) if now < finished.forget_at => Known::Finished(finished.ending),
            _ if minted(hold).plus(FINISHED_RETENTION) <= now => Known::Stale,
            _ => Known::Unseen,
        }
    }

    /// How many are outstanding.
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// All that are outstanding, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (HoldId, &Hold)> {
        self.outstanding.iter().map(|(id, hold)| (*id, hold))
    }

    /// How many finished ones are remembered.
    pub fn remembered(&self) -> usize {
        self.finished.len()
    }

    /// Begins a hold. False, and nothing is changed, if its id is taken or used up.
    pub(super) fn begin(&mut self, id: HoldId, hold: Hold) -> bool {
        if self.finished.contains_key(&id) {
            return false;
        }
        match self.outstanding.entry(id) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(hold);
                true
            }
        }
    }

    /// Ends a hold, or uses its id up if it never began. Gives back what was outstanding; an error if it ended so before.
    pub(super) fn finish(
        &mut self,
        id: HoldId,
        ending: Ending,
        now: Timestamp,
    ) -> Result<Option<Hold>, AlreadyFinished> {
        self.forget(now);
        let before = self.finished.get(&id).map(|finished| finished.ending);
        if before.is_some_and(|before| before == ending || before == Ending::Settled) {
            return Err(AlreadyFinished);
        }
        let forget_at = now.max(minted(id)).plus(FINISHED_RETENTION);
        self.finished.insert(id, Finished { ending, forget_at });
        self.to_forget.push_back((id, forget_at));
        Ok(self.outstanding.remove(&id))
    }

    fn forget(&mut self, now: Timestamp) {
        while let Some((id, forget_at)) = self.to_forget.front().copied().filter(|(_, at)| *at <= now) {
            self.to_forget.pop_front();
            if self.finished.get(&id).is_some_and(|finished| finished.forget_at == forget_at) {
                self.finished.remove(&id);
            }
        }
    }
}

/// The hold had ended in this way, or had been charged, before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AlreadyFinished;

/// When a hold's id was minted, by its caller's clock.
pub fn minted(hold: HoldId) -> Timestamp {
    Timestamp::from_millis(i64::try_from(hold.minted_at_ms()).unwrap_or(i64::MAX))
}
