//! When tokens arrive.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::Pacing;
use crate::random::Draws;

/// Waits as a model does. Waits add up from the beginning, so that a late timer does not slow the whole answer.
#[derive(Debug)]
pub(crate) struct Pacer {
    pacing: Pacing,
    draws: Draws,
    due: Instant,
}

impl Pacer {
    /// Begins now.
    pub(crate) fn new(pacing: Pacing, draws: Draws) -> Self {
        Self { pacing, draws, due: Instant::now() }
    }

    /// Waits for the first token, after so many of reasoning, and longer by a delay.
    pub(crate) async fn first_token(&mut self, reasoning_tokens: u64, delay: Duration) {
        let wait = self.jittered(self.pacing.first_token());
        self.due += delay + wait;
        self.tokens(reasoning_tokens).await;
    }

    /// Waits for so many tokens.
    pub(crate) async fn tokens(&mut self, tokens: u64) {
        let gap = self.pacing.token_gap();
        let wait = self.jittered(gap.saturating_mul(u32::try_from(tokens).unwrap_or(u32::MAX)));
        self.due += wait;
        if self.due > Instant::now() {
            tokio::time::sleep_until(self.due).await;
        }
    }

    fn jittered(&mut self, wait: Duration) -> Duration {
        let sway = self.pacing.jitter_share * (2.0 * self.draws.share() - 1.0);
        wait.mul_f64(1.0 + sway)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn taken(pacing: Pacing) -> Duration {
        let begun = Instant::now();
        let mut pacer = Pacer::new(pacing, Draws::new(1));
        pacer.first_token(10, Duration::from_secs(1)).await;
        for _ in 0..20 {
            pacer.tokens(2).await;
        }
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_takes_its_delay_its_first_token_and_its_gaps() {
        let pacing =
            Pacing { first_token_ms: 400.0, token_gap_ms: 10.0, jitter_share: 0.0, tokens_per_chunk: 2 };
        assert_eq!(taken(pacing).await, Duration::from_millis(1_900));
        assert_eq!(taken(Pacing::NONE).await, Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn jitter_stays_within_its_share() {
        let pacing =
            Pacing { first_token_ms: 400.0, token_gap_ms: 10.0, jitter_share: 0.5, tokens_per_chunk: 2 };
        let taken = taken(pacing).await;
        assert!((1_450..=2_350).contains(&taken.as_millis()), "{taken:?}");
        assert_ne!(taken, Duration::from_millis(1_900));
    }
}
