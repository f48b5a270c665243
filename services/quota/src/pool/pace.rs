//! How many group commits a pool makes in a second, at most.
//!
//! A journal that answers at once would otherwise get a record for every settle, however many callers there are. The first
//! small commits of every tick go at once; each one beyond them waits a little for others to join it. One that many share
//! already waits for nobody.

use std::time::Duration;

use super::section::TICK;

/// Small commits that go at once in one tick: more than one caller makes who waits for each.
const AT_ONCE: u32 = 1_000;
/// From so many events on a commit is no longer small: half a batch of a session that asks often.
const SHARED_EVENTS: usize = 16;
/// How long each further one waits: as short as a timer goes.
pub(super) const LINGER: Duration = Duration::from_millis(1);

/// The most small commits that a pool makes in a second, whatever the request rate.
#[cfg(test)]
pub(super) const COMMITS_PER_SECOND_MAX: u128 =
    (AT_ONCE as u128 + TICK.as_millis() / LINGER.as_millis()) * 1_000 / TICK.as_millis();

const _: () = assert!(TICK.as_millis() > LINGER.as_millis(), "a tick is longer than a wait");

/// How many small commits of the tick have gone.
#[derive(Debug, Default)]
pub(super) struct Pace {
    gone: u32,
}

impl Pace {
    /// A tick begins.
    pub(super) const fn begin(&mut self) {
        self.gone = 0;
    }

    /// A commit of so many events has gone. How long the next one waits for others, if it does.
    pub(super) const fn next(&mut self, events: usize) -> Option<Duration> {
        if events >= SHARED_EVENTS {
            return None;
        }
        if self.gone < AT_ONCE {
            self.gone += 1;
            return None;
        }
        Some(LINGER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_commits_wait_beyond_the_first_of_a_tick_and_shared_ones_never() {
        let mut pace = Pace::default();
        let mut small = |count: u32| (0..count).filter(|_| pace.next(1).is_some()).count();
        assert_eq!((small(AT_ONCE), small(5)), (0, 5));
        assert_eq!(pace.next(SHARED_EVENTS), None);
        assert_eq!(pace.next(SHARED_EVENTS - 1), Some(LINGER));
        pace.begin();
        assert_eq!(pace.next(1), None);
    }
}
