//! Every interleaving, up to a depth, of what can happen to the slices of one allocation: two callers, one gateway that holds
//! a slice, one quota node that may crash with or without what it was appending, and time that stands still or makes a step.
//!
//! In every state nothing is over-admitted, a settle is charged once, and no token is lost. What differs from body to body is
//! who takes part and how deep the walk goes: together some 320,000 states by 1,050,000 steps, in less than 20 seconds
//! of one core in debug. Each test prints its own. Further down: `cargo test -p weir-domain --test slices -- --ignored --nocapture`.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![expect(clippy::print_stdout, reason = "this is a test's own report")]

mod check;
mod faults;
mod key;
mod state;
mod step;
mod walk;

use walk::{Body, walk};

/// Walks and says how far it came; fails with the way to a state that breaks a promise.
fn hold_everywhere(body: Body) {
    let walked = walk(body).unwrap_or_else(|broken| panic!("{body:?}: {broken}"));
    println!("{body:?}: {} states by {} steps", walked.states, walked.steps);
    assert!(walked.states > 1_000, "there is more to see than {walked:?}");
}

#[test]
fn two_callers_and_hardly_any_tokens() {
    hold_everywhere(Body { tokens: 3, callers: 2, gateway: false, depth: 8 });
}

#[test]
fn two_callers_and_slices_drawn_ahead() {
    hold_everywhere(Body { tokens: 12, callers: 2, gateway: false, depth: 8 });
}

#[test]
fn a_gateway_with_a_slice() {
    hold_everywhere(Body { tokens: 12, callers: 0, gateway: true, depth: 10 });
}

#[test]
fn a_gateway_with_a_slice_and_a_caller_beside_it() {
    hold_everywhere(Body { tokens: 12, callers: 1, gateway: true, depth: 8 });
}

#[test]
fn everybody_at_once() {
    hold_everywhere(Body { tokens: 3, callers: 2, gateway: true, depth: 7 });
}

#[test]
#[ignore = "takes some minutes in debug"]
fn everybody_at_once_for_longer() {
    hold_everywhere(Body { tokens: 3, callers: 2, gateway: false, depth: 10 });
    hold_everywhere(Body { tokens: 12, callers: 0, gateway: true, depth: 14 });
    hold_everywhere(Body { tokens: 12, callers: 2, gateway: true, depth: 9 });
}
