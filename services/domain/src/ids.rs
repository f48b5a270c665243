//! Identifiers. Names that people choose are slugs; ids that programs mint are 128-bit and sort by time.

use std::fmt;
use std::str::FromStr;

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
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Checks that the text is a name.
            pub fn try_new(text: &str) -> Result<Self, InvalidName> {
                if is_name(text) {
                    Ok(Self(text.into()))
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
    /// A hold on tokens. Opaque to whoever holds it.
    HoldId, "hold"
);
uid!(
    /// One fact in the journal; with its source the identity that duplicates are removed by.
    EventId, "event"
);

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
        let id = HoldId::new(0x0193_4567_89ab_7def_8123_4567_89ab_cdef);
        assert_eq!(id.to_string().parse::<HoldId>(), Ok(id));
        assert_eq!(id.minted_at_ms(), 0x0193_4567_89ab);
        assert!("+123".parse::<HoldId>().is_err());
        assert!("+0193456789ab7def812345678 9abcde".parse::<HoldId>().is_err());
    }
}
