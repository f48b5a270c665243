//! Limits of a deployment: a window of a minute, or the utilisation of provisioned throughput.
//!
//! Pure: time is an argument. A wait that is told is true: the same request after it is admitted if nothing else came.

use std::time::Duration;

use weir_domain::time::Timestamp;

use crate::config::{Deployment, Mode};

const WINDOW: Duration = Duration::from_mins(1);
const WINDOW_NANOS: u128 = WINDOW.as_nanos();

/// What a deployment still has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Remaining {
    pub(crate) tokens: u64,
    pub(crate) requests: u64,
    /// Until it has everything again.
    pub(crate) reset_after: Duration,
}

/// Which limit refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    Tokens,
    Requests,
    Provisioned,
}

/// A deployment is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) limit: Limit,
    /// None: the request can never fit.
    pub(crate) retry_after: Option<Duration>,
}

/// The limits of one deployment and how far they are used.
#[derive(Debug)]
pub(crate) enum Limiter {
    Standard(MinuteWindow),
    Provisioned(Utilisation),
}

impl Limiter {
    pub(crate) fn new(deployment: &Deployment) -> Self {
        match deployment.mode {
            Mode::Standard => Self::Standard(MinuteWindow {
                tokens_max: deployment.tokens_per_minute,
                requests_max: deployment.requests_per_minute,
                began: None,
                tokens: 0,
                requests: 0,
            }),
            Mode::Provisioned => Self::Provisioned(Utilisation {
                tokens_per_minute: deployment.tokens_per_minute,
                level: 0,
                at: Timestamp::EPOCH,
            }),
        }
    }

    /// Takes one request of so many tokens, or says what is full.
    pub(crate) fn admit(&mut self, tokens: u64, now: Timestamp) -> Result<Remaining, Full> {
        match self {
            Self::Standard(window) => window.admit(tokens, now),
            Self::Provisioned(utilisation) => utilisation.admit(tokens, now),
        }
    }

    /// Replaces what was estimated by what was used. A minute's window keeps the estimate, as Azure does.
    pub(crate) fn settle(&mut self, estimate: u64, used: u64, now: Timestamp) {
        if let Self::Provisioned(utilisation) = self {
            utilisation.settle(estimate, used, now);
        }
    }

    /// How full a provisioned deployment is, in percent.
    pub(crate) fn utilisation_percent(&self) -> Option<u64> {
        match self {
            Self::Standard(_) => None,
            Self::Provisioned(utilisation) => Some(utilisation.percent()),
        }
    }
}

/// Tokens and requests since a minute began. The minute begins with the first request after the one before.
#[derive(Debug)]
pub(crate) struct MinuteWindow {
    tokens_max: u64,
    requests_max: u64,
    began: Option<Timestamp>,
    tokens: u64,
    requests: u64,
}

impl MinuteWindow {
    fn admit(&mut self, tokens: u64, now: Timestamp) -> Result<Remaining, Full> {
        let ends = self.roll(now);
        let full = |limit, ever: bool| Full { limit, retry_after: ever.then(|| ends.since(now)) };
        if self.tokens.saturating_add(tokens) > self.tokens_max {
            return Err(full(Limit::Tokens, tokens <= self.tokens_max));
        }
        if self.requests >= self.requests_max {
            return Err(full(Limit::Requests, self.requests_max > 0));
        }
        self.tokens += tokens;
        self.requests += 1;
        Ok(Remaining {
            tokens: self.tokens_max - self.tokens,
            requests: self.requests_max - self.requests,
            reset_after: ends.since(now),
        })
    }

    /// Begins a new minute if the old one is over, or if the clock was set back before it. Gives its end.
    fn roll(&mut self, now: Timestamp) -> Timestamp {
        let began = match self.began {
            Some(began) if began <= now && now < began.plus(WINDOW) => began,
            _ => {
                (self.tokens, self.requests) = (0, 0);
                now
            }
        };
        self.began = Some(began);
        began.plus(WINDOW)
    }
}

/// A bucket that requests fill and time drains. Full is a minute of the rate; while it is not full, anything is let in.
///
/// As Azure describes provisioned throughput: a request is weighed by an estimate when it arrives and corrected when
/// it ends, so the level can pass 100 %, and then the wait is until it is below again.
#[derive(Debug)]
pub(crate) struct Utilisation {
    tokens_per_minute: u64,
    /// In tokens times the nanoseconds of a minute, so that draining by the nanosecond is exact.
    level: u128,
    at: Timestamp,
}

impl Utilisation {
    fn admit(&mut self, tokens: u64, now: Timestamp) -> Result<Remaining, Full> {
        self.drain(now);
        let full = u128::from(self.tokens_per_minute) * WINDOW_NANOS;
        if self.level >= full {
            let retry_after = (self.tokens_per_minute > 0).then(|| self.time_to_drain(self.level - full + 1));
            return Err(Full { limit: Limit::Provisioned, retry_after });
        }
        self.level += u128::from(tokens) * WINDOW_NANOS;
        let left = full.saturating_sub(self.level) / WINDOW_NANOS;
        Ok(Remaining {
            tokens: u64::try_from(left).unwrap_or(u64::MAX),
            requests: u64::MAX,
            reset_after: self.time_to_drain(self.level),
        })
    }

    fn settle(&mut self, estimate: u64, used: u64, now: Timestamp) {
        self.drain(now);
        self.level += u128::from(used) * WINDOW_NANOS;
        self.level = self.level.saturating_sub(u128::from(estimate) * WINDOW_NANOS);
    }

    fn drain(&mut self, now: Timestamp) {
        let drained = u128::from(self.tokens_per_minute) * now.since(self.at).as_nanos();
        self.level = self.level.saturating_sub(drained);
        self.at = now;
    }

    fn time_to_drain(&self, amount: u128) -> Duration {
        let nanos = amount.div_ceil(u128::from(self.tokens_per_minute.max(1)));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn percent(&self) -> u64 {
        let full = u128::from(self.tokens_per_minute.max(1)) * WINDOW_NANOS;
        u64::try_from(self.level * 100 / full).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limiter(mode: Mode, tokens_per_minute: u64, requests_per_minute: u64) -> Limiter {
        Limiter::new(&Deployment { mode, tokens_per_minute, requests_per_minute, ..Deployment::default() })
    }

    #[test]
    fn a_minute_admits_its_tokens_and_no_more() {
        let now = Timestamp::from_secs(100);
        let mut window = limiter(Mode::Standard, 100, 10);
        assert_eq!(window.admit(60, now).unwrap().tokens, 40);
        let full = window.admit(41, now.plus(Duration::from_secs(20))).unwrap_err();
        assert_eq!(full, Full { limit: Limit::Tokens, retry_after: Some(Duration::from_secs(40)) });
        assert_eq!(window.admit(40, now.plus(Duration::from_secs(20))).unwrap().tokens, 0);
    }

    #[test]
    fn what_can_never_fit_is_told_so() {
        let full = limiter(Mode::Standard, 100, 10).admit(101, Timestamp::EPOCH).unwrap_err();
        assert_eq!(full.retry_after, None);
        assert_eq!(
            limiter(Mode::Provisioned, 0, 0).admit(1, Timestamp::EPOCH).unwrap_err().retry_after,
            None
        );
    }

    #[test]
    fn provisioned_throughput_is_corrected_when_a_request_ends() {
        let now = Timestamp::from_secs(100);
        let mut provisioned = limiter(Mode::Provisioned, 600, 0);
        provisioned.admit(600, now).unwrap();
        assert_eq!(provisioned.utilisation_percent(), Some(100));
        assert_eq!(provisioned.admit(1, now).unwrap_err().limit, Limit::Provisioned);
        provisioned.settle(600, 60, now);
        assert_eq!(provisioned.utilisation_percent(), Some(10));
        assert!(provisioned.admit(1, now).is_ok());
    }

    proptest! {
        #[test]
        fn a_request_that_waits_as_told_is_admitted(
            provisioned: bool,
            requests in proptest::collection::vec((1..900_u64, 0..20_000_u64), 1..60),
        ) {
            let mode = if provisioned { Mode::Provisioned } else { Mode::Standard };
            let mut limiter = limiter(mode, 1_000, 5);
            let mut now = Timestamp::from_secs(1_000);
            for (tokens, pause_ms) in requests {
                now = now.plus(Duration::from_millis(pause_ms));
                if let Err(full) = limiter.admit(tokens, now) {
                    now = now.plus(full.retry_after.expect("every request here can fit"));
                    prop_assert!(limiter.admit(tokens, now).is_ok());
                }
            }
        }
    }
}
