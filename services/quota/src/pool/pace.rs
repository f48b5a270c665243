//! How many group commits a pool makes in a second, at most.
//!
//! A journal that answers at once would otherwise get a record for every settle. The first commits of every tick go at once;
//! each one beyond them waits a little for others to join it.

use std::time::Duration;

use super::section::TICK;

/// Commits that go at once in one tick.
const AT_ONCE: u32 = 250;
/// How long each further one waits: as short as a timer goes.
pub(super) const LINGER: Duration = Duration::from_millis(1);

/// The most commits that a pool makes in a second, whatever the request rate.
#[cfg(test)]
pub(super) const COMMITS_PER_SECOND_MAX: u128 =
    (AT_ONCE as u128 + TICK.as_millis() / LINGER.as_millis()) * 1_000 / TICK.as_millis();

const _: () = assert!(TICK.as_millis() > LINGER.as_millis(), "a tick is longer than a wait");

/// How many commits of the tick have gone.
#[derive(Debug, Default)]
pub(super) struct Pace {
    gone: u32,
}

impl Pace {
    /// A tick begins.
    pub(super) const fn begin(&mut self) {
        self.gone = 0;
    }

    /// A commit is to go. How long it waits for others, if it does.
    pub(super) const fn next(&mut self) -> Option<Duration> {
        if self.gone < AT_ONCE {
            self.gone += 1;
            return None;
        }
        Some(LINGER)
    }
}
