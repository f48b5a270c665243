//! Identifiers. Names that people choose are slugs; ids that programs mint are 128-bit and sort by time.

use std::fmt;
use std::str::FromStr;

use smol_str::SmolStr;

use crate::amount::Tokens;
use crate::time::Timestamp;

/// The longest name a person may choose. Fits a DNS label, a Kafka key and a table column without thought.
pub const NAME_CHARS_MAX: usize = 63;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{kind} {text:?} is not a name: use 1 to {NAME_CHARS_MAX} of a-z, 0-9, '-', '_', '.', beginning with a letter or digit"
)]
pub struct InvalidName {
    /// What the name was meant for, for instance `service`.
    pub kind: &'static str,
    /// What was given.
    pub text: String,
}

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {text:?} is not an id: use 32 hexadecimal digits")]
pub struct InvalidId {
    /// What the id was meant for, for instance `hold`.
    pub kind: &'static str,
    /// What was given.
    pub text: String,
}

fn is_name(text: &str) -> bool {
    let first_is_alphanumeric = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    first_is_alphanumeric && text.len() <= NAME_CHARS_MAX && text.chars().all(allowed)
}

macro_rules! name {
    ($(#[doc = $doc:literal])+ $name:ident, $kind:literal) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(SmolStr);

        impl $name {
            /// Checks that the text is a name.
            pub fn try_new(text: &str) -> Result<Self, InvalidName> {
                if is_name(text) {
                    Ok(Self(SmolStr::new(text)))
                } else {
                    Err(InvalidName { kind: $kind, text: text.to_owned() })
                }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::try_new(text)
            }
        }
    };
}

name!(
    /// Shared capacity: one or more upstream deployments of a model class.
    PoolId, "pool"
);
name!(
    /// A team: it owns services and is shown what they use.
    TeamId, "team"
);
name!(
    /// One workload of a team. The unit of metering and admission.
    ServiceId, "service"
);
name!(
    /// A deployment as the upstream names it (Azure), or the model's own name (OpenAI).
    DeploymentId, "deployment"
);
name!(
    /// An upstream endpoint, as the gateway's configuration names it.
    UpstreamId, "upstream"
);
name!(
    /// A model as callers ask for it.
    ModelName, "model"
);
name!(
    /// The public name of a caller key. Not the secret.
    CallerKeyId, "caller key"
);
name!(
    /// A process that writes events, for instance one gateway. The `ce_source` of its events.
    NodeId, "node"
);
name!(
    /// A time-boxed grant on top of a baseline.
    BurstId, "burst"
);
name!(
    /// A budget of an allocation, unique among its budgets.
    BudgetId, "budget"
);
name!(
    /// A dated deviation from policy.
    ExceptionId, "exception"
);
name!(
    /// A key that opens the quota service itself, not a model. Not the secret.
    AccessKeyId, "access key"
);

macro_rules! uid {
    ($(#[doc = $doc:literal])+ $name:ident, $kind:literal) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// Takes the 128 bits as they are.
            pub const fn new(bits: u128) -> Self {
                Self(bits)
            }

            /// The 128 bits.
            pub const fn as_u128(self) -> u128 {
                self.0
            }

            /// When the id was minted, in milliseconds since the epoch: the first 48 bits of a UUIDv7 (RFC 9562).
            pub const fn minted_at_ms(self) -> u64 {
                (self.0 >> 80) as u64
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = || InvalidId { kind: $kind, text: text.to_owned() };
                if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(invalid());
                }
                u128::from_str_radix(text, 16).map(Self).map_err(|_| invalid())
            }
        }
    };
}

uid!(
    /// One call of a caller. All attempts that serve it share this id; the caller sees it in a header.
    RequestId, "request"
);
uid!(
    /// One call to an upstream. Exactly one usage event exists for it in the end.
    AttemptId, "attempt"
);
uid!(
    /// A reservation, minted by whoever asks as a UUIDv7: the same id again is the same reservation.
    ReservationId, "reservation"
);
uid!(
    /// One fact in the journal; with its source the identity that duplicates are removed by.
    EventId, "event"
);

/// A slice of a pool's tokens. Grows with every slice drawn in a pool; made of the time of the draw, so that the ids of
/// a pool that was forgotten and begun again do not come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SliceId(u64);

/// Set in the ids of slices that a gateway has granted itself while quota was away.
const SELF_GRANTED: u64 = 1 << 63;

impl SliceId {
    /// Takes the 64 bits as they are.
    pub const fn new(bits: u64) -> Self {
        Self(bits)
    }

    /// The first slice that can be drawn at an instant after `last`: its milliseconds, then 20 bits that count.
    ///
    /// Instants beyond the year 2527, or before 1970, count as the nearest that fits.
    #[must_use]
    pub fn after(last: Option<Self>, now: Timestamp) -> Self {
        const MILLIS_MAX: i64 = (1 << 43) - 1;
        let millis = u64::try_from(now.as_millis().clamp(0, MILLIS_MAX)).unwrap_or(0);
        Self((millis << 20).max(last.map_or(0, |last| last.0 + 1)))
    }

    /// A slice that a gateway grants itself: its milliseconds, and 20 bits that tell gateways apart.
    #[must_use]
    pub fn self_granted(node: u32, now: Timestamp) -> Self {
        Self(Self::after(None, now).0 | u64::from(node & 0xf_ffff) | SELF_GRANTED)
    }

    /// When it was drawn, to the millisecond.
    pub fn drawn_at(self) -> Timestamp {
        Timestamp::from_millis(i64::try_from((self.0 & !SELF_GRANTED) >> 20).unwrap_or(i64::MAX))
    }

    /// The 64 bits.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Whether a gateway granted it to itself.
    pub const fn is_self_granted(self) -> bool {
        self.0 & SELF_GRANTED != 0
    }
}

impl fmt::Display for SliceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The most tokens that one hold can have: its id has 40 bits for them.
pub const HOLD_TOKENS_MAX: Tokens = Tokens::new((1 << HOLD_TOKENS_BITS) - 1);
/// The most tokens that can be asked for or settled at once: more than any hold has, so that what is beyond measure is refused
/// by its size, and does not become a debt for years.
pub const CALL_TOKENS_MAX: Tokens = Tokens::new(1 << HOLD_TOKENS_BITS);
const HOLD_TOKENS_BITS: u32 = 40;

/// A hold on tokens. Opaque to whoever holds it; to the ledger it says what it must know of a hold that it has forgotten:
/// the slice (64 bits), its number within the slice (24 bits) and how many tokens it holds (40 bits).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HoldId(u128);

impl HoldId {
    /// Takes the 128 bits as they are.
    pub const fn new(bits: u128) -> Self {
        Self(bits)
    }

    /// The hold of so many tokens that is the `number`-th of its slice. None if either does not fit its bits.
    pub fn try_pack(slice: SliceId, number: u32, tokens: Tokens) -> Option<Self> {
        let fits = number < 1 << 24 && tokens <= HOLD_TOKENS_MAX;
        let bits =
            u128::from(slice.0) << 64 | u128::from(number) << HOLD_TOKENS_BITS | u128::from(tokens.get());
        fits.then_some(Self(bits))
    }

    /// The 128 bits.
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// The slice that it was handed out from.
    pub const fn slice(self) -> SliceId {
        SliceId((self.0 >> 64) as u64)
    }

    /// Its number within the slice, from 0.
    #[expect(clippy::cast_possible_truncation, reason = "24 bits are meant")]
    pub const fn number(self) -> u32 {
        (self.0 >> HOLD_TOKENS_BITS) as u32 & 0xff_ffff
    }

    /// How many tokens it holds.
    #[expect(clippy::cast_possible_truncation, reason = "40 bits are meant")]
    pub const fn tokens(self) -> Tokens {
        Tokens::new(self.0 as u64 & HOLD_TOKENS_MAX.get())
    }
}

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for HoldId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        text.parse()
            .map(|id: RequestId| Self(id.as_u128()))
            .map_err(|_| InvalidId { kind: "hold", text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_slug() {
        for good in ["a", "gpt-4o", "team_1", "text-embedding-3.small", "0"] {
            assert!(ServiceId::try_new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "A", "a b", "ü", "a/b", &"a".repeat(64)] {
            assert!(ServiceId::try_new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_id_survives_text() {
        let id = AttemptId::new(0x0193_4567_89ab_7def_8123_4567_89ab_cdef);
        assert_eq!(id.to_string().parse::<AttemptId>(), Ok(id));
        assert_eq!(id.minted_at_ms(), 0x0193_4567_89ab);
        assert!("+123".parse::<HoldId>().is_err());
        assert!("+0193456789ab7def812345678 9abcde".parse::<HoldId>().is_err());
    }

    #[test]
    fn a_hold_says_what_it_was_packed_of() {
        let slice = SliceId::after(None, Timestamp::from_secs(1_750_000_000));
        let hold = HoldId::try_pack(slice, 77, Tokens::new(1_234_567)).unwrap();
        assert_eq!((hold.slice(), hold.number(), hold.tokens()), (slice, 77, Tokens::new(1_234_567)));
        assert_eq!(hold.to_string().parse(), Ok(hold));
        assert_eq!(HoldId::try_pack(slice, 1 << 24, Tokens::ZERO), None);
        assert_eq!(HoldId::try_pack(slice, 0, HOLD_TOKENS_MAX).unwrap().tokens(), HOLD_TOKENS_MAX);
        assert_eq!(HoldId::try_pack(slice, 0, CALL_TOKENS_MAX), None);
    }

    #[test]
    fn slices_are_told_apart_within_a_millisecond_and_when_a_clock_steps_back() {
        let at = |secs| Timestamp::from_secs(secs);
        let first = SliceId::after(None, at(100));
        let second = SliceId::after(Some(first), at(100));
        assert!(first < second && second < SliceId::after(Some(second), at(50)));
        assert!(!second.is_self_granted() && SliceId::self_granted(3, at(100)).is_self_granted());
    }
}
