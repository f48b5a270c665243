//! What calls cost, for budgets in money: at most, when they are reserved; exactly, when they are settled.
//!
//! Rounds up to a nano-unit. A model of the pool that has no price costs nothing; a call that names no model of the pool, or
//! does not say how much of it is input, costs the dearest that it may be.

use std::collections::HashMap;

use crate::amount::{Money, Tokens};
use crate::ids::PoolId;
use crate::org::Org;
use crate::policy::Pool;
use crate::price::{PicoPerToken, Price};
use crate::time::Timestamp;

/// By pool and model, the prices by when they begin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PriceBook(HashMap<PoolId, PoolPrices>);

/// The prices of a pool's models.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct PoolPrices(HashMap<Box<str>, Vec<Price>>);

/// A call before it is made.
#[derive(Debug, Clone, Copy)]
pub struct Intended<'a> {
    /// Empty: not known.
    pub model: &'a str,
    /// Input and the most output.
    pub tokens: Tokens,
    /// Zero: not known.
    pub input: Tokens,
}

/// A call that was made.
#[derive(Debug, Clone, Copy)]
pub struct Made<'a> {
    /// Empty: not known.
    pub model: &'a str,
    /// Input and output.
    pub tokens: Tokens,
    /// The part that is input.
    pub input: Tokens,
    /// The part of the input that came from the upstream's cache.
    pub input_cached: Tokens,
}

impl PriceBook {
    /// As an organisation has decided.
    pub fn of_org(org: &Org) -> Self {
        let pools = org.pools().filter_map(|pool| org.terms(pool)?.pool());
        Self::new(pools, org.prices())
    }

    /// The prices that are decided, for the pools that there are.
    fn new<'a>(
        pools: impl IntoIterator<Item = &'a Pool>,
        prices: impl IntoIterator<Item = &'a Price>,
    ) -> Self {
        let mut by_model: HashMap<&str, Vec<Price>> = HashMap::new();
        for price in prices {
            by_model.entry(price.model.as_str()).or_default().push(price.clone());
        }
        for prices in by_model.values_mut() {
            prices.sort_by_key(|price| price.valid_from);
        }
        let of_pool = |pool: &Pool| {
            let models = pool.models.iter().map(|model| model.name.as_str());
            let prices = models.map(|name| (name.into(), by_model.get(name).cloned().unwrap_or_default()));
            (pool.id.clone(), PoolPrices(prices.collect()))
        };
        Self(pools.into_iter().map(of_pool).collect())
    }

    /// What a call in a pool costs at most.
    pub fn at_most(&self, pool: &PoolId, call: Intended<'_>, now: Timestamp) -> Money {
        self.0.get(pool).map_or(Money::ZERO, |prices| prices.at_most(call, now))
    }

    /// What a call in a pool has cost.
    pub fn cost(&self, pool: &PoolId, call: Made<'_>, now: Timestamp) -> Money {
        self.0.get(pool).map_or(Money::ZERO, |prices| prices.cost(call, now))
    }
}

impl PoolPrices {
    fn at_most(&self, call: Intended<'_>, now: Timestamp) -> Money {
        let most = |price: &Price| {
            let output =
                if call.input == Tokens::ZERO { price.output.max(price.input) } else { price.output };
            let input = call.input.min(call.tokens);
            nano([(input, price.input), (call.tokens.saturating_sub(input), output)])
        };
        self.dearest(call.model, now, most)
    }

    fn cost(&self, call: Made<'_>, now: Timestamp) -> Money {
        let cost = |price: &Price| {
            let input = call.input.min(call.tokens);
            let cached = call.input_cached.min(input);
            let (uncached, output) = (input.saturating_sub(cached), call.tokens.saturating_sub(input));
            nano([(uncached, price.input), (cached, price.input_cached), (output, price.output)])
        };
        self.dearest(call.model, now, cost)
    }

    /// By the model's price now; by the dearest of all where the pool has no such model.
    fn dearest(&self, model: &str, now: Timestamp, cost: impl Fn(&Price) -> Money) -> Money {
        match self.0.get(model) {
            Some(prices) => valid(prices, now).map_or(Money::ZERO, cost),
            None => {
                self.0.values().filter_map(|prices| valid(prices, now)).map(cost).max().unwrap_or(Money::ZERO)
            }
        }
    }
}

/// The last price that has begun.
fn valid(prices: &[Price], now: Timestamp) -> Option<&Price> {
    let begun = prices.partition_point(|price| price.valid_from <= now);
    begun.checked_sub(1).map(|last| &prices[last])
}

/// A sum of pico-units in nano-units, rounded up.
fn nano<const N: usize>(parts: [(Tokens, PicoPerToken); N]) -> Money {
    const PICO_PER_NANO: u128 = 1_000;
    let pico = |(tokens, price): (Tokens, PicoPerToken)| u128::from(tokens.get()) * u128::from(price.get());
    let sum: u128 = parts.into_iter().map(pico).fold(0, u128::saturating_add);
    Money::new(u64::try_from(sum.div_ceil(PICO_PER_NANO)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use crate::amount::TokensPerMinute;
    use crate::policy::{Encoding, Model, Thresholds};
    use crate::price::Currency;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(100);

    fn price(model: &str, from_s: i64, [input, input_cached, output]: [u64; 3]) -> Price {
        Price {
            model: model.parse().unwrap(),
            valid_from: Timestamp::from_secs(from_s),
            currency: Currency::try_new("USD").unwrap(),
            input: PicoPerToken::new(input),
            input_cached: PicoPerToken::new(input_cached),
            output: PicoPerToken::new(output),
        }
    }

    /// `small` costs 1, 0.5 and 4 nano-units a token, `large` three times as much; `free` has no price yet.
    fn book() -> PriceBook {
        let model = |name: &str| {
            let name = name.parse().unwrap();
            Model { name, encoding: Encoding::O200kBase, output_max: Tokens::new(1) }
        };
        let pool = Pool {
            id: "gpt".parse().unwrap(),
            capacity: TokensPerMinute::new(1),
            requests: None,
            thresholds: Thresholds::default(),
            models: ["small", "large", "free"].map(model).into(),
            deployments: vec![],
        };
        let small = price("small", 0, [1_000, 500, 4_000]);
        let small_later = price("small", 200, [2_000, 1_000, 8_000]);
        let prices =
            [small_later, small, price("large", 0, [3_000, 1_500, 12_000]), price("free", 150, [9, 9, 9])];
        PriceBook::new([&pool], &prices)
    }

    fn at_most(model: &str, tokens: u64, input: u64) -> u64 {
        let call = Intended { model, tokens: Tokens::new(tokens), input: Tokens::new(input) };
        book().at_most(&"gpt".parse().unwrap(), call, NOW).get()
    }

    fn cost(model: &str, [tokens, input, input_cached]: [u64; 3], now: Timestamp) -> u64 {
        let [tokens, input, input_cached] = [tokens, input, input_cached].map(Tokens::new);
        book().cost(&"gpt".parse().unwrap(), Made { model, tokens, input, input_cached }, now).get()
    }

    #[test]
    fn a_reservation_costs_its_input_uncached_and_all_the_output_it_may_bring() {
        assert_eq!(at_most("small", 100, 60), 60 + 40 * 4);
        assert_eq!(at_most("small", 100, 0), 100 * 4, "how much is input is not known");
    }

    #[test]
    fn a_settle_costs_each_class_its_own_price_rounded_up_to_a_nano_unit() {
        assert_eq!(cost("small", [100, 60, 50], NOW), 10 + 25 + 40 * 4);
        assert_eq!(cost("small", [1, 1, 1], NOW), 1, "half a nano-unit");
    }

    #[test]
    fn a_price_counts_from_its_own_instant_on() {
        assert_eq!(cost("small", [10, 10, 0], Timestamp::from_secs(199)), 10);
        assert_eq!(cost("small", [10, 10, 0], Timestamp::from_secs(200)), 20);
        assert_eq!(cost("small", [10, 10, 0], Timestamp::from_secs(-1)), 0, "before the first price");
    }

    #[test]
    fn a_call_of_no_model_of_the_pool_costs_the_dearest_and_one_without_a_price_nothing() {
        assert_eq!(at_most("", 10, 0), 10 * 12);
        assert_eq!(at_most("elsewhere", 10, 10), 10 * 3);
        assert_eq!(cost("", [10, 10, 0], NOW), 30);
        assert_eq!(at_most("free", 10, 0), 0);
    }

    #[test]
    fn what_does_not_fit_counts_as_the_most_there_is() {
        let dear = price("dear", 0, [u64::MAX, 0, u64::MAX]);
        assert_eq!(
            nano([(Tokens::new(u64::MAX), dear.input), (Tokens::new(u64::MAX), dear.output)]).get(),
            u64::MAX
        );
    }
}
