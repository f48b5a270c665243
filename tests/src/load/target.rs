//! What a figure or a comparison should come to. A benchmark says whether it did; it never fails for it.

use std::fmt;

use super::rounds::{Compare, Metric, Outcome, Pair};
use super::spread::Spread;

/// Where a figure should lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// Here or above.
    AtLeast(f64),
    /// Here or below.
    AtMost(f64),
}

impl Bound {
    /// Whether it lies there.
    pub fn is_met(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(least) => figure >= least,
            Self::AtMost(most) => figure <= most,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "≥ {least:.2}"),
            Self::AtMost(most) => write!(f, "≤ {most:.2}"),
        }
    }
}

/// Of what a figure is a target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Of {
    /// The candidate's divided by the floor's.
    Ratio(Pair),
    /// One side's own.
    Side(&'static str),
}

/// A figure and where it should lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// Whose figure.
    pub of: Of,
    /// Which figure.
    pub metric: Metric,
    /// Where it should lie.
    pub bound: Bound,
}

impl Target {
    /// One line: the target, what was measured, and whether its median meets it.
    pub fn verdict(&self, outcome: &Outcome) -> String {
        let (what, measured) = match self.of {
            Of::Ratio(pair) => (
                format!("{} ÷ {}", pair.candidate, pair.floor),
                outcome.compared_as(pair, self.metric, Compare::Ratio),
            ),
            Of::Side(side) => (side.to_owned(), Spread::of(outcome.figures(side, self.metric))),
        };
        let wanted = format!("target: {what}, {} {}", self.metric.name, self.bound);
        match measured {
            None => format!("{wanted}: not measured"),
            Some(spread) if self.bound.is_met(spread.median) => format!("{wanted}: {spread:.2}, met"),
            Some(spread) => format!("{wanted}: {spread:.2}, missed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_met_on_its_edge_and_on_its_own_side_only() {
        let met = |bound: Bound| [0.84, 0.85, 0.86].map(|figure| bound.is_met(figure));
        assert_eq!(met(Bound::AtLeast(0.85)), [false, true, true]);
        assert_eq!(met(Bound::AtMost(0.85)), [true, true, false]);
    }
}
