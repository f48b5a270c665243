//! The organisation: teams, services, pools, prices, exceptions and keys, folded from facts.
//!
//! Decides what a new policy changes, who gets a key and what deviates from policy. What moves tokens is
//! [`crate::ledger`]: of pools the organisation knows only what was decided about them, so that it can weigh a policy
//! whole before anything is done. Who may ask for a decision is [`crate::access`].

mod access_keys;
mod bursts;
mod chronicle;
mod commands;
mod event;
mod exceptions;
mod export;
mod fields;
mod image;
mod intent;
mod keys;
mod lines;
mod owners;
mod policy_change;
mod pool_change;
mod state;
mod used_up;

#[cfg(test)]
mod scenarios;

pub use access_keys::{ACCESS_KEYS_MAX, AccessKeyRefused};
pub use bursts::BurstRefused;
pub use chronicle::{Chronicle, Entry};
pub use commands::{COMMAND_MEMORY, COMMANDS_MAX, CommandId, CommandIdTaken, IDLE_COMMANDS_MAX};
pub use event::{Decided, Event};
pub use exceptions::{EXCEPTIONS_MAX, ExceptionRefused};
pub use image::OrgImage;
pub use intent::{Intent, IntentPart, Step};
pub use keys::{CALLER_KEYS_MAX, KeyRefused, KeyRotation};
pub use policy_change::{PolicyChange, decide_policy};
pub use state::Org;
pub use used_up::NAMES_USED_UP_MAX;
