//! Bursts: time-boxed grants on top of a baseline.
//!
//! What a burst is and what can become of it. Whether one fits its pool is weighed in [`crate::ledger`]; nothing here
//! moves tokens or reads a clock: a burst starts and ends by its window, with nobody calling.

use std::time::Duration;

use crate::amount::TokensPerMinute;
use crate::calendar::Utc;
use crate::ids::{BurstId, PoolId, ServiceId};
use crate::time::{Timestamp, Window};

/// The longest window of a burst: a leap year. What lasts longer is normal demand, and belongs into a baseline.
pub const BURST_WINDOW_MAX: Duration = Duration::from_hours(366 * 24);
/// How far ahead a burst may begin: so that the next year can be planned from the first day of this one.
pub const BURST_AHEAD_MAX: Duration = Duration::from_hours(2 * 366 * 24);
/// The most that a burst may add: some thousand times what the largest deployments serve together, and far from where sums
/// of rates overflow.
pub const BURST_EXTRA_MAX: TokensPerMinute = TokensPerMinute::new(1_000_000_000_000);

/// A burst as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Burst {
    /// Its name.
    pub id: BurstId,
    /// Who may use more.
    pub service: ServiceId,
    /// Where.
    pub pool: PoolId,
    /// How much more.
    pub extra: TokensPerMinute,
    /// From when until when.
    pub window: Window,
    /// What kind of event it is for.
    pub category: Category,
    /// Why, in the requester's words.
    pub reason: String,
    /// Who asked.
    pub requester: String,
}

/// What of a burst is out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BurstOutOfBounds {
    /// It adds too much, or nothing.
    #[error("extra is {extra} tokens a minute; it must be from 1 to {BURST_EXTRA_MAX}")]
    Extra {
        /// How much.
        extra: TokensPerMinute,
    },
    /// It lasts too long.
    #[error(
        "end is {}, more than {} days after the start {}; what lasts longer belongs into the baseline",
        Utc(.window.end()), days(BURST_WINDOW_MAX), Utc(.window.start())
    )]
    End {
        /// From when until when.
        window: Window,
    },
    /// It begins too far ahead.
    #[error(
        "start is {}, more than {} days ahead; ask when it is nearer", Utc(*.start), days(BURST_AHEAD_MAX)
    )]
    Start {
        /// When.
        start: Timestamp,
    },
}

const fn days(span: Duration) -> u64 {
    span.as_secs() / (24 * 60 * 60)
}

impl BurstOutOfBounds {
    /// The field that is.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Extra { .. } => "extra",
            Self::End { .. } => "end",
            Self::Start { .. } => "start",
        }
    }
}

impl Burst {
    /// Whatever of it is out of bounds at all times.
    pub fn out_of_bounds(&self) -> impl Iterator<Item = BurstOutOfBounds> + use<> {
        let Self { extra, window, .. } = *self;
        let too_much = extra == TokensPerMinute::ZERO || extra > BURST_EXTRA_MAX;
        let too_long = window.end().since(window.start()) > BURST_WINDOW_MAX;
        let extra = too_much.then_some(BurstOutOfBounds::Extra { extra });
        extra.into_iter().chain(too_long.then_some(BurstOutOfBounds::End { window }))
    }

    /// Whether it begins too far ahead of now.
    pub fn too_far_ahead(&self, now: Timestamp) -> Option<BurstOutOfBounds> {
        let start = self.window.start();
        (start.since(now) > BURST_AHEAD_MAX).then_some(BurstOutOfBounds::Start { start })
    }
}

/// What kind of event a burst is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Category {
    /// Showing it to somebody.
    Demo,
    /// Moving from one thing to another.
    Migration,
    /// Many people learning at once.
    Training,
    /// Many people beginning at once.
    Onboarding,
    /// Something is broken.
    Incident,
    /// None of these.
    #[default]
    Other,
}

/// How a burst was approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Approval {
    /// It raises the guarantee: it fits the pool over its whole window.
    #[default]
    Guaranteed,
    /// It raises the ceiling only: what is spare may be borrowed, if anything is.
    BestEffort,
}

/// A burst that counts within its window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantedBurst {
    /// The burst.
    pub burst: Burst,
    /// How it was approved.
    pub approval: Approval,
    /// By whom.
    pub approver: String,
}

/// What was decided about a burst.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet.
    Requested,
    /// It counts within its window.
    Approved {
        /// How.
        approval: Approval,
        /// By whom.
        approver: String,
        /// Why, in the approver's words.
        reason: String,
    },
    /// It never counts.
    Denied {
        /// By whom.
        by: String,
        /// Why.
        reason: String,
    },
    /// It counts no more.
    Revoked {
        /// By whom.
        by: String,
        /// Why.
        reason: String,
        /// Since when.
        at: Timestamp,
    },
}

/// A burst and what was decided about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BurstRecord {
    /// The burst, its window as extended.
    pub burst: Burst,
    /// The last decision.
    pub verdict: Verdict,
}

/// Where a burst is in its life at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BurstPhase {
    /// Somebody must decide.
    Requested,
    /// Approved, and not begun.
    Upcoming,
    /// It counts.
    Active,
    /// It is over.
    Expired,
    /// It was denied.
    Denied,
    /// It was revoked.
    Revoked,
}

impl BurstPhase {
    /// Its name in messages and lists.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Upcoming => "upcoming",
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Denied => "denied",
            Self::Revoked => "revoked",
        }
    }

    /// Whether it counts, or still may.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Requested | Self::Upcoming | Self::Active)
    }
}

impl BurstRecord {
    /// A burst that somebody asks for.
    pub fn requested(burst: &Burst) -> Self {
        Self { burst: burst.clone(), verdict: Verdict::Requested }
    }

    /// A burst that a policy grants, and why.
    pub fn granted(granted: &GrantedBurst, reason: &str) -> Self {
        let (approval, approver) = (granted.approval, granted.approver.clone());
        let verdict = Verdict::Approved { approval, approver, reason: reason.to_owned() };
        Self { burst: granted.burst.clone(), verdict }
    }

    /// The burst as a policy would grant it, if it was approved and has not been revoked.
    pub fn grant(&self) -> Option<GrantedBurst> {
        let Verdict::Approved { approval, approver, .. } = &self.verdict else { return None };
        Some(GrantedBurst { burst: self.burst.clone(), approval: *approval, approver: approver.clone() })
    }

    /// The burst as it would be if it ended at another instant.
    #[must_use]
    pub fn extended(&self, end: Timestamp) -> Burst {
        let mut extended = self.clone();
        extended.extend(end);
        extended.burst
    }

    /// Lets it end at another instant. One that is not after its start changes nothing.
    pub fn extend(&mut self, end: Timestamp) {
        self.burst.window = Window::try_new(self.burst.window.start(), end).unwrap_or(self.burst.window);
    }

    /// Where it is in its life. A request whose window is over has expired without an answer.
    pub fn phase(&self, now: Timestamp) -> BurstPhase {
        let over = self.burst.window.end() <= now;
        match &self.verdict {
            Verdict::Denied { .. } => BurstPhase::Denied,
            Verdict::Revoked { .. } => BurstPhase::Revoked,
            _ if over => BurstPhase::Expired,
            Verdict::Requested => BurstPhase::Requested,
            Verdict::Approved { .. } if self.burst.window.contains(now) => BurstPhase::Active,
            Verdict::Approved { .. } => BurstPhase::Upcoming,
        }
    }

    /// How it was approved, if it was and has not been revoked.
    pub const fn approval(&self) -> Option<Approval> {
        match self.verdict {
            Verdict::Approved { approval, .. } => Some(approval),
            _ => None,
        }
    }
}
