//! Holds that are under way: how many there are of each allocation, and until when they count as alive.
//!
//! A hold that is neither settled nor extended stops counting as under way. Nothing else happens to it: its tokens stay
//! taken, and it is charged when it is settled, however late.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use crate::amount::Money;
use crate::ids::HoldId;
use crate::ledger::levels::Place;
use crate::table::Table;
use crate::time::Timestamp;

/// How many holds a pool may have under way: 1,000,000 are below 200 MB; a pool that serves 1,000 requests a second for a
/// minute each has 60,000.
pub const HOLDS_MAX: usize = 1_000_000;
/// How many of them one allocation may have, whatever its terms say: one that is out of hand leaves nine tenths to others. As
/// many as 1,600 requests a second of a minute each.
pub const HOLDS_PER_ALLOCATION_MAX: u32 = 100_000;
/// How many holds that have ended may still stand in the queue of those that expire beside those that have not, before it is gone
/// through.
const ENDED_MAX: usize = 1_024;
/// How long a hold counts as under way after it was placed or extended.
pub const HOLD_LIFETIME: Duration = Duration::from_mins(2);

/// A hold as the desk knows it: by its slice and number alone, so that whoever names another size names the same hold.
#[derive(Debug, Clone, Copy, Eq)]
struct Numbered(HoldId);

impl Numbered {
    fn without_tokens(self) -> u128 {
        self.0.as_u128() - u128::from(self.0.tokens().get())
    }
}

impl PartialEq for Numbered {
    fn eq(&self, other: &Self) -> bool {
        self.without_tokens() == other.without_tokens()
    }
}

impl Hash for Numbered {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.without_tokens().hash(state);
    }
}

/// A hold that is under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Live {
    pub(super) place: Place,
    pub(super) money: Money,
    until: Timestamp,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Holds {
    live: Table<Numbered, Live>,
    /// In the order in which they were placed; those that were extended come again.
    to_expire: VecDeque<(Timestamp, HoldId)>,
}

impl Holds {
    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    pub(super) fn is_alive(&self, hold: HoldId) -> bool {
        self.live.contains_key(&Numbered(hold))
    }

    /// Until when it counts as under way, if it does.
    pub(super) fn alive_until(&self, hold: HoldId) -> Option<Timestamp> {
        self.live.get(&Numbered(hold)).map(|live| live.until)
    }

    /// False if it was under way already, or there is no room.
    pub(super) fn begin(&mut self, hold: HoldId, place: Place, money: Money, now: Timestamp) -> bool {
        let until = now.plus(HOLD_LIFETIME);
        if self.live.len() >= HOLDS_MAX {
            return false;
        }
        match self.live.entry(Numbered(hold)) {
            Entry::Occupied(_) => return false,
            Entry::Vacant(vacant) => vacant.insert(Live { place, money, until }),
        };
        if self.to_expire.len() > 2 * self.live.len() + ENDED_MAX {
            self.to_expire.retain(|(_, hold)| self.live.contains_key(&Numbered(*hold)));
        }
        self.to_expire.push_back((until, hold));
        true
    }

    pub(super) fn extend(&mut self, hold: HoldId, now: Timestamp) -> bool {
        match self.live.get_mut(&Numbered(hold)) {
            Some(live) => {
                live.until = now.plus(HOLD_LIFETIME);
                true
            }
            None => false,
        }
    }

    /// A hold ends; with its id as it was handed out.
    pub(super) fn end(&mut self, hold: HoldId) -> Option<(HoldId, Live)> {
        self.live.remove_entry(&Numbered(hold)).map(|(Numbered(handed_out), live)| (handed_out, live))
    }

    /// A hold that is no longer alive; none if there is none. Ask again until then.
    pub(super) fn expire(&mut self, now: Timestamp) -> Option<Live> {
        while let Some((_, hold)) = self.to_expire.front().copied().filter(|(due, _)| *due <= now) {
            self.to_expire.pop_front();
            match self.live.get(&Numbered(hold)) {
                Some(live) if live.until <= now => return self.live.remove(&Numbered(hold)),
                Some(live) => self.to_expire.push_back((live.until, hold)),
                None => {}
            }
        }
        None
    }
}
