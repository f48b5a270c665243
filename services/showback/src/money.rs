//! Money as text: exact, and the same text wherever it is shown.

use weir_domain::price::PicoMoney;

const PICO: u128 = 1_000_000_000_000;

/// A decimal with every digit that is not a trailing zero, and at least two places: `12.50`, `0.0000025`.
pub(crate) fn decimal(money: PicoMoney) -> String {
    let sign = if money.get() < 0 { "-" } else { "" };
    let amount = money.get().unsigned_abs();
    let fraction = format!("{:012}", amount % PICO);
    format!("{sign}{}.{:0<2}", amount / PICO, fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_is_shown_and_none_is_made_up() {
        let cases = [
            (0, "0.00"),
            (1, "0.000000000001"),
            (12_500_000_000_000, "12.50"),
            (-1_234_000_000_000, "-1.234"),
            (1_000_000_000_001, "1.000000000001"),
            (100_000_000_000_000_000_000_000_000, "100000000000000.00"),
        ];
        for (pico, text) in cases {
            assert_eq!(decimal(PicoMoney::new(pico)), text);
        }
    }
}
