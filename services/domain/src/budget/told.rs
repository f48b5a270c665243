//! Which thresholds of a budget somebody was told of in its period.

/// A set of percentages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Told([u128; 2]);

impl Told {
    /// None.
    pub const NONE: Self = Self([0; 2]);

    /// Adds a percentage.
    pub const fn insert(&mut self, percent: u8) {
        self.0[percent as usize / 128] |= Self::bit(percent);
    }

    /// Whether a percentage is in it.
    pub const fn contains(self, percent: u8) -> bool {
        self.0[percent as usize / 128] & Self::bit(percent) != 0
    }

    /// The percentages, rising.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(move |percent| self.contains(*percent))
    }

    const fn bit(percent: u8) -> u128 {
        1 << (percent % 128)
    }
}

impl FromIterator<u8> for Told {
    fn from_iter<I: IntoIterator<Item = u8>>(percents: I) -> Self {
        let mut told = Self::default();
        for percent in percents {
            told.insert(percent);
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_known_and_nothing_else() {
        let percents = [0, 50, 127, 128, 200, 255];
        let told = Told::from_iter(percents);
        assert_eq!(told.iter().collect::<Vec<_>>(), percents);
        assert_eq!(Told::default().iter().count(), 0);
    }
}
