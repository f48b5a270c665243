//! Amounts. All are integers; a sum that does not fit saturates, because no real quantity comes near the limit.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

macro_rules! amount {
    ($(#[doc = $doc:literal])+ $name:ident) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(u64);

        impl $name {
            /// None.
            pub const ZERO: Self = Self(0);

            /// Takes the count as it is.
            pub const fn new(count: u64) -> Self {
                Self(count)
            }

            /// The count.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The difference, or zero where `other` is more.
            #[must_use]
            pub const fn saturating_sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }

            /// The sum, or the largest amount there is.
            #[must_use]
            pub const fn saturating_add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }
        }

        impl Add for $name {
            type Output = Self;

            fn add(self, other: Self) -> Self {
                self.saturating_add(other)
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }

        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
                amounts.fold(Self::ZERO, Add::add)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

amount!(
    /// A number of tokens, as the upstream's tokenizer counts them.
    Tokens
);
amount!(
    /// A number of requests.
    Requests
);
amount!(
    /// A rate of tokens. The unit in which upstreams state their limits.
    TokensPerMinute
);
amount!(
    /// A rate of requests.
    RequestsPerMinute
);
amount!(
    /// A sum of money in nano-units (10⁻⁹) of some currency: 1.50 is 1 500 000 000. Holds 18 thousand million units.
    Money
);

/// Money as people read it: `12.50`, to the nano-unit where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal(pub Money);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NANO: u64 = 1_000_000_000;
        let (whole, fraction) = (self.0.get() / NANO, format!("{:09}", self.0.get() % NANO));
        let fraction = fraction.trim_end_matches('0');
        write!(f, "{whole}.{fraction:0<2}")
    }
}
