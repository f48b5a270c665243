//! Price books: dated prices per model and token class.
//!
//! A price is a whole number of pico-units (10⁻¹²) of the book's currency for a token, so that a cost is an exact
//! product and fits `Decimal(38, 12)`. 2.50 for a million tokens is 2 500 000 pico for one.

use crate::amount::Tokens;
use crate::ids::ModelName;
use crate::time::Timestamp;
use crate::usage::TokenUsage;

/// 10⁻¹² of the currency, for one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PicoPerToken(u64);

impl PicoPerToken {
    /// Takes the number as it is.
    pub const fn new(pico: u64) -> Self {
        Self(pico)
    }

    /// The number of pico-units.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// From a decimal price for a million tokens, as price lists state it: `"2.50"`.
    ///
    /// Up to six places after the point, which is the exact range of a pico-unit a token.
    pub fn try_per_million(text: &str) -> Result<Self, InvalidPrice> {
        let invalid = || InvalidPrice { text: text.to_owned() };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || fraction.len() > 6 || !digits(whole) || !digits(fraction) {
            return Err(invalid());
        }
        let micro = format!("{whole}{fraction:0<6}");
        micro.parse().map(Self).map_err(|_| invalid())
    }
}

/// Why a text is not a price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a price for a million tokens: write a decimal with at most 6 places, such as \"2.50\""
)]
pub struct InvalidPrice {
    /// What was given.
    pub text: String,
}

/// A sum of money in pico-units (10⁻¹²) of its currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PicoMoney(i128);

impl PicoMoney {
    /// Takes the number as it is.
    pub const fn new(pico: i128) -> Self {
        Self(pico)
    }

    /// The number of pico-units.
    pub const fn get(self) -> i128 {
        self.0
    }
}

/// What a model's tokens cost from an instant on, until a later price of the same model begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    /// The model that is priced, as callers ask for it.
    pub model: ModelName,
    /// When the price begins.
    pub valid_from: Timestamp,
    /// ISO 4217 code, for instance `USD`.
    pub currency: Currency,
    /// Input tokens that were not served from a cache.
    pub input: PicoPerToken,
    /// Input tokens served from the upstream's prompt cache.
    pub input_cached: PicoPerToken,
    /// Output tokens, reasoning included.
    pub output: PicoPerToken,
}

impl Price {
    /// The cost of a call. Cached input is part of the input, so it is taken out of it before pricing.
    pub fn cost(&self, usage: &TokenUsage) -> PicoMoney {
        let part = |tokens: Tokens, price: PicoPerToken| i128::from(tokens.get()) * i128::from(price.get());
        let uncached = usage.input.saturating_sub(usage.input_cached);
        PicoMoney(
            part(uncached, self.input)
                + part(usage.input_cached, self.input_cached)
                + part(usage.output, self.output),
        )
    }
}

/// An ISO 4217 currency code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Checks that the text is three capital letters.
    pub fn try_new(text: &str) -> Result<Self, InvalidCurrency> {
        let code: Option<[u8; 3]> = text.as_bytes().try_into().ok();
        code.filter(|code| code.iter().all(u8::is_ascii_uppercase))
            .map(Self)
            .ok_or_else(|| InvalidCurrency { text: text.to_owned() })
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("three ASCII letters are UTF-8")
    }
}

/// Why a text is not a currency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a currency: write its ISO 4217 code, such as \"USD\"")]
pub struct InvalidCurrency {
    /// What was given.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_price_is_exact() {
        assert_eq!(PicoPerToken::try_per_million("2.50"), Ok(PicoPerToken::new(2_500_000)));
        assert_eq!(PicoPerToken::try_per_million("0.075"), Ok(PicoPerToken::new(75_000)));
        assert_eq!(PicoPerToken::try_per_million("10"), Ok(PicoPerToken::new(10_000_000)));
        for bad in ["", ".5", "-1", "1.0000001", "1e3", "1,5"] {
            assert!(PicoPerToken::try_per_million(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn cached_input_is_priced_once_and_at_its_own_price() {
        let price = Price {
            model: ModelName::try_new("gpt-4o").unwrap(),
            valid_from: Timestamp::EPOCH,
            currency: Currency::try_new("USD").unwrap(),
            input: PicoPerToken::new(10),
            input_cached: PicoPerToken::new(5),
            output: PicoPerToken::new(40),
        };
        let usage = TokenUsage {
            input: Tokens::new(100),
            input_cached: Tokens::new(60),
            output: Tokens::new(10),
            ..TokenUsage::default()
        };
        assert_eq!(price.cost(&usage), PicoMoney::new(40 * 10 + 60 * 5 + 10 * 40));
    }
}
