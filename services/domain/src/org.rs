//! The organisation: teams, services, pools, prices and caller keys, folded from facts.
//!
//! Decides what a new policy changes and who gets a caller key. What moves tokens is [`crate::ledger`]: of pools the
//! organisation knows only what was decided about them, so that it can weigh a policy whole before anything is done.

mod event;
mod keys;
mod lines;
mod policy_change;
mod state;

#[cfg(test)]
mod scenarios;

pub use event::{Decided, Event};
pub use keys::KeyRefused;
pub use policy_change::{PolicyChange, decide_policy};
pub use state::Org;
