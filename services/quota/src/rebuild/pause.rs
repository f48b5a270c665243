//! How long to wait between attempts to rebuild while the journal is away: longer from one to the next.

use std::time::Duration;

/// Before the second attempt: a connection that was lost is mostly made again by then.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// So long at most does whoever asks wait for a journal that is back.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// The pause after the attempt that comes next.
pub(crate) struct RebuildPause(Duration);

impl Default for RebuildPause {
    fn default() -> Self {
        Self(PAUSE_MIN)
    }
}

impl RebuildPause {
    /// The pause after this attempt; that after the next one is twice as long, up to a bound.
    pub(crate) fn longer(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(PAUSE_MAX);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_get_longer_up_to_a_bound() {
        let mut pause = RebuildPause::default();
        let pauses: Vec<_> = (0..8).map(|_| pause.longer().as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1_600, 2_000, 2_000]);
    }
}
