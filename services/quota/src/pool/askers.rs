//! Who asked for holds: names by the small numbers that the desk keeps with each.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use weir_domain::desk::{Asker, RESERVATION_WINDOW};
use weir_domain::time::Timestamp;

/// Names that are kept for a pool: ten times the nodes that anybody runs. Those that come while all of them are in use are
/// nobody.
const ASKERS_MAX: usize = 4_096;
/// How long after its last use a number may be with a reservation that is remembered: an id may be minted one window ahead of
/// the desk's clock, and is forgotten one window after.
const IN_USE: Duration = RESERVATION_WINDOW.saturating_mul(2);

/// Names and their numbers.
#[derive(Debug, Default)]
pub(super) struct Askers {
    /// The first has number 1.
    names: Vec<Known>,
    numbers: HashMap<Arc<str>, Asker>,
    /// Numbers whose names are forgotten.
    free: Vec<Asker>,
    /// When a name may be forgotten next, if all numbers are taken.
    full_until: Timestamp,
}

/// A name, and when it was used last.
#[derive(Debug)]
struct Known {
    name: Arc<str>,
    used: Timestamp,
}

impl Askers {
    /// The number of a name that is used now.
    pub(super) fn number(&mut self, name: &str, now: Timestamp) -> Asker {
        if name.is_empty() {
            return Asker::NOBODY;
        }
        if let Some(number) = self.numbers.get(name).copied() {
            if let Some(known) = place(number).and_then(|place| self.names.get_mut(place)) {
                known.used = now;
            }
            return number;
        }
        self.learn(name, now).unwrap_or(Asker::NOBODY)
    }

    /// The name of a number; empty for nobody.
    pub(super) fn name(&self, asker: Asker) -> &str {
        place(asker).and_then(|place| self.names.get(place)).map_or("", |known| &known.name)
    }

    fn learn(&mut self, name: &str, now: Timestamp) -> Option<Asker> {
        if self.names.len() >= ASKERS_MAX && self.free.is_empty() && self.full_until <= now {
            self.forget_unused(now);
        }
        let known = Known { name: name.into(), used: now };
        let number = match self.free.pop() {
            Some(free) => free,
            None if self.names.len() < ASKERS_MAX => Asker::new(u32::try_from(self.names.len() + 1).ok()?),
            None => return None,
        };
        self.numbers.insert(Arc::clone(&known.name), number);
        match place(number).and_then(|place| self.names.get_mut(place)) {
            Some(forgotten) => *forgotten = known,
            None => self.names.push(known),
        }
        Some(number)
    }

    /// Goes through all names once, and not again before one more can be out of use.
    fn forget_unused(&mut self, now: Timestamp) {
        let oldest = self.names.iter().map(|known| known.used).min().unwrap_or(now);
        self.full_until = oldest.plus(IN_USE);
        let (names, free) = (&self.names, &mut self.free);
        self.numbers.retain(|_, number| {
            let known = place(*number).and_then(|place| names.get(place));
            let is_in_use = known.is_some_and(|known| known.used.plus(IN_USE) > now);
            if !is_in_use {
                free.push(*number);
            }
            is_in_use
        });
    }
}

/// Where the name of a number is.
fn place(asker: Asker) -> Option<usize> {
    usize::try_from(asker.get()).ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_750_000_000);

    /// `gateway-1`, and as many others as there is room for.
    fn full() -> Askers {
        let mut askers = Askers::default();
        askers.number("gateway-1", NOW);
        (1..ASKERS_MAX)
            .for_each(|number| assert_ne!(askers.number(&format!("node-{number}"), NOW), Asker::NOBODY));
        askers
    }

    #[test]
    fn a_name_has_one_number_and_too_many_names_have_none() {
        let mut askers = Askers::default();
        let first = askers.number("gateway-1", NOW);
        assert_eq!(
            (askers.number("gateway-2", NOW), askers.number("gateway-1", NOW)),
            (Asker::new(2), first)
        );
        assert_eq!([askers.name(first), askers.name(Asker::NOBODY)], ["gateway-1", ""]);
        let mut askers = full();
        assert_eq!((askers.number("one-more", NOW), askers.names.len()), (Asker::NOBODY, ASKERS_MAX));
    }

    #[test]
    fn names_that_no_remembered_hold_can_have_make_room_and_others_keep_their_numbers() {
        let mut askers = full();
        let soon = NOW.plus(RESERVATION_WINDOW);
        let first = askers.number("gateway-1", soon);
        assert_eq!(askers.number("new", soon), Asker::NOBODY, "a hold may have any of them");
        let later = NOW.plus(IN_USE);
        let new = askers.number("new", later);
        assert_eq!((askers.name(new), askers.name(first)), ("new", "gateway-1"));
        assert_eq!(askers.number("gateway-1", later), first);
        let newer: Vec<_> = (1..100).map(|number| askers.number(&format!("new-{number}"), later)).collect();
        assert!(newer.iter().all(|number| ![Asker::NOBODY, first, new].contains(number)));
        assert_eq!(askers.names.len(), ASKERS_MAX);
    }
}
