//! Randomness that a seed decides: SplitMix64 for draws, FNV-1a for turning content into a seed.
//!
//! Written out because a library may change its stream between versions, and a test's answers with it.

use std::io;

use serde_json::Value;

/// A stream of draws (SplitMix64, Steele, Lea and Flood 2014).
#[derive(Debug, Clone)]
pub(crate) struct Draws(u64);

impl Draws {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Evenly in `0..bound`; the bias is below 2⁻³² for the small bounds used here.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("less than a usize")
    }

    /// Evenly in `[0, 1)`.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what an f64 holds")]
    pub(crate) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with this probability. Draws once whatever the probability, so that one setting does not shift the others.
    pub(crate) fn hit(&mut self, probability: f64) -> bool {
        self.share() < probability
    }
}

/// Turns content into a seed (FNV-1a, 64 bits).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seed(u64);

impl Seed {
    pub(crate) fn new(seed: u64) -> Self {
        Self(0xCBF2_9CE4_8422_2325).with_number(seed)
    }

    #[must_use]
    pub(crate) fn with(mut self, bytes: &[u8]) -> Self {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
        self
    }

    #[must_use]
    pub(crate) fn with_number(self, number: u64) -> Self {
        self.with(&number.to_le_bytes())
    }

    #[must_use]
    pub(crate) fn with_json(mut self, value: &Value) -> Self {
        serde_json::to_writer(&mut self, value).expect("hashing cannot fail, and keys of a value are texts");
        self
    }

    pub(crate) fn get(self) -> u64 {
        self.0
    }
}

impl io::Write for Seed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        *self = self.with(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_those_of_the_reference_implementation() {
        // The first two outputs of splitmix64.c for the seed 1234567.
        let mut draws = Draws::new(1_234_567);
        assert_eq!(draws.next(), 6_457_827_717_110_365_317);
        assert_eq!(draws.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn seeds_are_those_of_the_reference_implementation() {
        // FNV-1a 64 of "foobar" from its authors' test vectors.
        assert_eq!(Seed(0xCBF2_9CE4_8422_2325).with(b"foobar").get(), 0x8594_4171_F739_67E8);
    }
}
