//! The nine promises, checked after every step of random runs: several pools, hundreds of allocations, a clock that
//! jumps, policies that change under load, journals that lose their end, nodes that crash.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod clients;
mod pool;
mod retry;
mod seen;
mod steps;
mod terms;

use pool::Pool;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use seen::Seen;
use steps::{Step, step};

/// Steps of a run.
const STEPS: usize = 1_000;
const POOLS: usize = 3;
const CASES: u32 = 12;

fn run(steps: &[(usize, Step)]) -> Result<Seen, String> {
    let mut pools: Vec<Pool> = (0..POOLS).map(|number| Pool::begin(number as u64)).collect();
    for (which, step) in steps {
        let pool = &mut pools[which % POOLS];
        pool.take(step).map_err(|violation| format!("{step:?}: {violation}"))?;
    }
    let mut seen = Seen::default();
    for pool in &mut pools {
        pool.end().map_err(|violation| format!("at the end: {violation}"))?;
        seen.add(pool.seen());
    }
    Ok(seen)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, max_shrink_iters: 60, ..ProptestConfig::default() })]
    #[test]
    fn promises_hold_after_every_step(steps in prop::collection::vec((0..POOLS, step()), STEPS)) {
        if let Err(violation) = run(&steps) {
            return Err(TestCaseError::fail(violation));
        }
    }
}

#[test]
fn runs_reach_what_is_worth_checking() {
    let mut runner = TestRunner::deterministic();
    let mut seen = Seen::default();
    for _ in 0..4 {
        let steps = prop::collection::vec((0..POOLS, step()), STEPS).new_tree(&mut runner).unwrap().current();
        seen.add(run(&steps).unwrap());
    }
    assert!(seen.admitted > 400 && seen.borrowed > 20 && seen.shadowed > 5, "{seen:?}");
    assert!(seen.told_when > 60 && seen.told_never > 5, "{seen:?}");
    assert!(seen.deficits > 5 && seen.governed > 100 && seen.change_refused > 10, "{seen:?}");
    assert!(seen.crashes > 10 && seen.late_settles > 10 && seen.thresholds > 10, "{seen:?}");
}
