//! When limits in a pool change: at every decision about it, and by themselves at the edges of bursts and lapses.

use weir_domain::burst::BurstRecord;
use weir_domain::ledger::PoolTerms;
use weir_domain::policy::Terms;
use weir_domain::time::Timestamp;

/// The version of a pool's terms that was seen last, and the next edge after that.
pub(super) struct Edges {
    version: u64,
    next: Option<Timestamp>,
}

impl Edges {
    /// From now on.
    pub(super) fn of(terms: &PoolTerms, now: Timestamp) -> Self {
        Self { version: terms.version(), next: next_edge(terms, now) }
    }

    /// Whether limits have changed since it was last asked. Looks at every allocation only if they have.
    pub(super) fn passed(&mut self, terms: &PoolTerms, now: Timestamp) -> bool {
        let passed = terms.version() != self.version || self.next.is_some_and(|edge| edge <= now);
        if passed {
            *self = Self::of(terms, now);
        }
        passed
    }
}

fn next_edge(terms: &PoolTerms, now: Timestamp) -> Option<Timestamp> {
    let approved = |burst: &&BurstRecord| burst.approval().is_some();
    let windows = terms.bursts().values().filter(approved).map(|burst| burst.burst.window);
    let bursts = windows.flat_map(|window| [window.start(), window.end()]);
    let lapse = |terms: &Terms| terms.lapse.map(|lapse| lapse.at);
    let lapses = terms.allocations().values().filter_map(lapse);
    bursts.chain(lapses).filter(|edge| *edge > now).min()
}

#[cfg(test)]
mod tests {
    use weir_domain::amount::{Tokens, TokensPerMinute};
    use weir_domain::authorship::Authorship;
    use weir_domain::ledger::{Governed, TermsChanged};
    use weir_domain::policy::Lapse;

    use super::*;

    #[test]
    fn limits_change_once_at_a_decision_and_once_at_the_edge_it_brings() {
        let at = Timestamp::from_secs;
        let mut terms = PoolTerms::default();
        let mut edges = Edges::of(&terms, at(0));
        assert!(!edges.passed(&terms, at(1)));
        let lapse = Some(Lapse { at: at(10), to: TokensPerMinute::ZERO });
        let entitled = Terms { lapse, ..Terms::guarantee(TokensPerMinute::new(60), Tokens::new(1)) };
        let by = Authorship { author: "ada".into(), reason: "test".into(), at: at(1), commit: None };
        let what = TermsChanged::AllocationSet { service: "chat".parse().unwrap(), terms: entitled };
        terms.evolve(&Governed { by, what });
        assert_eq!(
            [2, 3, 9, 10, 11].map(|secs| edges.passed(&terms, at(secs))),
            [true, false, false, true, false]
        );
    }
}
