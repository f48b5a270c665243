//! Prices.

use super::DecodeError;
use super::values::{parsed, timestamp_from_wire, timestamp_to_wire};
use crate::governance::v1 as wire;
use weir_domain::price::{Currency, PicoPerToken, Price};

/// A price for the wire.
pub fn price_to_wire(price: &Price) -> wire::Price {
    wire::Price {
        model: price.model.to_string(),
        valid_from: Some(timestamp_to_wire(price.valid_from)),
        currency: price.currency.as_str().to_owned(),
        input_pico: price.input.get(),
        input_cached_pico: price.input_cached.get(),
        output_pico: price.output.get(),
    }
}

/// A price from the wire.
pub fn price_from_wire(wire: &wire::Price) -> Result<Price, DecodeError> {
    Ok(Price {
        model: parsed(&wire.model, "prices.model")?,
        valid_from: timestamp_from_wire(wire.valid_from.as_ref(), "prices.valid_from")?,
        currency: Currency::try_new(&wire.currency)
            .map_err(|problem| DecodeError::field("prices.currency", problem))?,
        input: PicoPerToken::new(wire.input_pico),
        input_cached: PicoPerToken::new(wire.input_cached_pico),
        output: PicoPerToken::new(wire.output_pico),
    })
}
