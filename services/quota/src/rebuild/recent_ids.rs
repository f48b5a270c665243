//! The ids of the last records of a partition, so that a copy of one is known: a journal may hold a record twice.
//!
//! A copy comes of a producer that tried again. It stands in the same partition, behind its original by no more than what
//! was appended at once, by it and by those who append beside it.

use std::collections::{HashSet, VecDeque};

use weir_domain::ids::EventId;

/// Ids that are remembered of a partition: four of the largest appends, of 2,048 decisions each; in a snapshot 128 KiB.
const RECENT_MAX: usize = 8_192;

/// The last ids, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RecentIds {
    order: VecDeque<EventId>,
    ids: HashSet<EventId>,
}

impl RecentIds {
    /// Whether an id was not seen lately. From now on it was.
    pub(crate) fn is_new(&mut self, id: EventId) -> bool {
        let new = self.ids.insert(id);
        if new {
            self.order.push_back(id);
            if self.order.len() > RECENT_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.ids.remove(&oldest);
            }
        }
        new
    }

    /// All of them, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = EventId> {
        self.order.iter().copied()
    }
}

impl FromIterator<EventId> for RecentIds {
    fn from_iter<I: IntoIterator<Item = EventId>>(ids: I) -> Self {
        let mut recent = Self::default();
        for id in ids {
            recent.is_new(id);
        }
        recent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_known_as_long_as_it_may_come_and_no_more_are_kept() {
        let id = |number: usize| EventId::new(number as u128);
        let mut recent: RecentIds = (0..RECENT_MAX).map(id).collect();
        assert!(!recent.is_new(id(0)) && !recent.is_new(id(RECENT_MAX - 1)));
        assert!(recent.is_new(id(RECENT_MAX)));
        assert_eq!((recent.order.len(), recent.ids.len()), (RECENT_MAX, RECENT_MAX));
        assert!(!recent.is_new(id(1)) && recent.is_new(id(0)), "the oldest is forgotten first");
    }
}
