//! The promises of the ledger, checked after every step of random runs: commands that repeat and overtake each other,
//! changes of policy under load, bursts that overlap, clocks that jump ahead and step back, and replay.

#![cfg(test)]

mod steps;
mod world;

use proptest::prelude::*;
use steps::step;
use world::World;

/// Steps of one run. Runs of this length find a promise that was broken on purpose within a few dozen cases.
const STEPS_MAX: usize = 120;

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn every_promise_holds_after_every_step(steps in prop::collection::vec(step(), 1..STEPS_MAX)) {
        let mut world = World::begin();
        for step in &steps {
            world.take(step).map_err(|broken| TestCaseError::fail(format!("{broken}\nat {step:?}")))?;
        }
        world.replay().map_err(|broken| TestCaseError::fail(broken.to_string()))?;
    }

    #[test]
    fn events_that_come_twice_change_nothing_the_second_time(steps in prop::collection::vec(step(), 1..STEPS_MAX)) {
        let mut world = World::begin();
        for step in &steps {
            world.take(step).map_err(|broken| TestCaseError::fail(broken.to_string()))?;
        }
        world.replay_doubled().map_err(|broken| TestCaseError::fail(broken.to_string()))?;
    }
}

/// The run itself must reach what it is meant to check.
#[test]
fn random_runs_reach_refusals_debt_and_changes_of_policy() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen = world::Seen::default();
    for _ in 0..64 {
        let mut world = World::begin();
        let steps = prop::collection::vec(step(), STEPS_MAX).new_tree(&mut runner).unwrap().current();
        for step in &steps {
            world.take(step).unwrap();
        }
        seen.add(world.seen());
    }
    assert!(seen.admitted > 100 && seen.retries_told > 20 && seen.never_told > 20, "{seen:?}");
    assert!(seen.deficits > 5 && seen.governed > 100 && seen.did_not_fit > 5, "{seen:?}");
}
